"""The process zoo: small stationary processes that theorists know by name, with parameters in the specification.

    NAME[:PARAMETER=VALUE[+VALUE...][,PARAMETER=...]]        mess3:x=0.05,alpha=0.85    mess3:x=0.05+0.15,alpha=0.85

mess3         x, alpha: three states, three tokens; the belief over states has no finite set of values
rrxor         p: two bits, each 1 with probability p, then their exclusive or; again and again
even          p: runs of 1 between two 0 have even length; from a run's end, 0 with probability p
golden-mean   p: no two 0 in a row; after a 1, 1 with probability p

Several values of a parameter make a mixture with uniform prior, one concept each (parameters with one value share it),
a source that is stationary and not ergodic. None of these processes knows a delimiter: token 0 serves as one where a
prompt is asked for, and every example starts from the stationary law.

Source: Marzen and Crutchfield 2017 and Shai et al. 2024 (Mess3); Crutchfield and Feldman 2003 (the others).
"""

import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from implicit_bayes.simulators.instance import Instance
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.edges import EdgeProcess, Edges, state_emitting

DELIMITER = 0


def mess3(x: float = 0.05, alpha: float = 0.85) -> EdgeProcess:
    """Mess3. With b = (1 - alpha) / 2 and y = 1 - 2 x, T^(0) = [[ay, bx, bx], [ax, by, bx], [ax, bx, by]]; tokens 1, 2
    are the same after a cyclic shift of the states.

    Args:
        x: in [0, 1/2], the rate at which states change.
        alpha: in [0, 1], how far a token tells its state.

    Returns:
        EdgeProcess on 3 states and 3 tokens, started from its stationary law, which is uniform.

    Raises:
        ModelError: x outside [0, 1/2].
    """
    if x > 0.5:
        raise ModelError(f"x: {x} is above 1/2, where y = 1 - 2 x is negative")
    b, y = (1.0 - alpha) / 2.0, 1.0 - 2.0 * x
    first = np.array([[alpha * y, b * x, b * x], [alpha * x, b * y, b * x], [alpha * x, b * x, b * y]])
    return EdgeProcess(np.stack([np.roll(first, (o, o), (0, 1)) for o in range(3)]), np.full(3, 1.0 / 3.0))


def rrxor(p: float = 0.5) -> EdgeProcess:
    """Random, random, exclusive or. States: before the first bit; it was 0; it was 1; the xor is 0; it is 1.

    Args:
        p: probability of a bit of 1, in (0, 1).

    Returns:
        EdgeProcess on 5 states and 2 tokens, started from its stationary law; p is the probability of a bit of 1.
    """
    labelled = np.zeros((2, 5, 5))
    for bit, chance in enumerate((1.0 - p, p)):
        labelled[bit, 0, 1 + bit] = chance
        for before in (0, 1):
            labelled[bit, 1 + before, 3 + (bit ^ before)] = chance
        labelled[bit, 3 + bit, 0] = 1.0
    return EdgeProcess(labelled)


def even(p: float = 0.5) -> EdgeProcess:
    """The even process. State 0 emits 0 and stays with probability p, or 1 and goes to state 1, which emits 1 and goes
    back.

    Args:
        p: in (0, 1).

    Returns:
        EdgeProcess on 2 states and 2 tokens, started from its stationary law; runs of ones between zeros have even
        length.
    """
    return EdgeProcess([[[p, 0.0], [0.0, 0.0]], [[0.0, 1.0 - p], [1.0, 0.0]]])


def golden_mean(p: float = 0.5) -> EdgeProcess:
    """The golden mean process. State 0 emits 1 and stays with probability p, or 0 and goes to state 1, which emits 1
    and goes back.

    Args:
        p: in (0, 1).

    Returns:
        EdgeProcess on 2 states and 2 tokens, started from its stationary law; no two zeros follow each other.
    """
    return EdgeProcess([[[0.0, 1.0 - p], [0.0, 0.0]], [[p, 0.0], [1.0, 0.0]]])


