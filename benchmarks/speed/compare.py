"""How every implementation of a task is timed: agreement first, then CPU time, interleaved, in one run.

One file a task: ``evidence``, ``posterior``, ``sampling``, ``kl``; the other libraries at their best settings are in
``peers``.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from implicit_bayes.theory import ModelError
from implicit_bayes.theory.objects.types import Numbers

AGREEMENT = 1e-8
"""Largest relative difference from ours, beyond which an implementation is not timed."""

Advance = Callable[[int], None]


class How(NamedTuple):
    """How an implementation is called. Before it is timed every one has been called once, for the check of its answer:
    what is compiled, traced or built at the first call is in no timing.

    Attributes:
        way: what is made once before, and what one call is.
        batch: documents (of ``kl`` laws) that one call is given together.
        dtype: of its arithmetic.
        threads: that it may use.
    """

    way: str
    batch: int
    dtype: str = "float64"
    threads: int = 1


class Timing(NamedTuple):
    """One implementation on one task.

    Attributes:
        task: what is computed.
        implementation: who computes it.
        cpu_seconds_per_token: process CPU time (all threads), median over repeats, compilation excluded.
        ratio_to_ours: how many times faster ours is (> 1: ours is faster).
        agrees_to: largest relative difference from ours.
        instance: the instance, with "+smoothed(0.01)" where its kernels are mixed with the uniform law.
        first_call_seconds: CPU time of the first call, compilation and tables included.
        how: what is timed; see ``How``.
    """

    task: str
    implementation: str
    cpu_seconds_per_token: float
    ratio_to_ours: float
    agrees_to: float
    instance: str
    first_call_seconds: float
    how: How


class Run(NamedTuple):
    """An implementation made ready: what to call, on how many tokens, and how far its answer is from ours.

    Attributes:
        call: does the whole task once.
        tokens: that it works through (slow implementations are given fewer).
        differs: largest relative difference of its answer from a reference's answer on the same tokens.
        how: how it is called, in words and numbers.
    """

    call: Callable[[], object]
    tokens: int
    differs: Callable[[Any], float]  # Any: of what `call` returns
    how: How = How("one call", 1)


def compare(
    task: str, instance: str, runs: Mapping[str, Run], repeats: int, advance: Advance, agreement: float = AGREEMENT
) -> list[Timing]:
    """Check, then time. The first entry of ``runs`` is ours.

    Args:
        task: what is computed.
        instance: on what, in words.
        runs: implementations by name, ours first.
        repeats: timed calls of each, taken in turn.
        advance: called with 1 after every timed call.
        agreement: largest difference from ours that is let pass, as ``Run.differs`` measures it.

    Returns:
        One timing for each implementation.

    Raises:
        ModelError: an implementation that disagrees with ours (nothing is timed then).
    """
    first, agrees = {}, {}
    for name, run in runs.items():
        begin = time.process_time()
        answer = jax.block_until_ready(run.call())
        first[name] = time.process_time() - begin
        agrees[name] = run.differs(answer)
        if not agrees[name] < agreement:
            raise ModelError(f"bench: {name} differs from ours by {agrees[name]:.1e} on {task}; nothing is timed")
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            begin = time.process_time()
            jax.block_until_ready(run.call())
            seconds[name].append((time.process_time() - begin) / run.tokens)
            advance(1)
    median = {name: float(np.median(spent)) for name, spent in seconds.items()}
    ours = median[next(iter(runs))]
    return [
        Timing(
            task=task, implementation=name, cpu_seconds_per_token=median[name], ratio_to_ours=median[name] / ours,
            agrees_to=agrees[name], instance=instance, first_call_seconds=first[name], how=run.how,
        )
        for name, run in runs.items()
    ]  # fmt: skip


def relative(found: Numbers, reference: Numbers) -> float:
    """Largest relative difference; infinities must be the same ones.

    Args:
        found: numbers of any shape.
        reference: of the same shape, or the answer is inf.

    Returns:
        max |found - reference| / |reference| over the finite ones; inf where finite stands against infinite.
    """
    found, reference = np.asarray(found, dtype=float), np.asarray(reference, dtype=float)
    if found.shape != reference.shape or not (np.isfinite(found) == np.isfinite(reference)).all():
        return float("inf")
    finite = np.isfinite(reference)
    scale = np.maximum(np.abs(reference[finite]), 1e-300)
    return float(np.max(np.abs(found[finite] - reference[finite]) / scale, initial=0.0))
