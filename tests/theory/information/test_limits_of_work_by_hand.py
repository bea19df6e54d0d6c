"""What expansions visit and where they stop, moments that are far from 1, and equalities that only just hold."""

import itertools
import math

import numpy as np
import pytest

from implicit_bayes.theory import HMM, ModelError, PromptLaw
from implicit_bayes.theory.information import bracket, expansion, moment_graphs, sampled_means
from implicit_bayes.theory.information.bracket import enumerate_bracket
from implicit_bayes.theory.information.equality import (
    _first_tokens_agree,
    _independent_columns,
    exact_entries,
    is_renaming,
    same_process,
)
from implicit_bayes.theory.information.ergodic_mixtures import _distinct, mixture_entropies, same_edge_process
from implicit_bayes.theory.information.estimates import exceeds, simultaneous, t_interval
from implicit_bayes.theory.information.expansion import children, expand, root
from implicit_bayes.theory.information.moment_graphs import example_graph, sampled_graph
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.sampled_means import seen_interval
from implicit_bayes.theory.objects.edges import EdgeProcess

COIN = HMM([0.25, 0.75], [[0.5, 0.5], [0.125, 0.875]], np.eye(2))
"""Two states that tokens show."""
OTHER = HMM([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], np.eye(2))
HIDDEN = HMM([0.5, 0.5], [[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])


def test_scores_and_closings_of_an_expansion_by_hand():
    """Position 1 scores the start law, position 2 the rows; (token, 0) after each; nodes 1, 1 + 2, 1 + 2 + 2."""
    forward = build([COIN, OTHER], 0)
    start, rows, other = np.array(COIN.initial), np.array(COIN.transition), np.array(OTHER.transition)
    found = expand(forward, [1, 3], 100, closings=(1, 3))
    at_2, at_3 = start, start @ rows
    for law, (begin, kernel) in enumerate(((start, rows), (np.array([0.5, 0.5]), other))):
        each, ended = (rows * np.log(kernel)).sum(-1), (rows * np.log(kernel * kernel[:, 0])).sum(-1)
        right = [start @ np.log(begin), at_2 @ each, at_3 @ each]
        np.testing.assert_allclose(found.score[:, law], right, rtol=1e-13)
        closed = [start @ np.log(begin * kernel[:, 0]), math.nan, at_3 @ ended]
        np.testing.assert_allclose(found.closing[:, law], closed, rtol=1e-13)
    assert found.nodes.tolist() == [1, 3, 5]


@pytest.mark.parametrize(
    ("limits", "positions"),
    [
        (dict(), 3),
        (dict(budget=1), 3),  # a sixty-fourth of it is less than a level, but the forecast, 2, is what is compared
        (dict(budget=8, shared=True), 3),
        (dict(budget=3, shared=True), 1),  # two children, of which each has two: 4 at the last level
        (dict(budget=3, shared=True, share=1), 2),  # two are no more than the budget's whole share
        (dict(logarithms=2 * 1 * 3), 3),
        (dict(logarithms=2 * 1 * 2 - 1), 1),  # two nodes, one law, two tokens
        (dict(logarithms=2 * 1 * 2), 3),
        (dict(pairs=4), 3),
        (dict(pairs=3), 2),  # the third level would look through 2 x 2 pairs
        (dict(pairs=1), 1),
    ],
)
def test_where_an_expansion_stops(limits, positions, monkeypatch):
    shared = HMM([0.5, 0.5], [[0.75, 0.25], [0.5, 0.5]], [[0.5, 0.5], [0.25, 0.75]])
    forward = build([shared if limits.get("shared") else COIN], 0)
    monkeypatch.setattr(expansion, "PAIRS", limits.get("pairs", 100))
    monkeypatch.setattr(expansion, "HEAD_SHARE", limits.get("share", 64))
    found = expand(forward, [3], limits.get("budget", 100), logarithms=limits.get("logarithms", math.inf))
    if limits == dict(budget=1):
        positions = 1  # 2 > 1
    assert len(found.score) == positions


def test_the_laws_of_next_states_are_held_as_long_as_they_fit(monkeypatch):
    """One law of two states and one node: 16 bytes; what a level of one node takes itself is 8."""
    forward, read = build([HIDDEN], 0), []

    class Counted:
        def __getitem__(self, token):
            read.append(token)
            return forward.rows[token]

    counted = forward._replace(rows=Counted())
    for ahead, levels, times in ((16, 0, 1), (15, 0, 3), (0, 2, 1), (0, 1, 3)):
        monkeypatch.setattr(expansion, "AHEAD", ahead)
        monkeypatch.setattr(expansion, "LEVELS", levels)
        read.clear()
        found = list(children(counted, [root(forward)]))
        assert len(read) == times and len(found) == 3


def test_graphs_visit_so_many_pairs(monkeypatch):
    """Positions 1, 2, 3 have 1, 2 and 2 groups of nodes, each with two tokens: 4 pairs at most."""
    arguments = COIN, COIN, [OTHER], 3, 0
    monkeypatch.setattr(moment_graphs, "PAIRS", 4)
    assert example_graph(*arguments) is not None
    monkeypatch.setattr(moment_graphs, "PAIRS", 3)
    assert example_graph(*arguments) is None
    monkeypatch.setattr(moment_graphs, "PAIRS", 100)
    assert example_graph(*arguments, budget=2) is not None
    assert example_graph(*arguments, budget=1) is None


def test_sampled_graphs_have_so_many_prefixes(monkeypatch):
    """Two tokens: pairs of (prefix, last token) limit the prefixes to half of them; below 4 there are too few."""
    monkeypatch.setattr(moment_graphs, "FEWEST", 4)
    for pairs, samples, count in ((100, 8, 8), (14, 8, 7), (9, 8, 4)):
        monkeypatch.setattr(moment_graphs, "PAIRS", pairs)
        graph = sampled_graph(COIN, COIN, [OTHER], 3, 0, 0, samples)
        assert (len(graph.lost_N), graph.sampled) == (count, True)
        np.testing.assert_allclose(graph.mass(), 1 / count)
    monkeypatch.setattr(moment_graphs, "PAIRS", 7)
    with pytest.raises(ModelError, match="vocabulary: 2 tokens are too many"):
        sampled_graph(COIN, COIN, [OTHER], 3, 0, 0, 8)
    with pytest.raises(ModelError, match="vocabulary"):
        sampled_graph(COIN, COIN, [OTHER], 3, 0, 0, 3)


def test_prefixes_that_are_drawn_where_nothing_is_said():
    """8,192, the fewest 256; of vocabularies of more than 7,812 tokens too few can be drawn."""
    assert len(sampled_graph(COIN, COIN, [OTHER], 2, 0, 0).lost_N) == 8192
    with pytest.raises(ModelError, match="vocabulary"):
        sampled_graph(COIN, COIN, [OTHER], 2, 0, 0, 255)
    assert len(sampled_graph(COIN, COIN, [OTHER], 2, 0, 0, 256).lost_N) == 256


def test_a_sampled_graph_is_right_on_its_own_prefixes():
    """Moments are means over the prefixes that were drawn, each with its exact ratio; filters are hidden ones."""
    theta = HMM([0.25, 0.75], [[0.25, 0.75], [0.5, 0.5]], [[0.25, 0.75, 0.0], [0.0, 0.5, 0.5]])
    graph = sampled_graph(HIDDEN, HIDDEN, [theta], 3, 1, 5, 300)
    masses, ratios = [], []
    for x in itertools.product(range(3), repeat=2):
        p, q = (path(law, x) for law in (HIDDEN, theta))
        masses.append(p)
        ratios.append(q / p if p else 0.0)
    inputs = np.exp(graph.inputs(0, np.array([1.0])).value[0]) * 300
    assert {round(v, 10) for v in inputs} <= {round(r, 10) for r in ratios}
    np.testing.assert_allclose(graph.law_2xNxV[0], graph.law_2xNxV[1], rtol=1e-13)
    assert (graph.law_2xNxV.sum(-1) > 1 - 1e-12).all() and not graph.lost_N.any()
    assert graph.edges == 300 + len(graph.last.log_p_E)
    assert inputs.mean() == pytest.approx(1.0, abs=0.5)  # E ratio = 1


def path(law, tokens):
    ahead = np.asarray(law.initial)
    for i, token in enumerate(tokens):
        ahead = (ahead @ np.asarray(law.transition) if i else ahead) * np.asarray(law.emission)[:, token]
    return float(ahead.sum())


def test_moments_below_the_range_of_floats_are_weighed_in_logarithms():
    """p_prompt writes 0 for ever, theta with 1e-200 each: 1e-400 in two tokens is -921 nats, and not 0."""
    always = HMM([1.0, 0.0], [[1.0, 0.0], [0.5, 0.5]], np.eye(2))
    theta = HMM([1e-200, 1.0], [[1e-200, 1.0]] * 2, np.eye(2))
    graph = example_graph(always, always, [theta], 2, 1)
    found = graph.examples(0, np.array([0.5, 1.0]), False)
    np.testing.assert_allclose(found.value, np.array([200.0, 400.0]) * -math.log(10), rtol=1e-13)
    np.testing.assert_allclose(found.slope, -400 * math.log(10), rtol=1e-13)


def test_a_mass_that_is_seen_twice_over_leaves_none_unseen(monkeypatch):
    """Masses .75 and .5 add up to more than 1: nothing is unseen, and nothing less than nothing."""
    monkeypatch.setattr(sampled_means, "SLACK", 0.0)
    values, prefixes = np.array([[1.0], [2.0], [2.0]]), np.array([[0], [1], [1]])
    for masses, ends in (((0.75, 0.5, 0.5), (1.75, 1.75)), ((0.25, 0.5, 0.5), (1.25 - 0.25, 1.25 + 1.0))):
        low, high = seen_interval(values, prefixes, np.log(masses), np.array([-1.0]), np.array([4.0]))
        assert (low[0], high[0]) == pytest.approx(ends)


def test_a_bracket_counts_what_it_visits():
    """One delimiter state: one example, merged into one node after its delimiter. Two that lead to different words, and
    words that alike tell which comes next: the first example forgets it, the second is counted."""
    prompt = PromptLaw(hmm=COIN, start=COIN.initial, length=2, delimiter=0)
    found = enumerate_bracket(prompt, [OTHER])
    assert found.nodes == 1
    start, each = np.array(COIN.initial), []  # E |log p(x, y, 0 | after 0)| of theta and of theta*, together
    rows = np.array(COIN.transition)
    for law in (rows, np.array(OTHER.transition)):
        each.append(-start @ np.log(law[0]) - start @ (rows * np.log(law)).sum(-1) - start @ rows @ np.log(law[:, 0]))
    assert found.magnitude[0] == pytest.approx(sum(each), rel=1e-12)
    last = [[0.75, 0.125, 0.0625, 0.0625], [0.125, 0.75, 0.0625, 0.0625]]
    two = np.eye(3)[[0, 1, 2, 2]]
    laws = [HMM([0.5, 0.5, 0, 0], [*[[0.25, 0.25, d, 0.5 - d]] * 2, *last], two) for d in (0.25, 0.375)]
    found = enumerate_bracket(PromptLaw(laws[0], [0.5, 0.5, 0, 0], 2, 2), laws[1:])
    assert found.width.max() < 1e-10 and found.forgotten == 1


def test_a_bracket_stops_where_it_is_narrow_or_long_enough(monkeypatch):
    asked, one = [], bracket._one_example
    monkeypatch.setattr(bracket, "_one_example", lambda *given: asked.append(1) or one(*given))
    two = np.eye(3)[[0, 1, 2, 2]]
    rows = [[0.5, 0.25, 0.125, 0.125], [0.25, 0.25, 0.375, 0.125], [0.75, 0.125, 0.0625, 0.0625]]
    laws = [HMM([0.5, 0.5, 0, 0], [*rows, last], two @ np.array([[0.75, 0.25, 0], [0.5, 0.5, 0], [0, 0, 1.0]]))
            for last in ([0.25, 0.625, 0.0625, 0.0625], [0.125, 0.75, 0.0625, 0.0625])]  # fmt: skip
    monkeypatch.setattr(bracket, "MOST_EXAMPLES", 2)
    found = enumerate_bracket(PromptLaw(laws[0], [0.5, 0.5, 0, 0], 2, 2), laws[1:])
    assert len(asked) == 3 and found.forgotten == 2 and (found.low <= found.high).all()


def test_first_tokens_that_differ_by_a_little_more_than_1e_9():
    """One state and three tokens (1 - d, d, 0) against (1, 0, 0): entries differ by 2 d, and sqrt(6) d in all."""
    one = HMM([1.0], [[1.0]], [[1.0, 0.0, 0.0]])
    for d, agree in ((0.6e-9, False), (0.4e-9, True), (1e-10, True)):
        assert _first_tokens_agree(one, HMM([1.0], [[1.0]], [[1.0 - d, d, 0.0]])) is agree


def test_sixteen_states_are_decided_and_seventeen_are_not():
    """Every row writes 0 and 1 alike, whatever the kernel: one coin, and no renaming."""

    def coin(states):
        kernel = np.full((states, states), 0.0)
        kernel[:, 0] = kernel[:, -1] = 0.5  # half to the first, half to the last: dyadic, so that fractions are short
        return HMM(np.eye(states)[0], kernel, np.full((states, 2), 0.5))

    assert same_process(coin(16), HMM(np.eye(16)[1], np.eye(16), np.full((16, 2), 0.5))) is True
    assert same_process(coin(17), coin(2)) == "undetermined" == same_process(coin(2), coin(17))
    assert same_process(coin(2), HMM([1.0], [[1.0]], [[0.5, 0.25, 0.25]])) is False


def test_states_of_one_colour_are_checked_entry_by_entry():
    """Two cycles of two states and one of four: all states look alike, and no order of them is tried."""
    two, four = np.eye(4)[[1, 0, 3, 2]], np.eye(4)[[1, 2, 3, 0]]
    laws = [HMM(np.full(4, 0.25), kernel, np.full((4, 2), 0.5)) for kernel in (two, four)]
    assert not is_renaming(*laws) and is_renaming(laws[0], laws[0])
    for changed in (HMM([0.5, 0.25, 0.125, 0.125], two, laws[0].emission),
                    HMM(laws[0].initial, two, [[0.5, 0.5], [0.25, 0.75], [0.5, 0.5], [0.5, 0.5]])):  # fmt: skip
        assert not is_renaming(laws[0], changed)
    assert same_process(*laws) is True


def test_a_difference_between_the_last_two_of_three_tokens_is_seen():
    """A ring of three states; only the third tells tokens 1 and 2 apart, by 2^-30, and token 0 never says so."""
    ring = [[0, 1.0, 0], [0, 0, 1.0], [0, 0, 1.0]]
    rows = [[0.5, 0.25, 0.25]] * 2
    laws = [HMM([1.0, 0, 0], ring, [*rows, [0.5, 0.25 + d, 0.25 - d]]) for d in (0.0, 2.0**-30)]
    assert same_process(*laws) is False and same_process(laws[1], laws[1]) is True
    assert [len(_independent_columns(exact_entries(*pair))) for pair in (laws, laws[:1] * 2)] == [2, 1]
    full = HMM([0.5, 0.5], np.eye(2), np.eye(2))
    assert len(_independent_columns(exact_entries(full, HMM([1.0], [[1.0]], [[0.25, 0.75]])))) == 2
    many = HMM([1.0], [[1.0]], [[0.5, 0.25, 0.125, 0.125]])
    assert _independent_columns(exact_entries(many)) == [[0.5]]  # one state: one column is enough


def edge(p, tokens=2):
    return EdgeProcess(np.array([[[p]], [[1 - p]], *[[[0.0]]] * (tokens - 2)]))


def test_edge_processes_that_are_nearly_one():
    """Coins of 1/2 and 1/2 + d: told apart from about 1e-10 on, relatively; other vocabularies always."""
    assert same_edge_process(edge(0.5), edge(0.5 + 1e-12)) and not same_edge_process(edge(0.5), edge(0.5 + 1e-9))
    assert same_edge_process(edge(0.5), edge(0.5 + 0.4e-10)) and not same_edge_process(edge(0.5), edge(0.5 + 0.75e-10))
    assert not same_edge_process(edge(0.5), edge(0.5, 3))
    two = EdgeProcess(np.array([[[0.25, 0.25], [0.25, 0.25]], [[0.25, 0.25], [0.25, 0.25]]]))
    assert same_edge_process(edge(0.5), two) and same_edge_process(two, edge(0.5))


def test_components_that_are_one_are_added_up():
    kept, mass = _distinct([edge(0.5), edge(0.25), edge(0.5), edge(0.75)], np.array([0.25, 0.5, 0.25, 0.0]))
    assert len(kept) == 2 and mass.tolist() == [0.5, 0.5]
    assert kept[0].labelled.tolist() == edge(0.5).labelled.tolist()
    alone = mixture_entropies([edge(0.25), edge(0.25)], length=3)
    assert alone.excess_high == pytest.approx(0.0, abs=1e-14)
    h = 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    assert alone.rate_low == pytest.approx(h)
    with pytest.raises(ModelError, match="processes: none"):
        mixture_entropies([])
    with pytest.raises(ModelError, match="prior"):
        mixture_entropies([edge(0.5), edge(0.25)], np.array([1.0]))


def test_comparisons_of_intervals_on_their_edges():
    inf = math.inf
    for given, verdict in (
        ((1, 1, 1, 1), False), ((1, 1, 0.5, 0.5, 0.5), "undetermined"), ((1, 1, 0.5, 0.5, 0.25), True),
        ((0.5, 0.5, 1, 1, 0.5), False), ((0.5, 0.5, 1, 1, 0.75), "undetermined"), ((inf, inf, 3, 3, inf), True),
        ((1, 1, -inf, -inf, inf), True), ((-inf, -inf, -inf, -inf), False), ((1, inf, 0, 2), "undetermined"),
        ((5, 6, 1, inf), "undetermined"), ((5, 6, inf, inf), False), ((-inf, -inf, 0, 1), False),
    ):  # fmt: skip
        assert exceeds(*map(float, given)) == verdict and type(exceeds(*map(float, given))) is type(verdict)
    assert (simultaneous(0.9, 4), simultaneous(0.9, 0)) == (pytest.approx(0.975), pytest.approx(0.9))
    mean, low, high = t_interval(np.array([[1.0, math.inf], [3.0, 1.0]]))
    assert (mean.tolist(), low[1], high[1]) == ([2.0, math.inf], math.inf, math.inf)
    assert high[0] - 2.0 == pytest.approx(12.7062047364) == 2.0 - low[0]  # t_1 at 97.5%, s / sqrt(2) = 1
