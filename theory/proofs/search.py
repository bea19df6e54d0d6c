"""A search for counterexamples: gradient ascent on the margins of a statement, over small instances of one family.

Family: H states, identity emission, the last state is the only delimiter state, two concepts (theta* first), a prompt
start law on the other states, examples of k tokens. The chain is then observed, so that every quantity is a sum over
transitions: with occ_1 = p_prompt, occ_{j+1} = occ_j P*,

    E log p(O | q, theta) = sum_h occ_1(h) log q(h) + sum_{j<k} sum_{h,h'} occ_j(h) P*(h,h') log P_theta(h,h')

with q the start law, and the rate has one more transition, from occ_k to the delimiter. Laws are softmaxes, so all
entries are positive and A1, A2, A4 and A5 hold throughout; what is left of the hypotheses are inequalities.

Source: the statements of ``theory.statements.repaired`` and Xie et al. 2022, Theorem 1; the search is this project's.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from implicit_bayes.theory.filtering.filter import log_evidence
from implicit_bayes.theory.objects.checks import ModelError, without_subnormals
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.precision import in_float64
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array
from implicit_bayes.theory.statements.lemma_1 import lemma_1
from implicit_bayes.theory.statements.repaired import limit_bound, repaired_constants

Progress = Callable[[int, int], None]

GOAL = 0.02
"""Ascent on the printed statement stops improving an instance once every (scaled) margin exceeds this, nats."""
ROOM = 1e-3
"""Ascent on the repaired statement pushes back below this much room in the repaired condition, nats."""
A3_SCALE = 20.0
"""A3's margin is a probability below 1/4; scaled so that it weighs like nats in the smooth minimum."""
SHARPNESS = 10.0
"""Inverse temperature of the smooth minimum, per nat."""
BATCH = {"printed": 64, "repaired": 1024}
STEPS = {"printed": 600, "repaired": 120}
LEARNING_RATE = {"printed": 0.05, "repaired": 0.03}


class Logits(NamedTuple):
    """Free parameters of one instance: logits of start laws (2, H), kernels (2, H, H), prompt start law (H - 1,)."""

    initial: Array
    transition: Array
    prompt: Array


class Margins(NamedTuple):
    """Left side minus right side of every inequality in play, nats except a3 (a probability).

    rate: lim r_n(theta); positive means that the posterior concentrates on theta.
    printed: sum_j KL_j - eps_start - eps_delim, the printed Condition 1.
    repaired: sum_j KL_j - start_kl - log(c2/c1) - a_theta, the repaired condition.
    a3: min over x_test of Delta(x)/4, minus max_d TV(p_prompt(h), p(h|d,theta*)).
    kl_sum: sum_j KL_j(theta).
    """

    rate: Any
    printed: Any
    repaired: Any
    a3: Any
    kl_sum: Any


class Found(NamedTuple):
    """A counterexample, with its margins recomputed by the independent ``verify``. theta* is concept 0, theta is 1."""

    mixture: MixtureOfHMMs
    prompt: PromptLaw
    margins: Margins


class SearchResult(NamedTuple):
    """What a search met. An instance counts as visited at every step of the ascent, its random start included.

    found: starts whose ascent met a counterexample that ``verify`` confirmed.
    starts: ascents run.
    instances: the counterexamples, one per successful start.
    visited: instances looked at, starts times (steps + 1). Those of one ascent are neighbours, not independent.
    hypotheses_met: how many of the visited satisfied all hypotheses of the statement.
    starts_met: how many of the independent random starts did, before any ascent.
    highest_rate: largest rate among the visited instances that satisfied the hypotheses; -inf if there were none.
    highest_sum: largest rate + repaired margin among all visited; the repaired theorem says that it is never positive.
    """

    statement: str
    found: int
    starts: int
    instances: list[Found]
    visited: int
    hypotheses_met: int
    starts_met: int
    highest_rate: float
    highest_sum: float


