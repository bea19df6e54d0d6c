"""A search for counterexamples: gradient ascent on the margins of a statement, over small instances of one family.

The family is that of ``theory.proofs.observed_chains``, where every margin has a closed form.

Source: the statements of ``theory.statements.repaired`` and Xie et al. 2022, Theorem 1; the search is this project's.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.precision import in_float64
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array
from implicit_bayes.theory.proofs.observed_chains import (
    Logits,
    Margins,
    instance_of,
    margins_by_enumeration,
    margins_of,
    random_logits,
)

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


class Found(NamedTuple):
    """A counterexample; theta* is concept 0, theta is 1.

    Attributes:
        mixture, prompt: the instance.
        margins: recomputed by the independent ``margins_by_enumeration``.
    """

    mixture: MixtureOfHMMs
    prompt: PromptLaw
    margins: Margins


class SearchResult(NamedTuple):
    """What a search met. An instance counts as visited at every step of the ascent, its random start included.

    Attributes:
        found: starts whose ascent met a counterexample that ``margins_by_enumeration`` confirmed.
        starts: ascents run.
        instances: the counterexamples, one per successful start.
        visited: instances looked at, starts times (steps + 1). Those of one ascent are neighbours, not independent.
        hypotheses_met: how many of the visited satisfied all hypotheses of the statement.
        starts_met: how many of the independent random starts did, before any ascent.
        highest_rate: largest rate among the visited instances that satisfied the hypotheses; -inf if there were
            none.
        highest_sum: largest rate + repaired margin among all visited; the repaired theorem says that it is never
            positive.
        statement: "printed" or "repaired".
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
        SearchResult: every counterexample that an independent check confirmed, and how much was looked at without one.

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
    return SearchResult(
        statement=statement,
        found=len(instances),
        starts=starts,
        instances=instances,
        visited=starts * (steps + 1),
        hypotheses_met=sum(int(np.sum(tally.met)) for tally in tallies),
        starts_met=sum(int(np.sum(tally.start_met)) for tally in tallies),
        highest_rate=float(max(np.max(tally.highest_rate) for tally in tallies)),
        highest_sum=float(max(np.max(tally.highest_sum) for tally in tallies)),
    )


_Carry = tuple[Any, ...]
"""Logits, optax's state, the best logits, their score, the tally."""


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
    """``keep`` ascents (of ``size`` drawn, one compiled shape): the best instance of each and the tally.

    Args:
        key: a JAX key.
        statement: "printed" or "repaired".
        size: instances drawn.
        keep: ascents that count.
        states: H.
        length: k.
        steps: of each ascent.

    Returns:
        (Logits with a leading axis of ``keep``, tally) as NumPy arrays.
    """
    out = _climb(key, statement, size, states, length, steps)
    kept: tuple[Logits, _Tally] = jax.tree.map(lambda leaf: np.asarray(leaf)[:keep], out)
    return kept


@functools.partial(jax.jit, static_argnames=("statement", "size", "states", "length", "steps"))
def _climb(key: Array, statement: str, size: int, states: int, length: int, steps: int) -> tuple[Logits, _Tally]:
    keys = jax.random.split(key, size)
    return jax.vmap(lambda k: _ascend(random_logits(k, statement, states), statement, length, steps))(keys)


def _ascend(start: Logits, statement: str, length: int, steps: int) -> tuple[Logits, _Tally]:
    """Adam from one start; the best iterate by ``_score``, and counts over every iterate."""
    import optax  # which who only shows what a search found does without

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

    def step(carry: _Carry, _: None) -> tuple[_Carry, None]:
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


def objective(margins: Margins, statement: str) -> Array:
    """What the ascent climbs: flat once a printed counterexample is clear; the repaired condition by penalty.

    Args:
        margins: of one instance.
        statement: "printed" or "repaired".

    Returns:
        A scalar to be raised, of no unit.
    """
    if statement == "printed":
        parts = jnp.stack([margins.rate, margins.printed, A3_SCALE * margins.a3])
        return -jax.nn.logsumexp(-SHARPNESS * jnp.minimum(parts, 2 * GOAL)) / SHARPNESS
    climbed: Array = margins.rate + 10.0 * jnp.minimum(margins.repaired - ROOM, 0.0)
    return climbed


def _hypotheses(margins: Margins, statement: str) -> Array | bool:
    return (margins.printed > 0) & (margins.a3 > 0) if statement == "printed" else margins.repaired > 0


def _score(margins: Margins, statement: str) -> Array:
    if statement == "printed":
        return jnp.minimum(jnp.minimum(margins.rate, margins.printed), A3_SCALE * margins.a3)
    return jnp.where(margins.repaired > 0, margins.rate, -jnp.inf)


def _confirm(logits: Logits, statement: str, length: int) -> Found | None:
    mixture, prompt = instance_of(logits, length)
    margins = margins_by_enumeration(mixture, prompt, 0, 1)
    regular = min(mixture.transition.min(), mixture.initial.min()) > 0
    counter = regular and bool(_hypotheses(margins, statement)) and margins.rate > 0
    return Found(mixture, prompt, margins) if counter else None
