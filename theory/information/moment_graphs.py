"""Build the graphs of ``likelihood_moments``: all examples, expanded and merged; or a sample of their prefixes."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from implicit_bayes.theory.information.expansion import Nodes, count_children, root
from implicit_bayes.theory.information.likelihood_moments import ExampleGraph
from implicit_bayes.theory.information.moment_levels import Level
from implicit_bayes.theory.information.prefixes import ForwardTables, build, normalise
from implicit_bayes.theory.information.sampling import draw
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import HMM
from implicit_bayes.theory.objects.rows import distinct_rows, grouped

BUDGET = 200_000
"""Merged prefixes affordable on one level."""

PAIRS = 2_000_000
"""Largest number of (token, token) pairs that a level visits, and of (prefix, last token) pairs of a sample."""

SAMPLES, FEWEST = 8192, 256
"""Prefixes drawn where the expansion is not affordable; fewer where the vocabulary is wide."""

FAINTEST = 1e-290
"""A positive probability of a step below this cannot be told from an impossible one in float64."""


def example_graph(
    sampler: HMM, true: HMM, alternatives: Sequence[HMM], length: int, delimiter: int, budget: int = BUDGET
) -> ExampleGraph | None:
    """Expand the examples of ``length`` tokens; None where a level needs more than ``budget`` nodes or edges.

    Args:
        sampler: p_prompt(O), the law of one example.
        true: theta* from the start law that the ratio is about.
        alternatives: every theta, each from its own start law.
        length: k >= 2.
        delimiter: the token of ``closed``.
        budget: merged prefixes on one level.

    Returns:
        ExampleGraph of every reachable example, exact; None where that is not affordable.

    Raises:
        ModelError: the laws differ in shape, or probabilities are so small that float64 could take the improbable
            for the impossible.
    """
    forward = build([sampler, true, *alternatives], delimiter)
    nodes, levels = [root(forward)], []
    for position in range(1, length + 1):
        if len(nodes) * forward.n_tokens > PAIRS:
            return None
        if count_children(forward, nodes, length - position)[1] > budget:
            return None
        if position < length:
            level, nodes = _expand(forward, nodes)
            levels.append(level)
    return _finish(forward, nodes, tuple(levels), delimiter, sampled=False)


def example_graphs(
    sampler: HMM, families: Sequence[Sequence[HMM]], length: int, delimiter: int, budget: int = BUDGET
) -> list[ExampleGraph] | None:
    """``example_graph`` for several families of laws.

    Args:
        sampler: p_prompt(O), the law of one example.
        families: theta* first, then every alternative; each from a start law of its own.
        length: k >= 2.
        delimiter: the token of ``closed``.
        budget: merged prefixes on one level.

    Returns:
        One graph a family; None as soon as one is not affordable.

    Raises:
        ModelError: as ``example_graph``.
    """
    graphs = []
    for true, *alternatives in families:
        graph = example_graph(sampler, true, alternatives, length, delimiter, budget)
        if graph is None:
            return None
        graphs.append(graph)
    return graphs


def sampled_graph(
    sampler: HMM, true: HMM, alternatives: Sequence[HMM], length: int, delimiter: int, seed: int, samples: int = SAMPLES
) -> ExampleGraph:
    """The same with ``samples`` independent prefixes of k - 1 tokens; the last token (and delimiter) is summed exactly.

    Every estimate is an average over independent prefixes (Rao-Blackwell), so ``values`` has its interval. Whether
    theta* forbids an example must be known otherwise: a sample may miss it.

    Args:
        sampler: the law of an example under the prompt law.
        true: theta* as the prefix begins it.
        alternatives: every theta, likewise.
        length: k.
        delimiter: the delimiter token.
        seed: of the prefixes.
        samples: how many.

    Returns:
        ExampleGraph with N = ``samples`` nodes (fewer, where V is large), one for each prefix, each of mass 1 / N.

    Raises:
        ModelError: as ``example_graph``; or more tokens than ``FEWEST`` prefixes can be summed over.
    """
    return sampled_graphs(sampler, [[true, *alternatives]], length, delimiter, seed, samples)[0]


def sampled_graphs(
    sampler: HMM, families: Sequence[Sequence[HMM]], length: int, delimiter: int, seed: int, samples: int = SAMPLES
) -> list[ExampleGraph]:
    """``sampled_graph`` for several families of laws on the same prefixes, which are read once.

    Args:
        sampler: the law of an example under the prompt law.
        families: theta* first, then every alternative; each from a start law of its own.
        length: k.
        delimiter: the delimiter token.
        seed: of the prefixes.
        samples: how many.

    Returns:
        One graph a family.

    Raises:
        ModelError: as ``sampled_graph``.
    """
    samples = min(samples, PAIRS // sampler.n_tokens)
    if samples < FEWEST:
        raise ModelError(f"vocabulary: {sampler.n_tokens} tokens are too many for moments of examples, even sampled")
    forward = build([sampler, *(law for family in families for law in family)], delimiter)
    ends = np.cumsum([1, *(len(family) for family in families)])
    members = [np.array([0, *range(begin, end)]) for begin, end in itertools.pairwise(ends)]
    drawn = build([sampler], delimiter)  # scores under the other laws are not asked for
    tokens = draw(drawn, length, samples, np.random.default_rng(seed)).tokens
    tokens = tokens[np.argsort(tokens[:, -1], kind="stable")]
    before = np.full(samples, forward.n_tokens)
    belief_LxNxH = np.zeros((forward.n_laws, samples, forward.emission.shape[1]))
    belief_LxNxH[:, :, 0] = 1.0
    gains = [np.zeros((len(family) - 1, samples)) for family in families]
    for now in tokens.T:
        fresh = np.zeros_like(belief_LxNxH)
        for pair, rows in grouped(before * forward.n_tokens + now):
            last, token = divmod(pair, forward.n_tokens)
            mass, belief = _step(forward, last, token, belief_LxNxH[:, rows][:, :, forward.supports[last]])
            for gain_AxN, laws in zip(gains, members, strict=True):
                gain_AxN[:, rows] += _gains(mass[laws])
            fresh[:, rows[:, None], forward.supports[token]] = belief
        before, belief_LxNxH = now, fresh
    return [
        _of_sample(forward.keep(laws), belief_LxNxH[laws], before, gain_AxN, delimiter)
        for laws, gain_AxN in zip(members, gains, strict=True)
    ]


def _of_sample(
    forward: ForwardTables, belief_LxNxH: np.ndarray, last_N: np.ndarray, gain_AxN: np.ndarray, delimiter: int
) -> ExampleGraph:
    """The graph of one family; prefixes are sorted by their last token."""
    nodes = [
        Nodes(token, np.ones(len(rows)), belief_LxNxH[:, rows][:, :, forward.supports[token]])
        for token, rows in grouped(last_N)
    ]
    each, log_p = np.arange(len(last_N)), np.full(len(last_N), -math.log(len(last_N)))
    level = Level.of(np.zeros_like(each), each, log_p, gain_AxN)
    return _finish(forward, nodes, (level,), delimiter, sampled=True)


def _step(forward: ForwardTables, last: int, token: int, belief: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L, N) p(token | prefix) and the filters after it, refusing what underflows."""
    rows, emits = forward.rows[last][:, :, forward.supports[token]], forward.emission[:, forward.supports[token], token]
    joint = belief @ (rows * emits[:, None])
    _refuse_faint(joint, belief, (rows > 0) & (emits > 0)[:, None])
    return normalise(joint)


