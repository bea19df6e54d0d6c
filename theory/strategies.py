"""Hypothesis strategies: HMMs, mixtures, prompt laws, and instances that satisfy chosen assumptions by construction.

For testing claims of your own about these objects:

    from hypothesis import given
    from implicit_bayes.theory import strategies

    @given(strategies.instances("A1", "A2", "A5", delimiters=2))
    def test_my_claim(instance):
        assert my_claim(instance.mixture, instance.prompt, instance.true_concept)

Nothing is drawn and thrown away (no ``assume``): an assumption that is asked for is built in, one that is not is left
to chance, with exact zeros and probabilities down to about 1e-5 both likely. Laws are ratios of integers, so rows sum
to one within rounding. Shapes are fixed by the arguments where a compiled function should see one shape only; pass a
strategy for ``states``, ``tokens``, ``concepts``, ``delimiters`` or ``length`` to vary them.

Needs hypothesis, which the extra ``test`` installs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw

try:
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
except ImportError as error:
    raise ImportError(
        "theory.strategies needs hypothesis; install the extra: pip install 'implicit-bayes[test]'"
    ) from error

Draw = Callable[..., Any]
"""Hypothesis's ``draw``: what it gives is of the strategy's type."""
ASSUMPTIONS = ("A1", "A2", "A3", "A4", "A5")
NEARLY_ONE = 0.95
"""Share of every row of theta* that A3's construction puts on one favourite state."""
EMITS_FAVOURITE = 0.9
"""Probability with which the common favourite state of a general emission emits its token (A3's construction)."""
PROMPT_SHIFT = 0.04
"""Largest weight of the free part of A3's prompt start law."""


class DrawnInstance(NamedTuple):
    """A mixture, a prompt law whose concept it holds, and that concept's index.

    Attributes:
        mixture: the pretraining law.
        prompt: a prompt law whose HMM is one of the mixture's concepts.
        true_concept: index of that concept.
    """

    mixture: MixtureOfHMMs
    prompt: PromptLaw
    true_concept: int


Size = int | st.SearchStrategy[int]


def weights(shape: tuple[int, ...], positive: bool = False) -> st.SearchStrategy[np.ndarray]:
    """Integer weights of very unequal size, 0 to 10^4, zeros included unless ``positive``.

    Args:
        shape: of the array.
        positive: no zeros.

    Returns:
        A strategy of int64 arrays of that shape.
    """
    least = 1 if positive else 0
    entries = st.one_of(st.integers(least, 20), st.sampled_from([least, 1, 100, 10_000]))
    return arrays(np.int64, shape, elements=entries, fill=st.nothing())


@st.composite
def laws(draw: Draw, shape: tuple[int, ...], positive: bool = False) -> np.ndarray:
    """Probability laws along the last axis; ``positive`` rules out exact zeros.

    Args:
        draw: Hypothesis's.
        shape: of the array; laws along its last axis.
        positive: no zeros.

    Returns:
        A float64 array of that shape whose rows sum to 1.
    """
    return normalised(draw(weights(shape, positive)))


@st.composite
def hmms(draw: Draw, states: Size = 3, tokens: Size = 3, positive: bool = False) -> HMM:
    """HMMs of any kind: no assumption but that laws are laws (``positive``: no exact zeros).

    Args:
        draw: Hypothesis's.
        states, tokens: H and V, numbers or strategies of them.
        positive: no zeros.

    Returns:
        An HMM that passes its own checks.
    """
    states, tokens = _size(draw, states), _size(draw, tokens)
    return HMM(
        draw(laws((states,), positive)), draw(laws((states, states), positive)), draw(laws((states, tokens), positive))
    )


@st.composite
def mixtures(draw: Draw, /, *assumptions: str, **shapes: Any) -> MixtureOfHMMs:  # as `instances` types each
    """The mixtures of ``instances`` with the same arguments.

    Args:
        draw: Hypothesis's.
        *assumptions: as of ``instances``.
        **shapes: as of ``instances``.

    Returns:
        A mixture that satisfies the assumptions asked for, by construction.
    """
    mixture: MixtureOfHMMs = draw(instances(*assumptions, **shapes)).mixture
    return mixture


