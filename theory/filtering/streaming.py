"""Documents of any length in bounded memory: the filter chunk by chunk, with a carry.

A chunk's memory is that of its own answers; what is carried is one belief for every document and concept. The
answers do not depend on the size of the chunks. Where a belief comes near underflow, its chunk and everything after
it is done in the log domain, starting from the carried belief, which was still sound.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.filtering import compiled
from implicit_bayes.theory.filtering import log_domain as log_kernels
from implicit_bayes.theory.filtering.block_tables import BucketTables
from implicit_bayes.theory.filtering.dispatch import Method, Prepared, choose, compiles
from implicit_bayes.theory.filtering.posterior import weigh
from implicit_bayes.theory.filtering.requests import check_tokens
from implicit_bayes.theory.filtering.results import MixtureFilter
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.precision import in_float64, is_traced
from implicit_bayes.theory.objects.types import Numbers


class _State(NamedTuple):
    """log p(o_1..o_t, h_{t+1} | c), the whole of what the future needs; nats, (B, C, H)."""

    log_ahead_BxCxH: np.ndarray


def filter_stream(
    mixture: MixtureOfHMMs, tokens: Numbers, chunk: int, *, method: Method = "auto"
) -> Iterator[MixtureFilter]:
    """``filter_mixture`` of (B, T) documents, ``chunk`` tokens at a time.

    Args:
        mixture: the pretraining law, concrete.
        tokens: (B, T) integer tokens; a memory map will do, for only a chunk is looked at.
        chunk: tokens of each document to work on at a time, at least 1.
        method: as in ``filter_mixture``; without numba ``auto`` works in the log domain.

    Returns:
        An iterator over the chunks. Chunk i answers for the prefixes of lengths i chunk + 1 .. (i + 1) chunk of the
        *whole* document; its ``first_impossible`` counts the chunk's own leading possible tokens (0 once dead).

    Raises:
        ModelError: a chunk below 1, tokens without two axes or outside the vocabulary, traced arguments.
    """
    if chunk < 1:
        raise ModelError(f"chunk: {chunk} is below 1")
    if is_traced((mixture, tokens)) or np.ndim(tokens) != 2:
        raise ModelError("tokens: a stream needs concrete tokens with two axes (documents, positions)")
    return _stream(mixture, np.asanyarray(tokens), chunk, method)


def _stream(mixture: MixtureOfHMMs, tokens: np.ndarray, chunk: int, method: Method) -> Iterator[MixtureFilter]:
    batch, length = np.shape(tokens)
    fast = compiles(mixture, method, batch * length)
    tables = Prepared(mixture).buckets() if fast else None
    choose(mixture, method)
    carry = None if tables is None else compiled.start(tables, batch)
    initial = np.broadcast_to(np.asarray(mixture.initial), (batch, *np.shape(mixture.initial)))
    slow = None if fast else _State(_log(initial))
    for begin in range(0, length, chunk):
        part = np.asarray(check_tokens(tokens[:, begin : begin + chunk], mixture.n_tokens))
        wanted = np.arange(1, part.shape[1] + 1)
        if slow is None:
            assert carry is not None and tables is not None
            before = compiled.Carry(*(x.copy() for x in carry))
            found = compiled.trace(mixture, tables, part, wanted, False, carry)
            if not found.doubtful_B.any():
                evidence, posterior, defined, predictive, possible, _ = found
                yield MixtureFilter(evidence, posterior, defined, predictive[:, :, 0], possible)
                continue
            slow = _State(_ahead(mixture, tables, before))
        slow, answer = _in_logarithms(mixture, part, slow)
        yield answer


def _ahead(mixture: MixtureOfHMMs, tables: BucketTables, carry: compiled.Carry) -> np.ndarray:
    """The log-domain state of a compiled carry: beliefs spread over the states and moved on by the kernel."""
    emits: np.ndarray = np.any(np.asarray(mixture.emissions) > 0, axis=0)
    transition = np.asarray(mixture.transition)
    out = np.empty((len(carry.last_B), *np.shape(mixture.initial)))
    start = tables.narrow_CxMxMx4x4.shape[1] - 1
    for b, code in enumerate(carry.last_B):
        if code == start:
            out[b] = _log(carry.belief_BxCxX[b, :, :1] * np.asarray(mixture.initial))
        else:
            states = np.flatnonzero(emits[:, int(np.flatnonzero(tables.code_V == code)[0])])
            belief = carry.belief_BxCxX[b, :, : len(states)]
            out[b] = _log(np.einsum("cw,cwh->ch", belief, transition[:, states]))
        out[b] += carry.exponent_BxC[b, :, None] * compiled.LOG_2
    return out


def _log(x: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        logs: np.ndarray = np.log(x)
        return logs


@in_float64
def _in_logarithms(mixture: MixtureOfHMMs, tokens_BxT: np.ndarray, state: _State) -> tuple[_State, MixtureFilter]:
    evidence, predictive, ahead, alive = log_kernels.log_steps(mixture, tokens_BxT, jnp.asarray(state.log_ahead_BxCxH))
    _, posterior, defined = weigh(mixture.prior, evidence)
    mixed = (jnp.exp(posterior)[..., None] * predictive).sum(-2)
    possible = np.asarray(alive).sum(-1).astype(np.int32)
    return _State(np.asarray(ahead)), MixtureFilter(evidence, posterior, defined, mixed, possible)
