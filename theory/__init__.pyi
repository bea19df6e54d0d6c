from .filtering.filter import filter_concepts, filter_mixture, log_evidence, log_probability
from .filtering.results import ConceptFilter, MixtureFilter
from .objects.checks import ModelError
from .objects.models import HMM, MixtureOfHMMs, stationary_law
from .objects.prompts import PromptLaw

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