@st.composite
def prompt_laws(draw: Draw, hmm: HMM, delimiter: int, length: Size = 2, positive: bool = False) -> PromptLaw:
    """Prompt laws of one concept, with any start law.

    Args:
        draw: Hypothesis's.
        hmm: theta*.
        delimiter: the delimiter token.
        length: k, a number or a strategy.
        positive: no zeros in the start law.

    Returns:
        A prompt law with these states, not tied to any mixture's assumptions.
    """
    return PromptLaw(hmm, draw(laws((hmm.n_states,), positive)), _size(draw, length), delimiter)


@st.composite
def instances(
    draw: Draw,
    *assumptions: str,
    states: Size = 4,
    tokens: Size | None = None,
    concepts: Size = 2,
    delimiters: Size = 1,
    length: Size = 2,
    identity: bool = True,
    shared_emission: bool = True,
) -> DrawnInstance:
    """Instances that satisfy the named assumptions by construction; A4 (theta* in Theta) always holds.

    Args:
        draw: Hypothesis's.
        *assumptions: of "A1", …, "A5" (Xie et al. 2022, Assumptions 1-5). A2 and A3 build on A1's delimiter states
            and A3 on the positivity of A5, so A3 also yields A1 and A5, and A2 also yields A1.
        states: H, at least ``delimiters + 1``.
        tokens: V, at least 2; default H - |D| + 1 (with ``identity`` this is the only choice).
        concepts: C; theta* is any of them.
        delimiters: |D|, the number of states that emit the delimiter. They are the last states, the delimiter is
            the last token.
        length: k.
        identity: every other state emits a token of its own. Otherwise emissions are general, and without A1 the
            delimiter too may come from anywhere.
        shared_emission: one emission for all concepts rather than one each (general emissions only).

    Returns:
        Strategy of DrawnInstance. What A3 promises: TV(p_prompt, p(.|d)) <= .14 < Delta(x)/4, which is at least .177.

    Raises:
        ModelError: unknown assumption, or sizes that leave no room.
    """
    wanted = _closure(assumptions)
    sizes = _sizes(draw, states, tokens, concepts, delimiters, identity)
    true = draw(st.integers(0, sizes.concepts - 1))
    initial, transition = _chains(draw, sizes, wanted, true)
    emission = _emissions(draw, sizes, wanted, identity, shared_emission, true)
    start = draw(laws((sizes.states,)))
    if "A3" in wanted:
        transition[true] = _decided(draw, transition[true], sizes, identity)
        if not identity:
            emission = _favourite_token(draw, emission, sizes)
        start = _near_restart(draw, transition[true], start, sizes)
    prior = draw(laws((sizes.concepts,), positive="A5" in wanted))
    if prior[true] == 0:
        prior = normalised(prior + np.eye(sizes.concepts)[true])
    mixture = MixtureOfHMMs(prior, initial, transition, emission, sizes.tokens - 1)
    return DrawnInstance(mixture, PromptLaw.of(mixture, start, true, _size(draw, length)), true)


class _Sizes(NamedTuple):
    states: int
    tokens: int
    concepts: int
    delimiters: int

    @property
    def words(self) -> int:
        return self.states - self.delimiters


def _closure(assumptions: tuple[str, ...]) -> set[str]:
    wanted = set(assumptions)
    if unknown := wanted - set(ASSUMPTIONS):
        raise ModelError(f"assumptions: {sorted(unknown)[0]!r} is none of {', '.join(ASSUMPTIONS)}")
    return wanted | ({"A1", "A5"} if "A3" in wanted else set()) | ({"A1"} if "A2" in wanted else set())


def _sizes(draw: Draw, states: Size, tokens: Size | None, concepts: Size, delimiters: Size, identity: bool) -> _Sizes:
    h, c, d = _size(draw, states), _size(draw, concepts), _size(draw, delimiters)
    v = h - d + 1 if tokens is None else _size(draw, tokens)
    if d < 1 or h <= d or v < 2 or c < 1:
        raise ModelError(f"states: {h} states, {d} delimiters, {v} tokens, {c} concepts leave no room; add states")
    if identity and v != h - d + 1:
        raise ModelError(f"tokens: {v} with an identity emission of {h} states, {d} of them delimiters; omit tokens")
    return _Sizes(h, v, c, d)