def _refuse_faint(result: np.ndarray, belief: np.ndarray, may: np.ndarray) -> None:
    """``result`` = ``belief`` @ table is positive, and not faint, where the table's exact support ``may`` says so."""
    if result.size and result.min() < FAINTEST:
        possible = (belief > 0).astype(np.float32) @ may.astype(np.float32) > 0
        if (possible & (result < FAINTEST)).any():
            raise ModelError("laws: probabilities below float64's range make the improbable look impossible")


def _may_close(forward: ForwardTables, delimiter: int) -> np.ndarray:
    """(L, H) whether the delimiter can be the token after a state's own."""
    speaks = (forward.emission[:, :, delimiter, None] > 0).astype(np.float32)
    return ((forward.rows.transition > 0).astype(np.float32) @ speaks)[..., 0] > 0


def _gains(mass: np.ndarray) -> np.ndarray:
    """(A, E) log-ratios to law 1; -inf where the alternative forbids, 0 where law 1 does."""
    with np.errstate(divide="ignore"):
        log_mass = np.log(mass)
    known = mass[1] > 0
    return np.where(known, log_mass[2:] - np.where(known, log_mass[1], 0.0), 0.0)


def _expand(forward: ForwardTables, nodes: list[Nodes]) -> tuple[Level, list[Nodes]]:
    """The edges of one level and the merged nodes that they lead to."""
    offsets = np.cumsum([0, *(len(group.weight) for group in nodes)])
    edges, merged, count = [], [], 0
    for token in range(forward.n_tokens):
        parents, masses, beliefs = [], [], []
        for offset, group in zip(offsets, nodes, strict=False):
            mass, belief = _step(forward, group.token, token, group.belief)
            alive = np.flatnonzero(mass[0] > 0)
            if alive.size:
                parents.append(offset + alive)
                masses.append(mass[:, alive])
                beliefs.append(belief[:, alive])
        if parents:
            belief = np.concatenate(beliefs, 1)
            rows = np.ascontiguousarray(belief.transpose(1, 0, 2)).reshape(belief.shape[1], -1)
            first, inverse = distinct_rows(rows)
            order = np.argsort(inverse, kind="stable")
            mass = np.concatenate(masses, 1)[:, order]
            edges.append((np.concatenate(parents)[order], count + inverse[order], mass))
            merged.append(Nodes(token, np.ones(len(first)), np.ascontiguousarray(belief[:, first])))
            count += len(first)
    parent, node, mass = (np.concatenate(part, -1) for part in zip(*edges, strict=True))
    return _level(parent, node, mass), merged


