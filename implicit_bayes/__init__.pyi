from .benchmarks.checks.instances import check_instance
from .benchmarks.checks.language_model import check_language_model, parametrize_with_checks
from .benchmarks.gap.measure import Gap, gap
from .benchmarks.predictors.models import find_model
from .benchmarks.verification.verify import Verification, verify
from .lm.huggingface import HuggingFaceModel, TorchModel
from .lm.model import LanguageModel, NetworkModel
from .lm.train import train
from .simulators.instances import Instance, load_instance, save_instance
from .simulators.sampler import sample_documents, sample_prompts
from .theory.filtering.filter import filter_concepts, filter_mixture, log_evidence, log_probability
from .theory.filtering.results import ConceptFilter, MixtureFilter
from .theory.filtering.state_beliefs import state_beliefs
from .theory.filtering.streaming import filter_stream
from .theory.information.kl import kl_sum
from .theory.information.rates import log_likelihood_rate, log_likelihood_rates
from .theory.objects.checks import ModelError
from .theory.objects.models import HMM, MixtureOfHMMs, stationary_law
from .theory.objects.prompts import PromptLaw
from .theory.programs.distribution import MixtureOfHMMsDistribution, as_distribution
from .theory.programs.generative import generative_program
from .theory.programs.interchange import (
    from_dynamax,
    from_hmmlearn,
    from_pomegranate,
    to_dynamax,
    to_hmmlearn,
    to_pomegranate,
)
from .theory.proofs.certify import certify
from .theory.proofs.search import search
from .theory.statements.assumptions import check_assumptions
from .theory.statements.conditions import check_conditions
from .theory.statements.theorems import evaluate_theorems

__all__ = [
    "HMM",
    "ConceptFilter",
    "Gap",
    "HuggingFaceModel",
    "Instance",
    "LanguageModel",
    "MixtureFilter",
    "MixtureOfHMMs",
    "MixtureOfHMMsDistribution",
    "ModelError",
    "NetworkModel",
    "PromptLaw",
    "TorchModel",
    "Verification",
    "as_distribution",
    "certify",
    "check_assumptions",
    "check_conditions",
    "check_instance",
    "check_language_model",
    "evaluate_theorems",
    "filter_concepts",
    "filter_mixture",
    "filter_stream",
    "find_model",
    "from_dynamax",
    "from_hmmlearn",
    "from_pomegranate",
    "gap",
    "generative_program",
    "kl_sum",
    "load_instance",
    "log_evidence",
    "log_likelihood_rate",
    "log_likelihood_rates",
    "log_probability",
    "parametrize_with_checks",
    "sample_documents",
    "sample_prompts",
    "save_instance",
    "search",
    "state_beliefs",
    "stationary_law",
    "to_dynamax",
    "to_hmmlearn",
    "to_pomegranate",
    "train",
    "verify",
]
