"""The exact filter of a mixture of HMMs: evidence, concept posterior and next-token predictive.

Source: the forward algorithm applied to the pretraining law of Xie et al. 2022, section 2.
"""

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.filtering import compiled, host
from implicit_bayes.theory.filtering import log_domain as log_kernels
from implicit_bayes.theory.filtering import scaled as kernels
from implicit_bayes.theory.filtering.bounded import unless
from implicit_bayes.theory.filtering.dispatch import Method, Prepared, choose, compiles, filters_on_host
from implicit_bayes.theory.filtering.forward import Asked, Record, Trace
from implicit_bayes.theory.filtering.posterior import bayes_rule, weigh
from implicit_bayes.theory.filtering.requests import check_positions, check_tokens
from implicit_bayes.theory.filtering.results import ConceptFilter, MixtureFilter
from implicit_bayes.theory.filtering.scales import derivatives_may_drift
from implicit_bayes.theory.filtering.support_tables import SupportTables
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.precision import in_float64, is_traced
from implicit_bayes.theory.objects.rows import equal_parts
from implicit_bayes.theory.objects.types import Array, Numbers

CHUNK_BYTES = 128 * 2**20
"""Working memory (recorded beliefs and predictives) of one chunk of documents."""

Kind = Literal["mixture", "concepts", "evidence", "probability"]
"""What a filter is asked for: MixtureFilter, ConceptFilter, or log p(o_1..o_t) alone."""
Answer = Any
"""What a ``Kind`` asks for (``evidence``: a mixture's, with no column of the predictive); no type says which."""


def filter_mixture(
    mixture: MixtureOfHMMs,
    tokens: Numbers,
    *,
    positions: Sequence[int] | None = None,
    method: Method = "auto",
    tables: Prepared | None = None,
) -> MixtureFilter:
    """Exact evidence, posterior and predictive at every (or at the chosen) prefix length, batched over documents.

    p(theta_c | o_1..o_t) = prior_c p(o_1..o_t | c) / sum_c' prior_c' p(o_1..o_t | c'),
    p(o_{t+1} | o_1..o_t) = sum_c p(theta_c | o_1..o_t) p(o_{t+1} | o_1..o_t, c).

    Exact at zeros: impossible is -inf, never a floor. Scaled arithmetic is checked for underflow inside a concept
    (a filter entry so small that its successors could vanish); documents it cannot be trusted with are redone in
    the log domain. Differentiable in the mixture's arrays (``dense`` or ``log``; ``auto`` picks dense under a trace).

    Args:
        mixture: the pretraining law.
        tokens: (..., T) integer tokens; T may be 0.
        positions: prefix lengths t in 0..T to report, in the order wanted; default all.
        method: ``dense`` (all states), ``sparse`` (only states that can emit the token) or ``log``, all in JAX;
            ``compiled`` (as sparse, in machine code; needs numba and concrete arrays); or ``auto``, the fastest of
            them by the rules of ``theory.filtering.dispatch``.
        tables: ``prepare(mixture, method)`` of this very mixture, if the caller has it already.

    Returns:
        MixtureFilter over the leading axes of ``tokens``, then P positions.

    Raises:
        ModelError: tokens that are not integers of the vocabulary, positions outside 0..T, an unknown method.
    """
    found: MixtureFilter = _filter(mixture, tokens, positions, method, tables, "mixture")
    return found


def filter_evidence(
    mixture: MixtureOfHMMs,
    tokens: Numbers,
    *,
    positions: Sequence[int] | None = None,
    method: Method = "auto",
    tables: Prepared | None = None,
) -> MixtureFilter:
    """``filter_mixture`` without next-token laws, which are most of the work and memory where V is large.

    Args:
        mixture, tokens, positions, method, tables: as for ``filter_mixture``; what it refuses is refused here.

    Returns:
        MixtureFilter whose ``predictive`` is (..., P, 0).
    """
    found: MixtureFilter = _filter(mixture, tokens, positions, method, tables, "evidence")
    return found


def filter_concepts(
    mixture: MixtureOfHMMs,
    tokens: Numbers,
    *,
    positions: Sequence[int] | None = None,
    method: Method = "auto",
    tables: Prepared | None = None,
) -> ConceptFilter:
    """What each concept, taken as known, says after each prefix: evidence and its own next-token predictive.

    Exactness as of ``filter_mixture``.

    Args:
        mixture: whose concepts are asked; its prior plays no part.
        tokens, positions, method, tables: as for ``filter_mixture``.

    Returns:
        ConceptFilter over the leading axes of ``tokens``, then P positions.

    Raises:
        ModelError: as ``filter_mixture``.
    """
    found: ConceptFilter = _filter(mixture, tokens, positions, method, tables, "concepts")
    return found