def _level(parent: np.ndarray, node: np.ndarray, mass: np.ndarray) -> Level:
    return Level.of(parent, node, np.log(mass[0]), _gains(mass))


def _finish(
    forward: ForwardTables, nodes: list[Nodes], levels: tuple[Level, ...], delimiter: int, sampled: bool
) -> ExampleGraph:
    """The last token: p_prompt draws token v; the laws answer with v, or with v and the delimiter."""
    offset, last, closed, laws = 0, [], [], []
    speaks, closes = (forward.emission > 0).astype(np.float32), _may_close(forward, delimiter)
    for group in nodes:
        following, closing = forward.following[group.token], forward.closing[group.token]
        mass, ended = group.belief @ following, group.belief @ closing
        reach = (forward.rows[group.token] > 0).astype(np.float32)
        _refuse_faint(mass, group.belief, reach @ speaks > 0)
        _refuse_faint(ended[1:], group.belief[1:], (reach @ (speaks * closes[:, :, None]) > 0)[1:])
        at, token = np.nonzero(mass[0] > 0)
        last.append((offset + at, mass[:, at, token]))
        closed.append((offset + at, np.concatenate([mass[:1, at, token], ended[1:, at, token]])))
        laws.append(mass[:2])
        offset += len(group.weight)
    parts = [[np.concatenate(x, -1) for x in zip(*edges, strict=True)] for edges in (last, closed)]
    lost_N = np.concatenate([group.belief[1].sum(-1) == 0 for group in nodes])
    lost = [bool((mass[1] == 0).any()) for _, mass in parts]
    final = [_level(parent, parent, mass) for parent, mass in parts]
    return ExampleGraph(
        levels=levels,
        last=final[0],
        closed=final[1],
        law_2xNxV=np.concatenate(laws, 1),
        lost_N=lost_N,
        lost_last=lost[0],
        lost_closed=lost[1],
        sampled=sampled,
    )