def _chains(draw: Draw, sizes: _Sizes, wanted: set[str], true: int) -> tuple[np.ndarray, np.ndarray]:
    """Start laws and kernels. A2: theta* may go to every delimiter state from everywhere, and every concept may start
    there. A5: every entry of theta* is positive."""
    c, h = sizes.concepts, sizes.states
    start_CxH, kernel_CxHxH = draw(weights((c, h))), draw(weights((c, h, h)))
    if "A2" in wanted:
        start_CxH[:, sizes.words :] = np.maximum(start_CxH[:, sizes.words :], 1)
        kernel_CxHxH[true, :, sizes.words :] = np.maximum(kernel_CxHxH[true, :, sizes.words :], 1)
    if "A5" in wanted:
        start_CxH[true], kernel_CxHxH[true] = np.maximum(start_CxH[true], 1), np.maximum(kernel_CxHxH[true], 1)
    return normalised(start_CxH), normalised(kernel_CxHxH)


def _emissions(draw: Draw, sizes: _Sizes, wanted: set[str], identity: bool, shared: bool, true: int) -> np.ndarray:
    """(H, V) or (C, H, V) emissions. A1: the last states emit the last token and only they do; A5: under theta* every
    token is emitted by some state."""
    words, v = sizes.words, sizes.tokens
    rows = np.minimum(np.arange(sizes.states), v - 1)
    if identity:
        return np.eye(v)[rows]
    shape = (sizes.states, v) if shared else (sizes.concepts, sizes.states, v)
    raw = draw(weights(shape))
    if "A1" in wanted:
        raw[..., :words, v - 1] = 0
        raw[..., words:, :] = np.eye(v, dtype=raw.dtype)[v - 1]
        target = raw[..., :words, : v - 1]
    else:
        raw[..., -1, v - 1] = np.maximum(raw[..., -1, v - 1], 1)
        target = raw
    if "A5" in wanted:
        own = target if shared else target[true]
        token = np.arange(own.shape[1])
        own[token % own.shape[0], token] = np.maximum(own[token % own.shape[0], token], 1)
    target[..., 0] += target.sum(-1) == 0
    return normalised(raw)


def _decided(draw: Draw, kernel: np.ndarray, sizes: _Sizes, identity: bool) -> np.ndarray:
    """Rows that put NEARLY_ONE on a favourite word state: one per state for identity emission (x_test tells the state),
    one for all otherwise; delimiter states share theirs."""
    if identity:
        favourite = draw(arrays(np.int64, sizes.states, elements=st.integers(0, sizes.words - 1)))
        favourite[sizes.words :] = favourite[-1]
    else:
        favourite = np.zeros(sizes.states, dtype=np.int64)
    nearly: np.ndarray = NEARLY_ONE * np.eye(sizes.states)[favourite] + (1 - NEARLY_ONE) * kernel
    return nearly


def _favourite_token(draw: Draw, emission: np.ndarray, sizes: _Sizes) -> np.ndarray:
    """The favourite state 0 emits one word token with probability EMITS_FAVOURITE at least."""
    peak = np.eye(sizes.tokens)[draw(st.integers(0, sizes.tokens - 2))]
    peaked = emission.copy()
    peaked[..., 0, :] = EMITS_FAVOURITE * peak + (1 - EMITS_FAVOURITE) * emission[..., 0, :]
    return peaked


def _near_restart(draw: Draw, kernel: np.ndarray, free: np.ndarray, sizes: _Sizes) -> np.ndarray:
    """p_prompt = (1 - eta) p(h | d) + eta (any law), eta <= PROMPT_SHIFT; or, where examples never start with a
    delimiter, its restriction to word states."""
    eta = draw(st.sampled_from([0.0, PROMPT_SHIFT / 2, PROMPT_SHIFT]))
    start = kernel[-1].copy()
    if draw(st.booleans()):
        start[sizes.words :] = 0.0
        free = free.copy()
        free[sizes.words :] = 0.0
        free[0] += free.sum() == 0
    mixed: np.ndarray = (1 - eta) * start / start.sum() + eta * free / free.sum()
    return mixed


def normalised(raw: np.ndarray) -> np.ndarray:
    """Nonnegative weights divided by their sum along the last axis; a row of zeros becomes a point mass on entry 0.

    Args:
        raw: (..., n) weights, at least 0.

    Returns:
        float64 of the same shape; rows sum to 1 up to rounding.
    """
    raw = np.asarray(raw, dtype=np.float64)
    raw[..., 0] += raw.sum(-1) == 0
    rows: np.ndarray = raw / raw.sum(-1, keepdims=True)
    return rows


def _size(draw: Draw, size: Size) -> int:
    return size if isinstance(size, int) else draw(size)