def _filter(
    mixture: MixtureOfHMMs,
    tokens: Numbers,
    positions: Sequence[int] | None,
    method: Method,
    tables: Prepared | None,
    kind: Kind,
) -> Answer:
    tokens = check_tokens(tokens, mixture.n_tokens)
    batch, length = tuple(tokens.shape[:-1]), tokens.shape[-1]
    wanted = np.arange(length + 1) if positions is None else check_positions(positions, length)
    if not is_traced((mixture, tokens)) and filters_on_host(mixture, method, math.prod(batch), length):
        concrete = np.asarray(tokens).reshape(math.prod(batch), length)
        traced = host.trace(mixture, concrete, np.sort(wanted), kind == "concepts", kind != "evidence")
        out = _answered(mixture, concrete, traced, wanted, kind)
        return jax.tree.map(lambda x: x.reshape((*batch, *x.shape[1:])), out)
    if not is_traced((mixture, tokens)) and compiles(mixture, method, tokens.size):
        out = _compiled(mixture, tables or Prepared(mixture), tokens.reshape(math.prod(batch), length), wanted, kind)
        return jax.tree.map(lambda x: x.reshape((*batch, *x.shape[1:])), out)
    slots = np.full(length + 1, len(wanted), dtype=np.int32)
    slots[wanted] = np.arange(len(wanted))
    record: Record = "last" if wanted.tolist() == [length] else "some"
    if np.array_equal(wanted, np.arange(length + 1)):
        record = "all"
    method = choose(mixture, method)
    if method == "compiled":
        raise ModelError("method: compiled needs concrete tokens; use auto under a trace")
    padded = None if method != "sparse" else (tables or Prepared(mixture)).padded()
    flat = tokens.reshape(math.prod(batch), length)
    mixture, moves = jax.tree.unflatten(_structure(), jax.tree.leaves(mixture)), is_traced(mixture)
    if moves or is_traced(tokens):
        out = _run(mixture, padded, flat.T, slots, len(wanted), record, method, kind, moves)
    else:
        out = _in_chunks(mixture, method, padded, flat, slots, len(wanted), record, kind)
    return jax.tree.map(lambda x: x.reshape((*batch, *x.shape[1:])), out)


@functools.cache
def _structure() -> jax.tree_util.PyTreeDef:
    """Mixtures are compiled as if their delimiter were 0: it plays no part here, and as a static field it would ask
    for a compilation of its own."""
    return jax.tree.structure(MixtureOfHMMs([1.0], [[1.0]], [[[1.0]]], [[1.0]], delimiter=0))


def log_evidence(
    mixture: MixtureOfHMMs, tokens: Numbers, *, method: Method = "auto", tables: Prepared | None = None
) -> Array:
    """(..., C) log p(o_1..o_T | theta_c), nats, of whole documents; -inf where impossible.

    Args:
        mixture, tokens, method, tables: as of ``filter_mixture``; what it refuses is refused here.

    Returns:
        (..., C) float64, one row for each document: the evidence of all its T tokens, without the empty prefix.
    """
    last = [np.shape(tokens)[-1]]
    return filter_evidence(mixture, tokens, positions=last, method=method, tables=tables).log_evidence[..., 0, :]


def log_probability(mixture: MixtureOfHMMs, tokens: Numbers, *, method: Method = "auto") -> Array:
    """(...,) log p(o_1..o_T) = log sum_c prior_c p(o_1..o_T | theta_c), nats; -inf where impossible.

    Its derivative in an entry that is zero is the one-sided one, for every method and array, prior included: each is a
    coefficient in a polynomial. Where p itself is zero there is none, and 0 is returned; beyond 1e300 derivatives are
    cut (theory.filtering.bounded), and second ones that come of cut ones are no more than not nan. A traced mixture
    whose kernel is not irreducible is therefore left to ``log``, which keeps a scale for each state, where documents
    are long; a concept that a document kills keeps one for the concept.

    Args:
        mixture, tokens, method: as of ``filter_mixture``; what it refuses is refused here.

    Returns:
        (...,) float64, one number for each document.
    """
    if is_traced((mixture, tokens)):
        length = np.shape(tokens)[-1]
        total: Array = _filter(mixture, tokens, [length], method, None, "probability")[..., 0]
        return total
    return weigh(mixture.prior, log_evidence(mixture, tokens, method=method)).log_probability


def _compiled(mixture: MixtureOfHMMs, tables: Prepared, tokens_BxT: Array, wanted: np.ndarray, kind: Kind) -> Answer:
    """Concrete documents by compiled code."""
    found = compiled.trace(
        mixture, tables.buckets(), np.asarray(tokens_BxT), np.sort(wanted), kind == "concepts", laws=kind != "evidence"
    )  # fmt: skip
    return _answered(mixture, tokens_BxT, found, wanted, kind)


