"""Whether two hidden Markov models are one process: equal probabilities of every token sequence, proved.

Two ways, neither with a tolerance. Entries are read as the decimals they print as where every row of both models then
sums to exactly 1 (0.1 is 1/10, as in the certificates), and else as the binary fractions that are stored:

- *renaming*: the states are coloured alike in both models (start probability, emission row, then the colours that a
  state moves to, until nothing changes). Where every colour is one state, the colours are a renaming, which is checked
  entry by entry. Any size.
- *linear algebra*: the row vectors p(h_{t+1}, o_1..o_t) of both models side by side span a space of at most 2 H
  dimensions; the processes are equal exactly where every vector of a basis has the same sum in both halves
  (Schuetzenberger 1961; Tzeng 1992, SIAM J. Comput. 21). In rational arithmetic, up to MAX_STATES states.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.information.estimates import Verdict
from implicit_bayes.theory.objects.models import HMM

MAX_STATES = 16
"""States up to which the linear algebra runs in fractions; above, only renamings are found."""

BLOCK = 1 << 20
"""Pairs of tokens whose probabilities are compared at once: 8 MB a model."""

CLOSE = 1e-9
"""Probabilities of two tokens that differ by more are those of different processes."""

Vector = list[Fraction]


def same_process(first: HMM, second: HMM) -> Verdict:
    """Whether p(o_1..o_t | first) = p(o_1..o_t | second) for every t and every sequence of tokens.

    Args:
        first, second: any two laws; their numbers of states may differ.

    Returns:
        True or False with a proof, or "undetermined" where the models are large and no renaming of the states.
    """
    if first.n_tokens != second.n_tokens:
        return False
    if not _first_tokens_agree(first, second):
        return False
    if first.n_states == second.n_states and is_renaming(first, second):
        return True
    if max(first.n_states, second.n_states) > MAX_STATES:
        return "undetermined"
    return _equal_by_linear_algebra(first, second)


def is_renaming(first: HMM, second: HMM) -> bool:
    """Whether renaming the states of ``first`` gives ``second``, entry for entry.

    States that the colours cannot tell apart (as in a symmetric model) are paired in any order of which the check may
    then say no; such models are left to the linear algebra.

    Args:
        first, second: of equally many states.
    """
    ours, theirs = _colours(first, second)
    if sorted(ours) != sorted(theirs):
        return False
    a, b = np.argsort(ours, kind="stable"), np.argsort(theirs, kind="stable")
    one, two = (tuple(np.asarray(x) for x in (law.initial, law.transition, law.emission)) for law in (first, second))
    return bool(
        np.array_equal(one[0][a], two[0][b])
        and np.array_equal(one[1][np.ix_(a, a)], two[1][np.ix_(b, b)])
        and np.array_equal(one[2][a], two[2][b])
    )


def _colours(first: HMM, second: HMM) -> tuple[list[int], list[int]]:
    """Stable colours of the states of both models, from one palette."""
    laws = [(np.asarray(law.initial) + 0.0, np.asarray(law.transition) + 0.0, np.asarray(law.emission) + 0.0)
            for law in (first, second)]  # fmt: skip
    looks: list[list[object]] = [
        [(float(start[h]), emission[h].tobytes()) for h in range(len(start))] for start, _, emission in laws
    ]
    count = 0
    while True:
        palette: dict[object, int] = {}
        colours = [[palette.setdefault(look, len(palette)) for look in side] for side in looks]
        if len(palette) == count:
            return colours[0], colours[1]
        count = len(palette)
        looks = [
            [(own, tuple(sorted(zip(colour, kernel[h].tolist(), strict=True)))) for h, own in enumerate(colour)]
            for colour, (_, kernel, _) in zip(colours, laws, strict=True)
        ]


def _first_tokens_agree(first: HMM, second: HMM) -> bool:
    """A cheap necessary condition: the laws of the first two tokens agree to what float64 can tell apart.

    The V x V table of differences is a product of two factors of 2 H columns, whose Frobenius norm bounds every entry:
    where it is small nothing else is looked at (V x V numbers are 19 GiB for the vocabulary of GPT-2, and 2 V^2 H
    multiplications half a minute). Elsewhere, token by token in blocks to the first that differs.
    """
    ahead_VxH, emission = _after_one_token(first)
    other_VxH, other_emission = _after_one_token(second)
    if first.n_tokens > first.n_states + second.n_states:
        left, right = (
            np.linalg.qr(factor)[1]
            for factor in (np.concatenate([ahead_VxH, -other_VxH], 1), np.concatenate([emission, other_emission]).T)
        )
        if np.linalg.norm(left @ right.T) <= CLOSE / 2:
            return True
    size = max(1, BLOCK // first.n_tokens)
    blocks = (slice(v, v + size) for v in range(0, first.n_tokens, size))
    return all(np.allclose(ahead_VxH[at] @ emission, other_VxH[at] @ other_emission, 0.0, CLOSE) for at in blocks)


def _after_one_token(law: HMM) -> tuple[np.ndarray, np.ndarray]:
    """(V, H) p(o_1, h_2) and (H, V) emission."""
    start, kernel, emission = (np.asarray(x) for x in (law.initial, law.transition, law.emission))
    return (start[:, None] * emission).T @ kernel, emission


class _Exact(NamedTuple):
    initial: Vector
    transition: list[Vector]
    emission: list[Vector]


def exact_entries(*laws: HMM) -> list[_Exact]:
    """The laws in fractions: the printed decimals if all their rows sum to exactly 1, else what is stored.

    Returns:
        One of initial, transition and emission in fractions for each law, in their order; the same reading for all of
        them.
    """
    printed = [_read(law, lambda x: Fraction(repr(x))) for law in laws]
    rows = [row for law in printed for row in (law.initial, *law.transition, *law.emission)]
    return printed if all(sum(row) == 1 for row in rows) else [_read(law, Fraction) for law in laws]


def _read(law: HMM, number: Callable[[float], Fraction]) -> _Exact:
    initial, transition, emission = (np.asarray(x).tolist() for x in (law.initial, law.transition, law.emission))
    rows = [[[number(x) for x in row] for row in table] for table in ([initial], transition, emission)]
    return _Exact(rows[0][0], rows[1], rows[2])


def _equal_by_linear_algebra(first: HMM, second: HMM) -> bool:
    models = exact_entries(first, second)
    split = first.n_states
    basis: list[tuple[int, Vector]] = []
    todo = [models[0].initial + [-x for x in models[1].initial]]
    columns = _independent_columns(models)
    while todo:
        vector = todo.pop()
        for column in columns:
            spoken = [p * e for p, e in zip(vector, column, strict=True)]
            if sum(spoken) != 0:
                return False
            moved = _move(spoken[:split], models[0].transition) + _move(spoken[split:], models[1].transition)
            if _extend(basis, moved):
                todo.append(moved)
    return True


def _independent_columns(models: Sequence[_Exact]) -> list[Vector]:
    """Emission columns of both models, one below the other, that span those of all tokens.

    A vector times a column is linear in the column, sums and steps of it too: what holds for these columns holds for
    every token, and of a vocabulary of 50,257 tokens at most 2 H are looked at.
    """
    rows = [row for model in models for row in model.emission]
    basis: list[tuple[int, Vector]] = []
    chosen = []
    for column in dict.fromkeys(zip(*rows, strict=True)):
        if _extend(basis, list(column)):
            chosen.append(list(column))
        if len(chosen) == len(rows):
            break
    return chosen


def _move(vector: Vector, kernel: Sequence[Vector]) -> Vector:
    active = [(p, row) for p, row in zip(vector, kernel, strict=True) if p]
    return [sum((p * row[g] for p, row in active), Fraction(0)) for g in range(len(vector))]


def _extend(basis: list[tuple[int, Vector]], vector: Vector) -> bool:
    """Add ``vector`` to a basis in echelon form (pivot, row); False where it already lies in the span."""
    rest = vector
    for pivot, row in basis:
        if rest[pivot]:
            factor = rest[pivot] / row[pivot]
            rest = [x - factor * y for x, y in zip(rest, row, strict=True)]
    nonzero = [i for i, x in enumerate(rest) if x]
    if not nonzero:
        return False
    basis.append((nonzero[0], rest))
    return True
