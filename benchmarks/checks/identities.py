"""Identities that hold of every mixture of HMMs, asked of one: the suite's own arithmetic, on numbers that users bring.

Every check takes a Mixed and returns an Outcome; what is too large to enumerate is "undetermined", with the size said.
Source: docs/theory, "Objects" and "Laws that any model obeys".
"""

import itertools
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import jax
import numpy as np

from implicit_bayes.benchmarks.checks.answers import Outcome
from implicit_bayes.benchmarks.checks.other_roads import by_paths, plain_recursion
from implicit_bayes.simulators.datasets import Documents
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import MixtureOfHMMs, filter_mixture, log_evidence
from implicit_bayes.theory.filtering import compiled
from implicit_bayes.theory.filtering.dispatch import Method
from implicit_bayes.theory.filtering.results import MixtureFilter
from implicit_bayes.theory.information.decomposition import regret
from implicit_bayes.theory.objects.types import Numbers

PATHS = 200_000
"""Hidden paths of a concept, or token strings, that are affordable."""
STRINGS = 30_000
CLOSE = 1e-8
"""Relative error (absolute, below 1) of logarithms and probabilities that rounding may cost."""
PREFIXES = (0, 3, 16)
"""Lengths of the prefixes that are extended by every token."""
ASKED = 8
"""Documents of the dearer checks."""


class MixedSettings(NamedTuple):
    """What an instance is asked: documents, tokens in each, prompts of the measurement, seed.

    Attributes:
        documents: B, drawn from the mixture.
        length: T, tokens in each.
        prompts: of the measured in-context accuracy.
        seed: of everything that is drawn.
    """

    documents: int = 32
    length: int = 64
    prompts: int = 400
    seed: int = 0


class Mixed:
    """An instance under examination, its documents, and what the filter says of them."""

    def __init__(self, instance: Instance, settings: MixedSettings):
        self.instance, self.mixture, self.settings = instance, instance.mixture, settings
        self.rng = np.random.default_rng([settings.seed, 11])

    @cached_property
    def documents(self) -> Documents:
        """Fresh documents."""
        key = jax.random.fold_in(jax.random.key(self.settings.seed), 9)
        return sample_documents(self.mixture, key, self.settings.documents, self.settings.length)

    @cached_property
    def filtered(self) -> MixtureFilter:
        """Of all documents, at every prefix."""
        return MixtureFilter(*(np.asarray(x) for x in filter_mixture(self.mixture, self.documents.tokens)))

    @cached_property
    def strings_NxT(self) -> np.ndarray:
        """All V^T strings, T up to the example length; (0, 0) where even T = 1 is too many."""
        most = self.instance.k or 3
        length = max((t for t in range(1, most + 1) if self.mixture.n_tokens**t <= STRINGS), default=0)
        rows = list(itertools.product(range(self.mixture.n_tokens), repeat=length)) if length else []
        return np.array(rows, np.int32).reshape(len(rows), length)

    @cached_property
    def strings_log_evidence_NxC(self) -> np.ndarray:
        """log p(o | c) of all strings."""
        return np.asarray(log_evidence(self.mixture, self.strings_NxT))


def distance(given: Numbers, expected: Numbers) -> float:
    """The largest |given - expected| / max(1, |expected|); equal infinities are equal, and any other nan is inf.

    Args:
        given: numbers, of any shape.
        expected: numbers of the same shape; above 1 the difference counts relative to them.

    Returns:
        A number of no unit, 0 for arrays without entries.
    """
    one, other = np.asarray(given, float), np.asarray(expected, float)
    if not one.size:
        return 0.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other) / np.maximum(1.0, np.where(np.isfinite(other), np.abs(other), 1.0))
    apart = np.where(one == other, 0.0, apart)
    return float(np.where(np.isnan(apart), np.inf, apart).max())


def agree(worst: float, holds: str, broken: str, bound: float = CLOSE) -> Outcome:
    """An identity that is kept up to rounding, or is not.

    Args:
        worst: the largest deviation.
        holds: in words, what is true where the identity holds.
        broken: in words, what is wrong where it does not.
        bound: the largest deviation that rounding explains.

    Returns:
        Outcome: ``worst`` beside ``bound``.
    """
    return Outcome(worst <= bound, holds if worst <= bound else broken, worst, bound)


def sampler(mixed: Mixed) -> Outcome:
    """Every document that is drawn is possible, and under its own concept, which has a positive prior.

    Returns:
        Outcome: the number of impossible documents, beside 0.
    """
    concepts = mixed.documents.concepts
    own_B = mixed.filtered.log_evidence[np.arange(len(concepts)), -1, concepts]
    bad = int((~np.isfinite(own_B) | (np.asarray(mixed.mixture.prior)[concepts] <= 0)).sum())
    words = f"{bad} of {len(own_B)} documents are impossible under the concept that they were drawn from"
    return agree(float(bad), "every document drawn is possible under its own concept", words, 0.0)