def search(
    statement: str,
    starts: int,
    key: Array,
    *,
    states: int = 4,
    length: int = 2,
    steps: int | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Looks for instances that satisfy the hypotheses of a statement and violate its conclusion rate < 0.

    ``printed``: hypotheses A1-A5 and the printed Condition 1; ascends a smooth minimum of the rate and both margins.
    ``repaired``: hypotheses A1, A2, A5 and the repaired condition; ascends the rate with the condition kept.

    Args:
        statement: "printed" or "repaired".
        starts: independent random starts, at least 1.
        key: JAX random key.
        states: H, at least 3.
        length: k, at least 2.
        steps: steps of each ascent; default 600 for printed, 120 for repaired.
        progress: called with (starts done, starts) after every batch.

    Returns:
        SearchResult.

    Raises:
        ModelError: unknown statement, or a number below its least value.
    """
    if statement not in STEPS:
        raise ModelError(f"statement: {statement!r} is neither printed nor repaired")
    steps = STEPS[statement] if steps is None else steps
    for name, value, least in (
        ("starts", starts, 1),
        ("states", states, 3),
        ("length", length, 2),
        ("steps", steps, 0),
    ):
        if value < least:
            raise ModelError(f"{name}: {value} is below {least}")
    size, done, instances, tallies = min(starts, BATCH[statement]), 0, [], []
    for batch_key in jax.random.split(key, -(-starts // size)):
        keep = min(size, starts - done)
        best, tally = climb(batch_key, statement, size, keep, states, length, steps)
        tallies.append(tally)
        for i in np.flatnonzero(np.asarray(tally.success)):
            found = _confirm(jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], best), statement, length)
            instances += [found] if found else []
        done += keep
        if progress is not None:
            progress(done, starts)
    total = [sum(int(np.sum(getattr(t, name))) for t in tallies) for name in ("met", "start_met")]
    highest = [float(max(np.max(getattr(t, name)) for t in tallies)) for name in ("highest_rate", "highest_sum")]
    return SearchResult(statement, len(instances), starts, instances, starts * (steps + 1), *total, *highest)


class _Tally(NamedTuple):
    success: Array
    met: Array
    start_met: Array
    highest_rate: Array
    highest_sum: Array


@in_float64
def climb(
    key: Array, statement: str, size: int, keep: int, states: int, length: int, steps: int
) -> tuple[Logits, _Tally]:
    """``keep`` ascents (of ``size`` drawn, one compiled shape): the best instance of each and the tally."""
    out = _climb(key, statement, size, states, length, steps)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:keep], out)


@functools.partial(jax.jit, static_argnames=("statement", "size", "states", "length", "steps"))
def _climb(key: Array, statement: str, size: int, states: int, length: int, steps: int) -> tuple[Logits, _Tally]:
    keys = jax.random.split(key, size)
    return jax.vmap(lambda k: _ascend(random_logits(k, statement, states), statement, length, steps))(keys)


def _ascend(start: Logits, statement: str, length: int, steps: int) -> tuple[Logits, _Tally]:
    """Adam from one start; the best iterate by ``_score``, and counts over every iterate."""
    optimiser = optax.adam(LEARNING_RATE[statement])

    def look(logits: Logits, best: Logits, score: Array, tally: _Tally) -> tuple[Logits, Array, _Tally]:
        margins = margins_of(logits, length)
        met, value = _hypotheses(margins, statement), _score(margins, statement)
        best = jax.tree.map(lambda new, old: jnp.where(value > score, new, old), logits, best)
        tally = _Tally(
            tally.success | (met & (margins.rate >= 0)),
            tally.met + met,
            tally.start_met,
            jnp.where(met, jnp.maximum(tally.highest_rate, margins.rate), tally.highest_rate),
            jnp.maximum(tally.highest_sum, margins.rate + margins.repaired),
        )
        return best, jnp.maximum(score, value), tally

    def step(carry: Any, _: None) -> tuple[Any, None]:
        logits, state, *seen = carry
        gradient = jax.grad(lambda x: -objective(margins_of(x, length), statement))(logits)
        updates, state = optimiser.update(gradient, state)
        logits = Logits(*optax.apply_updates(logits, updates))
        return (logits, state, *look(logits, *seen)), None

    low = jnp.array(-jnp.inf)
    best, score, tally = look(start, start, low, _Tally(jnp.array(False), jnp.array(0), jnp.array(0), low, low))
    seen = (best, score, tally._replace(start_met=tally.met))
    carry, _ = jax.lax.scan(step, (start, optimiser.init(start), *seen), length=steps)
    return carry[2], carry[4]


def random_logits(key: Array, statement: str, states: int) -> Logits:
    """A random instance. For ``printed`` all logits are independent normal. For ``repaired`` peaked rows with nearly
    common delimiter logits, and start laws near the law after a delimiter, so that many meet the repaired condition."""
    words, delimiter, restart, kernel, prompt, spread = jax.random.split(key, 6)
    if statement == "printed":
        return Logits(
            jax.random.normal(words, (2, states)),
            jax.random.normal(kernel, (2, states, states)),
            jax.random.normal(prompt, (states - 1,)),
        )
    scale = jnp.exp(jax.random.uniform(spread, (4,), minval=-2.0, maxval=1.0))
    transition = 2.0 * scale[0] * jax.random.normal(kernel, (2, states, states))
    transition = jax.nn.log_softmax(transition.at[..., -1].set(-jnp.inf), -1).at[..., -1].set(-1.0)
    noise = 0.2 * scale[1] * jax.random.normal(delimiter, (2, states))
    transition = transition.at[..., -1].add(noise)
    initial = transition[:, -1] + 0.5 * scale[2] * jax.random.normal(restart, (2, states))
    start = transition[0, -1, :-1] + scale[3] * jax.random.normal(prompt, (states - 1,))
    return Logits(initial, transition, start)


def margins_of(logits: Logits, length: int) -> Margins:
    """Every margin in closed form (module docstring), differentiable."""
    log_initial, log_kernel = jax.nn.log_softmax(logits.initial), jax.nn.log_softmax(logits.transition)
    log_prompt = jax.nn.log_softmax(logits.prompt)
    kernel_star, prompt = jnp.exp(log_kernel[0]), jnp.append(jnp.exp(log_prompt), 0.0)
    occupancy = [prompt]
    for _ in range(length - 1):
        occupancy.append(occupancy[-1] @ kernel_star)
    moves = jnp.stack(occupancy[:-1]).sum(0)[:, None] * kernel_star
    inner = (moves * (log_kernel[0] - log_kernel[1])).sum()
    start_kl = (prompt[:-1] * (log_prompt - log_initial[0, :-1])).sum()
    kl_sum = (prompt[:-1] * (log_prompt - log_initial[1, :-1])).sum() + inner
    ended = (occupancy[-1] * (log_kernel[1] - log_kernel[0])[:, -1]).sum()
    rate = (prompt * (log_kernel[1] - log_kernel[0])[-1]).sum() - inner + ended
    into = log_kernel[:, :, -1]
    log_ratio, log_d = into[1].max() - into[0].min(), log_initial[:, -1]
    printed = kl_sum + log_initial[0].min() - 2 * log_ratio - (log_d.max() - log_d.min())
    restart = log_kernel[:, -1] - log_initial
    repaired = kl_sum - start_kl - log_ratio - restart[1].max() + restart[0].min()
    top = jnp.sort(kernel_star, -1)
    reachable = top[:-1] if length == 2 else top
    a3 = (reachable[:, -1] - reachable[:, -2]).min() / 4 - 0.5 * jnp.abs(prompt - kernel_star[-1]).sum()
    return Margins(rate, printed, repaired, a3, kl_sum)


def objective(margins: Margins, statement: str) -> Array:
    """What the ascent climbs: flat once a printed counterexample is clear; the repaired condition by penalty."""
    if statement == "printed":
        parts = jnp.stack([margins.rate, margins.printed, A3_SCALE * margins.a3])
        return -jax.nn.logsumexp(-SHARPNESS * jnp.minimum(parts, 2 * GOAL)) / SHARPNESS
    return margins.rate + 10.0 * jnp.minimum(margins.repaired - ROOM, 0.0)


def _hypotheses(margins: Margins, statement: str) -> Any:
    return (margins.printed > 0) & (margins.a3 > 0) if statement == "printed" else margins.repaired > 0


def _score(margins: Margins, statement: str) -> Array:
    if statement == "printed":
        return jnp.minimum(jnp.minimum(margins.rate, margins.printed), A3_SCALE * margins.a3)
    return jnp.where(margins.repaired > 0, margins.rate, -jnp.inf)


def instance_of(logits: Logits, length: int) -> tuple[MixtureOfHMMs, PromptLaw]:
    """The instance as model objects, float64, rows normalised by division (theta* is concept 0)."""
    initial, transition, prompt = (_softmax(np.asarray(leaf, dtype=np.float64)) for leaf in logits)
    states = initial.shape[-1]
    mixture = MixtureOfHMMs([0.5, 0.5], initial, transition, np.eye(states), states - 1)
    return mixture, PromptLaw.of(mixture, np.append(prompt, 0.0), 0, length)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raw = np.exp(logits - logits.max(-1, keepdims=True))
    return without_subnormals(raw / raw.sum(-1, keepdims=True))


def _confirm(logits: Logits, statement: str, length: int) -> Found | None:
    mixture, prompt = instance_of(logits, length)
    margins = verify(mixture, prompt, 0, 1)
    regular = min(mixture.transition.min(), mixture.initial.min()) > 0
    counter = regular and bool(_hypotheses(margins, statement)) and margins.rate > 0
    return Found(mixture, prompt, margins) if counter else None


def verify(mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int, concept: int) -> Margins:
    """The margins by another road: a sum over all V^k examples of the exact filter's evidence.

    Args:
        mixture: A1 must hold, with a single delimiter state.
        prompt: p_prompt(h) and k; V^k examples are enumerated.
        true_concept, concept: theta*, theta.

    Raises:
        ModelError: A1 fails or there are several delimiter states.
    """
    constants = repaired_constants(mixture, true_concept, concept)
    states = mixture.delimiter_states()
    if len(states) != 1:
        raise ModelError(f"delimiter: {len(states)} delimiter states; the closed-form rate needs 1")
    pair = [true_concept, concept]
    laws = [prompt.start, *mixture.initial[pair], *mixture.transition[pair][:, states[0]]]
    which = [true_concept, *pair, *pair]
    stack = MixtureOfHMMs(np.full(5, 0.2), laws, mixture.transition[which], mixture.emissions[which], mixture.delimiter)
    examples = np.array(list(itertools.product(range(mixture.n_tokens), repeat=prompt.length)))
    ended = np.append(examples, np.full((len(examples), 1), mixture.delimiter), 1)
    plain, delimited = np.asarray(log_evidence(stack, examples)), np.asarray(log_evidence(stack, ended))
    on = plain[:, 0] > -np.inf
    p = np.exp(plain[on, 0])
    start_kl, kl_sum = p @ (plain[on, :1] - plain[on, 1:3])
    rate = p @ (delimited[on, 4] - delimited[on, 3])
    delimiter_starts, initial = mixture.initial[:, states], mixture.initial[true_concept]
    others = [c for c in range(mixture.n_concepts) if c != true_concept]
    c2 = mixture.transition[others][:, :, states].max()
    spread = delimiter_starts.max() / delimiter_starts.min()
    threshold = -np.log(initial.min()) + 2 * np.log(c2 / constants.c1) + np.log(spread)
    x_test = np.unique(examples[on, :-1], axis=0)
    lemma = lemma_1(mixture, true_concept, prompt.start, x_test)
    a3 = lemma.margin.min() / 4 - lemma.tv_start
    repaired = -limit_bound(constants, float(start_kl), float(kl_sum))
    return Margins(float(rate), float(kl_sum - threshold), repaired, float(a3), float(kl_sum))