def _answered(
    mixture: MixtureOfHMMs, tokens_BxT: Array, found: compiled.CompiledTrace, wanted: np.ndarray, kind: Kind
) -> Answer:
    """A trace at sorted positions as what was asked for; near underflow documents are redone in the log domain."""
    per_concept = kind == "concepts"
    order = np.argsort(wanted)
    predictive = found.predictive_BxPxKxV if per_concept else found.predictive_BxPxKxV[:, :, 0]
    parts: tuple[np.ndarray, ...] = (found.log_evidence_BxPxC, found.log_posterior_BxPxC, found.defined_BxP, predictive)
    if not (order == np.arange(len(wanted))).all():
        parts = tuple(part[:, np.argsort(order)] for part in parts)
    evidence, posterior, defined, predictive = parts
    out: Answer = MixtureFilter(evidence, posterior, defined, predictive, found.possible_B)
    if per_concept:
        out = ConceptFilter(evidence, predictive)
    doubtful = np.flatnonzero(found.doubtful_B)
    if doubtful.size:
        again = _filter(mixture, tokens_BxT[doubtful], wanted.tolist(), "log", None, kind)
        for fresh, part in zip(again, out, strict=True):
            part[doubtful] = np.asarray(fresh)
    return out


def _in_chunks(
    mixture: MixtureOfHMMs,
    method: Method,
    tables: SupportTables | None,
    tokens_BxT: Array,
    slots: np.ndarray,
    n_slots: int,
    record: Record,
    kind: Kind,
) -> Answer:
    """Documents in equal chunks, so that recorded beliefs fit in CHUNK_BYTES (the last chunk is padded)."""
    widest = max(mixture.n_states, 0 if kind == "evidence" else mixture.n_tokens)
    most = max(1, CHUNK_BYTES // (8 * n_slots * mixture.n_concepts * widest + 1))
    size = max(1, -(-len(tokens_BxT) // max(1, -(-len(tokens_BxT) // most))))  # equal parts: little is padded
    pieces = []
    for full, count in equal_parts(np.asarray(tokens_BxT), size):
        out = in_float64(_run)(mixture, tables, full.T, slots, n_slots, record, method, kind, False)
        pieces.append(jax.tree.map(operator.itemgetter(slice(count)), out))
    if len(pieces) == 1:
        return pieces[0]
    join = jnp.concatenate if isinstance(pieces[0].log_evidence, jax.Array) else np.concatenate
    return jax.tree.map(lambda *parts: join(parts), *pieces)


def _run_unjitted(
    mixture: MixtureOfHMMs,
    tables: SupportTables | None,
    tokens_TxB: Array,
    slots: Array,
    n_slots: int,
    record: Record,
    method: Method,
    kind: Kind,
    differentiable: bool,
) -> Answer:
    asked = Asked(slots, n_slots, record, mixed := kind != "concepts")

    def wanted(trace: Trace) -> tuple[jax.Array, ...]:
        """What was asked for (and the axis of documents in it, below); the rest is never computed."""
        if kind == "probability":
            return (trace.log_probability_PxB,)
        law = trace.predictive_PxKxBxV[..., : 0 if kind == "evidence" else None]
        predictive = law[:, 0] if mixed else law.swapaxes(1, 2)
        return trace.log_evidence_PxBxC, predictive, trace.possible_B

    axes = (1,) if kind == "probability" else (1, 1, 0)

    def exact() -> tuple[jax.Array, ...]:
        return wanted(log_kernels.log_trace(mixture, tokens_TxB, slots, n_slots, mixed))

    def redo(doubtful: jax.Array, *found: jax.Array) -> tuple[jax.Array, ...]:
        return tuple(
            jnp.where(doubtful.reshape(-1, *[1] * (x.ndim - 1 - axis)), x, y)
            for axis, x, y in zip(axes, exact(), found, strict=True)
        )

    if method == "log":
        found = exact()
    else:

        def fast() -> tuple[jax.Array, ...]:
            trace = kernels.scaled_trace(mixture, tables, tokens_TxB, asked)
            return trace.doubtful_B, *wanted(trace)

        length = len(tokens_TxB)
        doubtful, *scaled = unless(derivatives_may_drift(mixture, length), fast) if differentiable else fast()
        found = jax.lax.cond(doubtful.any(), redo, lambda _, *found: found, doubtful, *scaled)
    if kind == "probability":
        return found[0].swapaxes(0, 1)
    evidence, predictive, possible = found
    if kind == "concepts":
        return ConceptFilter(evidence.swapaxes(0, 1), predictive.swapaxes(0, 1))
    _, posterior, defined = bayes_rule(mixture.prior, evidence)
    first, second, third, fourth = (jnp.swapaxes(x, 0, 1) for x in (evidence, posterior, defined, predictive))
    return MixtureFilter(first, second, third, fourth, possible)


_run = jax.jit(_run_unjitted, static_argnames=("n_slots", "record", "method", "kind", "differentiable"))
