"""The fast sampler for everything but the released streams: seeded by a JAX key, all documents side by side.

A document: concept ~ prior, then h_1 ~ initial, h_{t+1} ~ transition[h_t], o_t ~ emission[h_t]. A prompt: one true
concept and one start law, then n + 1 independent examples of k tokens from that start law, a delimiter between.
Laws are alias tables in float64, so what has probability zero is never drawn; the uniforms are 53-bit numbers of a
host generator (SFC64) seeded by the key, the same on every device and for every ``jax_enable_x64``.

Source: Xie et al. 2022, section 2 (pretraining and prompt distributions).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt32

from implicit_bayes.simulators.alias import AliasTable, alias_table, draw, draw_on_host, limits
from implicit_bayes.simulators.datasets import Documents, Prompts, as_count
from implicit_bayes.theory.filtering import compiled
from implicit_bayes.theory.filtering.dispatch import on_host
from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_simplex
from implicit_bayes.theory.objects.models import MixtureOfHMMs, as_token
from implicit_bayes.theory.objects.types import Numbers

Key = jax.Array | UInt32[np.ndarray, "2"]
"""One JAX key, or its words (``keys.derived_key``)."""

CHUNK = 1 << 21
"""Uniforms on the table at a time."""

DRAW = 40
"""Multiplications that take NumPy as long as one draw (40 ns), for ``theory.filtering.dispatch.on_host``."""

CACHED = 1 << 15
"""The same for compiled chains: 256 KiB, so that they stay in the cache. The numbers do not depend on either."""


class Tables(NamedTuple):
    """A mixture made ready for drawing.

    Args:
        prior: one law on C.
        initial: C laws on H; row c.
        transition: C * H laws on H; row c * H + h.
        emission: C * H laws on V, or H if all concepts share one; None where every state emits one token.
        token_of: (C * H,) or (H,) that token, where every state emits one; else None.
        states: H.
        shared: whether the concepts share the emission.
        limit_R, alias_R: ``transition`` as compiled chains want it (``alias.limits``), row by row.
    """

    prior: AliasTable
    initial: AliasTable
    transition: AliasTable
    emission: AliasTable | None
    token_of: np.ndarray | None
    states: int
    shared: bool
    limit_R: np.ndarray
    alias_R: np.ndarray


def tables_of(mixture: MixtureOfHMMs) -> Tables:
    """Alias tables of every law in the mixture.

    Returns:
        Tables, from which a draw costs O(1) whatever H and V are.
    """
    states, emission = mixture.n_states, np.asarray(mixture.emission)
    rows = emission.reshape(-1, mixture.n_tokens)
    certain = bool(((rows > 0).sum(-1) == 1).all())
    transition = alias_table(np.asarray(mixture.transition).reshape(-1, states))
    return Tables(
        prior=alias_table(np.asarray(mixture.prior)[None]),
        initial=alias_table(np.asarray(mixture.initial)),
        transition=transition,
        emission=None if certain else alias_table(rows),
        token_of=rows.argmax(-1).astype(np.int32) if certain else None,
        states=states,
        shared=emission.ndim == 2,
        limit_R=limits(np.asarray(transition.accept)),
        alias_R=np.asarray(transition.alias).astype(np.uint16).reshape(-1),
    )


def sample_documents(mixture: MixtureOfHMMs, key: Key, documents: int, length: int) -> Documents:
    """``documents`` independent documents of the pretraining law.

    Args:
        mixture: the pretraining law.
        key: one JAX key; the same key gives the same documents.
        documents: B.
        length: T.

    Returns:
        Documents: tokens (B, T), states (B, T), concepts (B,), int32 NumPy arrays.

    Raises:
        ModelError: a count below one, or not one key.
    """
    documents, length = as_count("documents", documents), as_count("length", length)
    return _documents(tables_of(mixture), _generator(key), documents, length)


def stream(mixture: MixtureOfHMMs, key: Key, documents: int, length: int) -> Iterator[Documents]:
    """Fresh documents for ever: batch i is drawn with ``jax.random.fold_in(key, i)``.

    Args:
        mixture, key, length: as of ``sample_documents``.
        documents: in one batch.

    Returns:
        An endless iterator of Documents.

    Raises:
        ModelError: as ``sample_documents``.
    """
    documents, length = as_count("documents", documents), as_count("length", length)
    _generator(key)  # a bad key is refused here and not at the first batch
    return _batches(tables_of(mixture), key, documents, length)


def _batches(tables: Tables, key: Key, documents: int, length: int) -> Iterator[Documents]:
    batch = 0
    while True:
        yield _documents(tables, _generator(jax.random.fold_in(key, batch)), documents, length, compiles=True)
        batch += 1


def sample_prompts(
    mixture: MixtureOfHMMs,
    starts_CxSxH: Numbers,
    key: Key,
    prompts: int,
    k: int,
    n: int,
    *,
    true_concepts: Sequence[int] | None = None,
) -> Prompts:
    """``prompts`` independent prompts, each of n + 1 complete examples with a delimiter between.

    Each prompt draws a true concept uniformly from ``true_concepts`` and one of its S start laws uniformly; its
    examples are independent given both. Every prefix (S_m, x_test), m <= n, can be read off one prompt.

    Args:
        mixture: whose concepts run the examples, and whose delimiter is written.
        starts_CxSxH: alternative start laws of every concept.
        key: one JAX key.
        prompts: P.
        k: tokens in an example, at least 2.
        n: examples before the last one, at least 0.
        true_concepts: candidates for the true concept; all if not given.

    Returns:
        Prompts: tokens (P, (k+1) n + k), concepts (P,), starts (P,), int32 NumPy arrays.

    Raises:
        ModelError: shapes or laws that do not fit, a count too small, or a concept the mixture does not have.
    """
    prompts, k, n = as_count("prompts", prompts), as_count("k", k, least=2), as_count("n", n, least=0)
    starts = as_float64("prompt_starts", starts_CxSxH)
    concepts, states = mixture.n_concepts, mixture.n_states
    if starts.ndim != 3 or starts.shape[::2] != (concepts, states) or not starts.shape[1]:
        raise ModelError(f"prompt_starts: shape {starts.shape} where the mixture asks for ({concepts}, S, {states})")
    check_simplex("prompt_starts", starts)
    candidates = np.arange(concepts) if true_concepts is None else np.array([as_token("c", c) for c in true_concepts])
    if not candidates.size or candidates.min() < 0 or candidates.max() >= concepts:
        raise ModelError(f"true_concepts: {tuple(true_concepts or ())} must be one or more of 0..{concepts - 1}")
    generator, tables = _generator(key), tables_of(mixture)
    concept_P = candidates[generator.integers(len(candidates), size=prompts)].astype(np.int32)
    start_P = generator.integers(starts.shape[1], size=prompts).astype(np.int32)
    first = alias_table(starts.reshape(-1, states))
    row_P = concept_P * starts.shape[1] + start_P
    states_ExK, tokens_ExK = _walk(tables, generator, first, np.repeat(row_P, n + 1), np.repeat(concept_P, n + 1), k)
    if tokens_ExK is None:
        tokens_ExK = _emit(tables, generator, np.repeat(concept_P, n + 1), states_ExK)
    closed = np.full((prompts, n + 1, k + 1), mixture.delimiter, dtype=np.int32)
    closed[:, :, :k] = tokens_ExK.reshape(prompts, n + 1, k)
    return Prompts(closed.reshape(prompts, -1)[:, :-1], concept_P, start_P)


def _generator(key: Key) -> np.random.Generator:
    """A host generator seeded by all words of one JAX key.

    Raises:
        ModelError: not one key.
    """
    is_new = jnp.issubdtype(getattr(key, "dtype", np.dtype(object)), jax.dtypes.prng_key)
    words = np.asarray(jax.random.key_data(key) if is_new else key)
    if words.ndim != 1 or words.dtype != np.uint32:
        raise ModelError("key: not one JAX key; make one with jax.random.key(seed)")
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([int(word) for word in words])))


def _documents(
    tables: Tables, generator: np.random.Generator, documents: int, length: int, compiles: bool = False
) -> Documents:
    concepts = draw_on_host(tables.prior, np.zeros(documents, np.int32), generator.random(documents))
    states, tokens = _walk(tables, generator, tables.initial, concepts, concepts, length, compiles)
    return Documents(_emit(tables, generator, concepts, states) if tokens is None else tokens, states, concepts)


def _walk(
    tables: Tables,
    generator: np.random.Generator,
    first: AliasTable,
    first_rows: np.ndarray,
    concepts: np.ndarray,
    length: int,
    compiles: bool = False,
) -> tuple[np.ndarray, np.ndarray | None]:
    """(B, T) states: h_1 from row ``first_rows`` of ``first``, then the concept's kernel.

    Their tokens too, where compiled chains can read them off on the way; else None. ``compiles``: whatever the size,
    since many more will be drawn; the numbers are the same.
    """
    state_B = draw_on_host(first, first_rows.astype(np.int32), generator.random(len(concepts)))
    if not compiles and on_host(length, DRAW * len(concepts) * length):
        return _walk_on_host(tables, generator, state_B, concepts, length)
    walk = _walk_compiled if compiled.available() else _walk_scanned
    with jax.enable_x64(True):
        return walk(tables, generator, state_B, concepts, length)


def _walk_on_host(
    tables: Tables, generator: np.random.Generator, state_B: np.ndarray, concepts: np.ndarray, length: int
) -> tuple[np.ndarray, None]:
    """``_walk`` from the first states on, in NumPy."""
    block = (concepts * tables.states).astype(np.int32)
    states = np.empty((len(concepts), length), np.int32)
    states[:, 0] = state_B
    for t in range(1, length):
        state_B = draw_on_host(tables.transition, block + state_B, generator.random(len(concepts)))
        states[:, t] = state_B
    return states, None


def _walk_scanned(
    tables: Tables, generator: np.random.Generator, state_B: np.ndarray, concepts: np.ndarray, length: int
) -> tuple[np.ndarray, None]:
    """``_walk`` from the first states on, in JAX."""
    batch, block = len(concepts), (concepts * tables.states).astype(np.int32)
    states, step, state = np.empty((batch, length), np.int32), max(1, CHUNK // batch), jnp.asarray(state_B)
    states[:, 0] = state_B
    for begin in range(1, length, step):
        state, path = _scan(tables.transition, block, state, generator.random((min(step, length - begin), batch)))
        states[:, begin : begin + step] = np.asarray(path).T
    return states, None


def _walk_compiled(
    tables: Tables, generator: np.random.Generator, state_B: np.ndarray, concepts: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """``_walk`` from the first states on, in machine code: the very same states, and the generator left where NumPy
    would leave it."""
    from implicit_bayes.simulators.compiled_walks import alias_chains, sfc64_uniforms

    batch, block, certain = len(concepts), (concepts * tables.states).astype(np.int32), tables.token_of is not None
    # one piece of memory: the larger it is, the larger the pages that the system gives, and the fewer
    both = np.empty((1 + certain, batch, length), np.int32)
    states, tokens = both[0], both[-1]  # the same where no token is written
    states[:, 0] = state_B
    token_of = tables.token_of if tables.token_of is not None else np.empty(0, np.int32)
    emit = np.zeros_like(block) if tables.shared else block
    if certain:
        tokens[:, 0] = token_of[emit + state_B]
    step = max(1, min(CHUNK, CACHED) // batch)
    buffer, seeded = np.empty((min(step, max(length - 1, 1)), batch)), generator.bit_generator.state
    for begin in range(1, length, step):
        uniforms_TxB = buffer[: length - begin]
        sfc64_uniforms(seeded["state"]["state"], uniforms_TxB)
        alias_chains(
            tables.limit_R, tables.alias_R, tables.states, block, state_B, uniforms_TxB, states, begin,
            token_of, emit, tokens,
        )  # fmt: skip
    generator.bit_generator.state = seeded
    return states, tokens if certain else None


def _emit(tables: Tables, generator: np.random.Generator, concepts: np.ndarray, states: np.ndarray) -> np.ndarray:
    """(B, T) tokens of (B, T) states; no draw is spent where every state emits one token."""
    rows = states if tables.shared else states + (concepts * tables.states)[:, None]
    if tables.token_of is not None:
        spoken: np.ndarray = tables.token_of[rows]
        return spoken
    assert tables.emission is not None
    flat = rows.reshape(-1)
    tokens = np.empty(flat.shape, dtype=np.int32)
    for begin in range(0, len(flat), CHUNK):
        piece = slice(begin, begin + CHUNK)
        tokens[piece] = draw_on_host(tables.emission, flat[piece], generator.random(len(flat[piece])))
    return tokens.reshape(states.shape)


@jax.jit
def _scan(
    table: AliasTable, block_B: jax.Array, state_B: jax.Array, uniforms_TxB: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The last state and all (T, B) states of B chains, driven by (T, B) uniforms."""

    def step(state: jax.Array, uniform: jax.Array) -> tuple[jax.Array, jax.Array]:
        state = draw(table, block_B + state, uniform)
        return state, state

    return jax.lax.scan(step, state_B, uniforms_TxB)
