"""Bayes that knows the prompt's own law: independent examples, known start law, unknown concept. The ceiling.

Posterior over concepts from S_n and x_test: prior_c prod_i p_start,c(O_i) p_start,c(x_test), no delimiter, no
carry-over of state between examples. It is undefined only where the true concept has prior zero and every other concept
forbids the examples: the true concept gives every prompt positive mass.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory import MixtureOfHMMs, filter_concepts
from implicit_bayes.theory.filtering.dispatch import Method, Prepared
from implicit_bayes.theory.filtering.filter import log_evidence
from implicit_bayes.theory.filtering.posterior import weigh
from implicit_bayes.theory.objects.rows import distinct_rows
from implicit_bayes.theory.statements.bounds import first_choice


class PromptAware(NamedTuple):
    """Predictions at each number of examples, and the labels, from one pass over all examples.

    Attributes:
        predictive_PxNxV: p(y | O_1..O_n, x_test), the concept marginalised.
        log_posterior_PxNxC: log p(c | O_1..O_n, x_test), nats.
        defined_PxN: whether that posterior exists.
        label_PxN: argmax of the true concept's p_prompt(y | x_test).
        truth_PxNxV: that law itself.
    """

    predictive_PxNxV: np.ndarray
    log_posterior_PxNxC: np.ndarray
    defined_PxN: np.ndarray
    label_PxN: np.ndarray
    truth_PxNxV: np.ndarray


def started_mixture(mixture: MixtureOfHMMs, start_SxH: np.ndarray) -> MixtureOfHMMs:
    """A mixture in which a first extra token V + s makes the document start from ``start_SxH[s]``.

    Adds S states; state H + s alone emits token V + s, and its kernel row is the start law s. One batch can then
    hold examples with different start laws. Each extra token costs log S nats under every concept alike.

    Args:
        mixture: of C concepts on H states.
        start_SxH: start laws, S of them.

    Returns:
        MixtureOfHMMs on H + S states and V + S tokens, with the same prior and delimiter.
    """
    starts, states = start_SxH.shape
    tokens, concepts = mixture.n_tokens, mixture.n_concepts
    initial = np.zeros((concepts, states + starts))
    initial[:, states:] = 1.0 / starts
    transition = np.zeros((concepts, states + starts, states + starts))
    transition[:, :states, :states] = mixture.transition
    transition[:, states:, :states] = start_SxH
    emission = np.zeros((concepts, states + starts, tokens + starts))
    emission[:, :states, :tokens] = mixture.emissions
    emission[:, states:, tokens:] = np.eye(starts)
    return MixtureOfHMMs(mixture.prior, initial, transition, emission, mixture.delimiter)


def prompt_aware(
    mixture: MixtureOfHMMs,
    example_PxNxK: np.ndarray,
    start_SxH: np.ndarray,
    start_index_P: np.ndarray,
    true_P: np.ndarray,
    method: Method = "auto",
    tables: Prepared | None = None,
    ns: Sequence[int] | None = None,
) -> PromptAware:
    """Filter every example that occurs on its own, and add up; laws of the next token are made at the ``ns`` alone.

    Args:
        mixture: the pretraining law (its document start laws are not used).
        example_PxNxK: (P, N + 1, k) examples; for n = 0..N, x_test is the first k - 1 tokens of example n.
        start_SxH: the distinct start laws.
        start_index_P: which of them each prompt uses.
        true_P: the true concept of each prompt.
        method: of the filter.
        tables: ``prepare(started_mixture(mixture, start_SxH), method)``, if the caller has it already.
        ns: numbers of examples that are asked about, in the order wanted; by default 0..N.

    Returns:
        PromptAware at those numbers of examples.
    """
    prompts, examples, length = example_PxNxK.shape
    chosen = list(range(examples) if ns is None else ns)
    started, tokens = started_mixture(mixture, start_SxH), _started(mixture, example_PxNxK, start_index_P)
    flat = tokens.reshape(prompts * examples, 1 + length)
    first, inverse = distinct_rows(flat.astype(float))  # short examples repeat: each is filtered once
    evidence_MxC = np.asarray(log_evidence(started, flat[first], method=method, tables=tables))
    evidence_O = evidence_MxC[inverse].reshape(prompts, examples, -1)
    out = filter_concepts(started, tokens[:, chosen, :length], positions=[length], method=method, tables=tables)
    evidence_x = np.asarray(out.log_evidence).squeeze(-2)
    concept_PxNxCxV = np.asarray(out.predictive).squeeze(-3)[..., : mixture.n_tokens]
    before_PxNxC = np.concatenate([np.zeros_like(evidence_O[:, :1]), evidence_O[:, :-1].cumsum(1)], 1)[:, chosen]
    _, log_posterior, defined = (np.asarray(x) for x in weigh(mixture.prior, before_PxNxC + evidence_x))
    predictive = np.einsum("pnc,pncv->pnv", np.exp(log_posterior), concept_PxNxCxV)
    truth_PxNxV = concept_PxNxCxV[np.arange(prompts), :, true_P]
    return PromptAware(predictive, log_posterior, defined, first_choice(truth_PxNxV), truth_PxNxV)


def prompt_truth(
    mixture: MixtureOfHMMs,
    example_PxNxK: np.ndarray,
    start_SxH: np.ndarray,
    start_index_P: np.ndarray,
    true_P: np.ndarray,
    tables: Prepared | None = None,
    ns: Sequence[int] | None = None,
) -> np.ndarray:
    """``prompt_aware``'s ``truth_PxNxV`` alone, which asks nothing of the examples before x_test.

    Args:
        mixture, example_PxNxK, start_SxH, start_index_P, true_P, tables, ns: as of ``prompt_aware``.

    Returns:
        (P, N, V) p_prompt(y | x_test) under the true concept, the same bits.
    """
    chosen = list(range(example_PxNxK.shape[1]) if ns is None else ns)
    inputs = _started(mixture, example_PxNxK, start_index_P)[:, chosen, :-1]
    out = filter_concepts(started_mixture(mixture, start_SxH), inputs, positions=[inputs.shape[-1]], tables=tables)
    laws: np.ndarray = np.asarray(out.predictive).squeeze(-3)[..., : mixture.n_tokens]
    return laws[np.arange(len(laws)), :, true_P]


def _started(mixture: MixtureOfHMMs, example_PxNxK: np.ndarray, start_index_P: np.ndarray) -> np.ndarray:
    """(P, N, 1 + k) examples behind the token of their start law."""
    extra = np.broadcast_to((mixture.n_tokens + start_index_P)[:, None, None], (*example_PxNxK.shape[:2], 1))
    return np.concatenate([extra, example_PxNxK], -1)