class Family(NamedTuple):
    """A process of the zoo.

    Attributes:
        make: the process of given parameters, called by their names.
        defaults: every parameter's value where a specification names none.
    """

    make: Callable[..., EdgeProcess]
    defaults: Mapping[str, float]


ZOO: dict[str, Family] = {
    "mess3": Family(mess3, {"x": 0.05, "alpha": 0.85}),
    "rrxor": Family(rrxor, {"p": 0.5}),
    "even": Family(even, {"p": 0.5}),
    "golden-mean": Family(golden_mean, {"p": 0.5}),
}
"""By name."""


def in_zoo(spec: str) -> bool:
    """Whether a specification begins with a name of the zoo."""
    return spec.split(":", 1)[0] in ZOO


def zoo_processes(spec: str) -> list[EdgeProcess]:
    """The processes of a specification, one a concept.

    Args:
        spec: see the head of this file.

    Returns:
        EdgeProcesses in the order of the values; one where every parameter has one value.

    Raises:
        ModelError: a parameter that the process does not have or that is named twice, a value that is no number in
            [0, 1] or that makes the process reducible, or two parameters with different numbers of values.
    """
    name, _, words = spec.partition(":")
    family = ZOO[name]
    values: dict[str, tuple[float, ...]] = {key: (value,) for key, value in family.defaults.items()}
    named: set[str] = set()
    for part in words.split(",") if words else ():
        key, _, listed = part.partition("=")
        if key not in values or key in named:
            raise ModelError(
                f"instance: {part!r} in {spec!r}; {name} takes {', '.join(values)}, each once, as {name}:"
                + ",".join(f"{k}={v:g}" for k, v in family.defaults.items())
            )
        named.add(key)
        values[key] = tuple(share(spec, word) for word in listed.split("+"))
    counts = {len(each) for each in values.values()} - {1}
    if len(counts) > 1:
        raise ModelError(f"instance: {spec!r} gives {sorted(counts)} values; give each parameter one, or all the same")
    count = max(counts, default=1)
    rows = zip(*(each if len(each) == count else itertools.repeat(each[0], count) for each in values.values()),
               strict=True)  # fmt: skip
    return [_made(spec, family, dict(zip(values, row, strict=True))) for row in rows]


def _made(spec: str, family: Family, parameters: Mapping[str, float]) -> EdgeProcess:
    try:
        return family.make(**parameters)
    except ModelError as error:
        raise ModelError(f"instance: {spec!r}: {error}") from error


def share(spec: str, word: str) -> float:
    """The number in [0, 1] that a word of a specification stands for.

    Args:
        spec: the whole specification, for the error.
        word: of it.

    Returns:
        The number.

    Raises:
        ModelError: it is none.
    """
    try:
        value = float(word)
    except ValueError:
        value = np.nan
    if not 0.0 <= value <= 1.0:
        raise ModelError(f"instance: {word!r} in {spec!r} is not a number in [0, 1]")
    return value


def zoo_edges(spec: str) -> Edges:
    """The mixture of a specification, and which edge each of its states is.

    Args:
        spec: see the head of this file.

    Returns:
        Edges: the mixture, its states being (state, token) pairs, and those pairs.

    Raises:
        ModelError: as ``zoo_processes``.
    """
    return state_emitting(zoo_processes(spec), DELIMITER)


def zoo_instance(spec: str, seed: int | None = None) -> Instance:
    """The instance of a specification; nothing is drawn, so the seed plays no part.

    Args:
        spec: a name with parameters, as in mess3:x=0.05,alpha=0.85.
        seed: noted in the instance.

    Returns:
        Instance with a concept for each process.

    Raises:
        ModelError: as ``zoo_processes``.
    """
    mixture = zoo_edges(spec).mixture
    text = f"{spec}: {mixture.n_concepts} edge-emitting process(es) as HMMs on (state, token) pairs; token 0 delimits"
    return Instance.of(spec, mixture, description=text)
