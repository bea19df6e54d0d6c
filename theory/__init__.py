"""Mathematical objects and exact computation: HMMs, their mixtures, the prompt law, the filter, the theorems."""

from implicit_bayes.theory.filtering.filter import (
    ConceptFilter,
    MixtureFilter,
    filter_concepts,
    filter_mixture,
    log_evidence,
    log_probability,
)
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs, stationary_law
from implicit_bayes.theory.objects.prompts import PromptLaw

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