def enumeration(mixed: Mixed) -> Outcome:
    """Evidence, posterior and predictive against the sum over all H^T hidden paths, impossible strings among them.

    Returns:
        Outcome: the largest ``distance``, beside CLOSE; "undetermined" where one token has too many paths already.
    """
    states, length = mixed.mixture.n_states, mixed.settings.length
    most = max((t for t in range(1, 1 + min(6, length)) if states**t <= PATHS), default=0)
    if not most:
        return Outcome("undetermined", f"{states:,} states are more paths of one token than {PATHS:,}")
    drawn = mixed.documents.tokens[: ASKED // 2, :most]
    strings = np.concatenate([drawn, mixed.rng.integers(0, mixed.mixture.n_tokens, (ASKED // 2, most))])
    out, worst = filter_mixture(mixed.mixture, strings, positions=[most]), 0.0
    for i, tokens in enumerate(strings):
        evidence_C, next_CxV = by_paths(mixed.mixture, tokens)
        joint_C = np.asarray(mixed.mixture.prior) * evidence_C
        with np.errstate(divide="ignore", invalid="ignore"):
            log_posterior = np.where(joint_C > 0, np.log(joint_C) - np.log(joint_C.sum()), -np.inf)
            predictive = (np.asarray(mixed.mixture.prior) @ next_CxV) / joint_C.sum()
            log_evidence_C = np.log(evidence_C)
        predictive = predictive if joint_C.sum() > 0 else np.zeros(mixed.mixture.n_tokens)
        pairs = ((out.log_evidence, log_evidence_C), (out.log_posterior, log_posterior), (out.predictive, predictive))
        worst = max(worst, *(distance(np.asarray(found)[i, 0], exact) for found, exact in pairs))
    paths = f"all {states}^{most} hidden paths of {len(strings)} strings"
    return agree(worst, f"evidence, posterior and predictive are the sums over {paths}",
                 f"evidence, posterior or predictive differ from the sums over {paths}")  # fmt: skip


def two_methods(mixed: Mixed) -> Outcome:
    """log p(o | c) of whole documents: by the recursion that the filter chooses, by the one in logarithms, in machine
    code where there is any, and by a plain forward recursion in extended precision.

    Returns:
        Outcome: the largest ``distance`` of any recursion from the chosen one, beside CLOSE.
    """
    chosen, tokens = mixed.filtered.log_evidence[:, -1], mixed.documents.tokens
    methods: list[Method] = ["log", "compiled"] if compiled.available() else ["log"]
    apart = {}
    for method in methods:
        apart[str(method)] = distance(log_evidence(mixed.mixture, tokens, method=method), chosen)
    apart["plain"] = distance(plain_recursion(mixed.mixture, tokens), chosen)
    worst = max(apart, key=lambda name: apart[name])
    return agree(apart[worst], f"the evidence of {len(tokens)} documents is the same by {len(apart) + 1} recursions",
                 f"the evidence by the recursion {worst!r} is another")  # fmt: skip


def permutation(mixed: Mixed) -> Outcome:
    """Concepts, states and tokens renamed: the same numbers in another order.

    Returns:
        Outcome: the largest ``distance``, beside CLOSE.
    """
    mixture = mixed.mixture
    c, h, v = (mixed.rng.permutation(n) for n in (mixture.n_concepts, mixture.n_states, mixture.n_tokens))
    emission = np.asarray(mixture.emission)
    emission = emission if emission.ndim == 2 else emission[c]
    renamed = MixtureOfHMMs(
        np.asarray(mixture.prior)[c], np.asarray(mixture.initial)[c][:, h],
        np.asarray(mixture.transition)[c][:, h][:, :, h], emission[..., h, :][..., v],
        int(np.argsort(v)[mixture.delimiter]),
    )  # fmt: skip
    out = filter_mixture(renamed, np.argsort(v)[mixed.documents.tokens].astype(np.int32))
    found = mixed.filtered
    worst = max(
        distance(out.log_evidence, found.log_evidence[..., c]), distance(out.predictive, found.predictive[..., v]),
        distance(np.exp(np.asarray(out.log_posterior)), np.exp(found.log_posterior[..., c])),
    )  # fmt: skip
    return agree(worst, "renaming concepts, states and tokens renames the answers",
                 "renaming concepts, states and tokens changes the answers: a name matters somewhere")  # fmt: skip


def total_probability(mixed: Mixed) -> Outcome:
    """sum over all V^T strings of p(o_1..o_T) = 1.

    Returns:
        Outcome: |sum - 1|, beside CLOSE; "undetermined" where there are more strings than STRINGS.
    """
    tokens, (count, length) = mixed.mixture.n_tokens, mixed.strings_NxT.shape
    if not count:
        return Outcome("undetermined", f"{tokens:,} tokens are more strings than {STRINGS:,}")
    total = float((np.exp(mixed.strings_log_evidence_NxC) @ np.asarray(mixed.mixture.prior)).sum())
    return agree(abs(total - 1), f"the probabilities of all {tokens}^{length} strings sum to 1",
                 f"the probabilities of all {tokens}^{length} strings sum to {total:.10g}")  # fmt: skip


def evidence_chain_rule(mixed: Mixed) -> Outcome:
    """log sum_c pi_c p(o_1..o_T | c) = sum_t log p(o_t | o_<t): evidence against predictives.

    Returns:
        Outcome: the largest ``distance`` of the two sides, beside CLOSE.
    """
    with np.errstate(divide="ignore"):
        joint = np.log(np.asarray(mixed.mixture.prior)) + mixed.filtered.log_evidence[:, -1]
    worst = distance(_log_came(mixed).sum(1), np.logaddexp.reduce(joint, axis=-1))
    return agree(worst, "the predictives of a document multiply to its probability",
                 "the predictives of a document do not multiply to its probability")  # fmt: skip


def _log_came(mixed: Mixed) -> np.ndarray:
    """(B, T) log p(o_t | o_<t) of the tokens that came."""
    tokens = mixed.documents.tokens
    came = np.take_along_axis(mixed.filtered.predictive[:, :-1], tokens[..., None].astype(int), -1)[..., 0]
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(came))


def posterior_martingale(mixed: Mixed) -> Outcome:
    """sum_v p(v | o_1..o_t) w(c | o_1..o_t, v) = w(c | o_1..o_t): the posterior does not move on average.

    Returns:
        Outcome: the largest ``distance`` of the two sides, beside CLOSE; exact, since all next tokens are summed over.
    """
    vocabulary, lengths = mixed.mixture.n_tokens, [t for t in PREFIXES if t < mixed.settings.length]
    prefixes = mixed.documents.tokens[:ASKED, : max(lengths) + 1]
    longer = np.tile(np.repeat(prefixes, vocabulary, 0), (len(lengths), 1, 1))  # what follows a prefix does not matter
    for i, t in enumerate(lengths):
        longer[i, :, t] = np.tile(np.arange(vocabulary), len(prefixes))
    out = filter_mixture(mixed.mixture, longer, positions=[t + 1 for t in lengths])
    weight = np.exp(np.asarray(out.log_posterior)).reshape(len(lengths), len(prefixes), vocabulary, len(lengths), -1)
    worst = 0.0
    for i, t in enumerate(lengths):
        law_BxV = mixed.filtered.predictive[: len(prefixes), t]
        now_BxC = np.exp(mixed.filtered.log_posterior[: len(prefixes), t])
        worst = max(worst, distance(np.einsum("bv,bvc->bc", law_BxV, weight[i, :, :, i]), now_BxC))
    return agree(worst, "the posterior does not move on average under the predictive",
                 "the posterior moves on average: predictive and posterior belong to different laws")  # fmt: skip


def bounded_regret(mixed: Mixed) -> Outcome:
    """-log p(o_1..o_t) <= -log p(o_1..o_t | c) + log 1/pi_c for every prefix and concept, the left by predictives.

    Returns:
        Outcome: the largest excess of the left side, nats, beside CLOSE.
    """
    log_p_BxT = np.cumsum(_log_came(mixed), axis=1)
    excess = regret(np.asarray(mixed.filtered.log_evidence)[:, 1:], log_p_BxT, np.asarray(mixed.mixture.prior))
    worst = float(max(excess.max(), 0.0))
    return agree(worst, "Bayes pays at most log 1/prior over knowing the concept", "Bayes pays more than log 1/prior")


def chosen_pairs(instance: Instance, most: int = 2) -> Iterator[tuple[int, np.ndarray]]:
    """Up to ``most`` true concepts of positive prior, each with its first prompt start law.

    Args:
        instance: under examination.
        most: pairs.

    Yields:
        (index of the true concept, (H,) start law).
    """
    prior = np.asarray(instance.mixture.prior)
    for concept in [c for c in instance.true_concepts if prior[c] > 0][:most]:
        yield concept, np.asarray(instance.prompt_starts)[concept, 0]
