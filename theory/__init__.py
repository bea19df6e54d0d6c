"""Mathematical objects and exact computation: HMMs, their mixtures, the prompt law, the filter, the theorems."""

from theory.checks import ModelError
from theory.filter import ConceptFilter, MixtureFilter, filter_concepts, filter_mixture, log_evidence, log_probability
from theory.models import HMM, MixtureOfHMMs, stationary_law
from theory.prompts import PromptLaw

__all__ = [
    "HMM",
    "ConceptFilter",
    "MixtureFilter",
    "MixtureOfHMMs",
    "ModelError",
    "PromptLaw",
    "filter_concepts",
    "filter_mixture",
    "log_evidence",
    "log_probability",
    "stationary_law",
]
