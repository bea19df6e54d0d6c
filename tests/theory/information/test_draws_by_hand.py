"""Sampled prefixes of hidden words, ranges of their scores and walks of support sets, against plain products."""

import itertools
import math

import numpy as np
import pytest

from implicit_bayes.theory import HMM
from implicit_bayes.theory.information import expansion, sampled_means, sampling, support_walk
from implicit_bayes.theory.information.decomposition import entropy, regret, spaced_positions
from implicit_bayes.theory.information.expansion import Nodes, children, count_children, merge, root
from implicit_bayes.theory.information.prefixes import build, expected_log_scores, normalise
from implicit_bayes.theory.information.ranges import _ends, _least_logs, _reachable
from implicit_bayes.theory.information.sampled_means import bernstein_interval
from implicit_bayes.theory.information.sampling import _choose, draw, sample_size
from implicit_bayes.theory.information.support_walk import walk
from implicit_bayes.theory.objects.rows import grouped

HIDDEN = HMM([0.5, 0.5], [[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])
OTHER = HMM([0.25, 0.75], [[0.25, 0.75], [0.5, 0.5]], [[0.25, 0.75, 0.0], [0.0, 0.5, 0.5]])


def filtered(law, prefix):
    """p(prefix), and the law of the state that follows it."""
    ahead = np.asarray(law.initial)
    for token in prefix:
        ahead = (ahead * np.asarray(law.emission)[:, token]) @ np.asarray(law.transition)
    return ahead.sum(), ahead / ahead.sum()


def next_tokens(law, prefix):
    return filtered(law, prefix)[1] @ np.asarray(law.emission)


def then(law, prefix, closing):
    """(V,) p(v, closing | prefix)."""
    state = filtered(law, prefix)[1]
    emission, kernel = np.asarray(law.emission), np.asarray(law.transition)
    return np.array([((state * emission[:, v]) @ kernel) @ emission[:, closing] for v in range(3)])


def test_scores_of_drawn_prefixes_of_hidden_words():
    forward = build([HIDDEN, OTHER], 1)
    found = draw(forward, 3, 60, np.random.default_rng(2), closings=(2,))
    assert found.tokens.shape == (60, 2) and found.score.shape == found.closing.shape == (3, 60, 2)
    assert np.isnan(found.closing[[0, 2]]).all()
    for n, prefix in enumerate(found.tokens.tolist()):
        for j in range(3):
            weight = next_tokens(HIDDEN, prefix[:j])
            said = weight > 0
            for i, law in enumerate((HIDDEN, OTHER)):
                right = weight[said] @ np.log(next_tokens(law, prefix[:j])[said])
                assert found.score[j, n, i] == pytest.approx(right, rel=1e-12)
                if j == 1:
                    closed = weight[said] @ np.log(then(law, prefix[:j], 1)[said])
                    assert found.closing[j, n, i] == pytest.approx(closed, rel=1e-12)
        for j in (1, 2):
            assert found.log_mass[n, j - 1] == pytest.approx(math.log(filtered(HIDDEN, prefix[:j])[0]), rel=1e-12)
    assert len({tuple(x) for x in found.tokens.tolist()}) == 9


def test_next_tokens_are_chosen_by_blocks_as_at_once(monkeypatch):
    belief, following = np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]), np.array([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])

    class Places(np.random.Generator):
        def random(self, count):
            return np.array([0.25, 0.75, 0.5])[:count]

    places = Places(np.random.PCG64(0))
    for numbers in (100, 6, 5, 1):
        monkeypatch.setattr(sampling, "NUMBERS", numbers)
        fresh, mass = _choose(belief, following, places)
        assert fresh.tolist() == [1, 1, 2] and mass.tolist() == [0.375, 0.5, 0.5625]
    assert [(t, rows.tolist()) for t, rows in grouped(np.array([2, 0, 2, 5]))] == [(0, [1]), (2, [0, 2]), (5, [3])]
    assert grouped(np.array([], dtype=int)) == []


def test_sizes_of_samples_that_are_not_finite():
    values = np.array([[1.0, math.inf], [3.0, 1.0]] * 20)
    offset, span = np.array([math.nan, 0.0]), np.ones(2)
    assert sample_size(values, offset, span, 0.5, 0.9) == 2048
    assert sample_size(values, np.array([1.0, 0.0]), span, 1e-3, 0.9) == 65536
    two = np.array([[1.0, 1.0], [3.0, 3.0]] * 20)  # means of 2 and 42: the first asks for more
    alone = sample_size(two[:, :1], np.zeros(1), span[:1], 0.02, 0.9)
    assert 2048 < alone < 65536
    assert sample_size(two, np.array([0.0, 40.0]), span, 0.02, 0.9) == alone


def test_ranges_of_hidden_words_hold_for_every_prefix_and_are_met_by_beliefs_that_are_points():
    """After token 1 both states are possible: entries run over both rows, and the mean over the sampler's states."""
    forward = build([HIDDEN, OTHER], 1)
    least = _least_logs(forward, 2)
    for tables, scored in ((forward.following, np.log), (forward.closing, np.log)):
        for coefficients in (np.array([[1.0], [-1.0]]), np.array([[-2.0], [0.5]])):
            low, high = _ends(forward, tables, 1, coefficients, least)
            table, weights = tables[1], forward.following[1][0]
            values = []
            for p, q in itertools.product(np.linspace(0, 1, 5), repeat=2):
                beliefs = np.array([[p, 1 - p], [q, 1 - q]])
                weight = beliefs[0] @ weights
                with np.errstate(divide="ignore"):
                    logs = [scored(belief @ rows) for belief, rows in zip(beliefs, table, strict=True)]
                said = weight > 0
                values.append(sum(c[0] * (weight[said] @ x[said]) for c, x in zip(coefficients, logs, strict=True)))
            finite = [v for v in values if math.isfinite(v)]
            assert low[0] <= min(finite) + 1e-12 and max(finite) - 1e-12 <= high[0]
    np.testing.assert_allclose(_least_logs(forward, 1), [math.log(0.5 * 0.25 * 0.25 * 0.25),
                                                         math.log(0.25 * 0.25 * 0.25 * 0.25)])  # fmt: skip
    assert _reachable(forward, 2) == [[3], [0, 1, 2]]


def test_ends_of_one_law_by_hand():
    """One law, after token 1: least entries (0 is replaced by the bound), largest ones, the better of two states."""
    forward = build([HIDDEN], 1)
    rows = np.array(HIDDEN.transition) @ np.array(HIDDEN.emission)  # (.25, .375, .375), (.125, .3125, .5625)
    bound = np.array([math.log(0.2)])
    low, high = _ends(forward, forward.following, 1, np.array([[1.0]]), bound)
    lows, highs = np.maximum(np.log(rows.min(0)), bound), np.log(rows.max(0))
    assert low[0] == pytest.approx((rows @ lows).min()) and high[0] == pytest.approx((rows @ highs).max())
    flipped = _ends(forward, forward.following, 1, np.array([[-2.0]]), bound)
    assert flipped[0][0] == pytest.approx(-2 * (rows @ highs).max())
    assert flipped[1][0] == pytest.approx(-2 * (rows @ lows).min())
    first = _ends(forward, forward.following, 3, np.array([[1.0]]), bound)
    start = np.array([0.5, 0.5]) @ np.array(HIDDEN.emission)
    assert first[0][0] == first[1][0] == pytest.approx(start @ np.log(start))


def test_extensions_of_hidden_words():
    """Three children of the start; after token 1 three more of each of the two prefixes that end in it or not."""
    forward = build([HIDDEN, OTHER], 1)
    level = list(children(forward, [root(forward)]))
    assert [nodes.token for nodes in level] == [0, 1, 2]
    np.testing.assert_allclose([nodes.weight[0] for nodes in level], [0.25, 0.375, 0.375])
    np.testing.assert_allclose(level[1].belief[:, 0], [[2 / 3, 1 / 3], [0.1875 / 0.5625, 0.375 / 0.5625]])
    second = {nodes.token: nodes for nodes in children(forward, level)}
    assert [len(second[token].weight) for token in range(3)] == [1, 3, 1]  # tokens 0 and 2 tell the state
    for token, nodes in second.items():
        right = sum(filtered(HIDDEN, (first, token))[0] for first in range(3))
        assert nodes.weight.sum() == pytest.approx(right)
    assert count_children(forward, level, 0) == (2 + 3, 5.0)
    assert count_children(forward, level, 2) == (5, pytest.approx(max(5, 2 + 1 * 5, 2 + 1 * 7)))
    both = merge(1, np.array([0.25, 0.25, 0.5]), np.array([[[0.5, 0.5]] * 3, [[0.5, 0.5], [0.25, 0.75], [0.5, 0.5]]]))
    assert sorted(both.weight.tolist()) == [0.25, 0.75] and both.belief.shape == (2, 2, 2)
    assert isinstance(both, Nodes)


@pytest.mark.parametrize("held", [True, False])
def test_extensions_that_another_law_forbids_are_kept(held, monkeypatch):
    """The last law never leaves its first state, which is not the sampler's: most prefixes have no filter under it."""
    stuck = HMM([1.0, 0.0], np.eye(2), HIDDEN.emission)
    forward = build([HIDDEN, OTHER, stuck], 1)
    if not held:
        monkeypatch.setattr(expansion, "AHEAD", 0)
        monkeypatch.setattr(expansion, "LEVELS", 0)
    level = list(children(forward, list(children(forward, [root(forward)]))))
    assert sum(nodes.weight.sum() for nodes in level) == pytest.approx(1.0)
    assert sum(nodes.weight[nodes.belief[2].sum(-1) == 0].sum() for nodes in level) > 0.5


def test_expected_scores_leave_out_what_the_sampler_never_says():
    belief, following = (
        np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.5, 0.5], [1.0, 0.0]]]),
        build([HIDDEN, OTHER]).following[1],
    )
    found = expected_log_scores(belief, following, following)
    for n in range(2):
        weight = belief[0, n] @ following[0]
        np.testing.assert_allclose(found[n], [weight @ np.log(belief[i, n] @ following[i]) for i in (0, 1)])
    mute = following.copy()
    mute[0, :, 0], mute[1, :, 0] = 0.0, 0.0
    assert np.isfinite(expected_log_scores(belief, mute, mute)).all()
    mute[1, :, 1] = 0.0
    assert expected_log_scores(belief, mute, mute)[:, 1].tolist() == [-math.inf] * 2
    mass, law = normalise(np.array([[[0.25, 0.5], [0.0, 0.0]]]))
    assert mass.tolist() == [[0.75, 0.0]] and law[0, 1].tolist() == [0.0, 0.0]


def test_bernsteins_interval_by_hand():
    """Mean 2, variance 4/3, 4 values in [0, 4]: sqrt(2 v L / n) + 7 span L / (3 (n - 1)), cut at the range."""
    values, level = np.array([[1.0], [1.0], [3.0], [3.0]]), math.log(4 / 0.5)
    low, high = bernstein_interval(values, np.array([-99.0]), np.array([99.0]), 0.5)
    half = math.sqrt(2 * 4 / 3 * level / 4) + 7 * 198 * level / 9
    assert high[0] - low[0] <= 2 * half + 1e-9
    tight = bernstein_interval(values, np.array([0.0]), np.array([4.0]), 0.5)
    assert 0.0 <= tight[0][0] <= 2.0 <= tight[1][0] <= 4.0


@pytest.mark.parametrize(
    ("likely", "ends"),
    [((1.0, 2.0), (1.0, 1.0)), ((0.5, 2.0), (0.5, 1.0)), ((1.5, 2.0), (0.0, 1.0)), ((-2.0, -0.5), (0.0, 1.0)),
     ((-1.0, 0.0), (0.0, 0.0))],
)  # fmt: skip
def test_two_intervals_that_touch_have_one_point(likely, ends, monkeypatch):
    """The certain one is [0, 1]; where the other lies apart it alone is kept, and where it touches, what both hold."""
    monkeypatch.setattr(sampled_means, "seen_interval", lambda *_: (np.zeros(1), np.ones(1)))
    monkeypatch.setattr(sampled_means, "bernstein_interval", lambda *_: tuple(np.array([end]) for end in likely))
    values = np.array([[0.25], [0.75]])
    mean, low, high = sampled_means.mean_interval(values, values, np.zeros(2), np.zeros(1), np.ones(1), 0.9)
    assert (low[0], high[0]) == ends and mean[0] == min(max(0.5, ends[0]), ends[1])


def test_positions_entropies_and_regrets_at_their_ends():
    assert spaced_positions(2) == [0, 1, 2] and spaced_positions(9) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert entropy(np.array([1.0])) == 0.0 and math.copysign(1.0, entropy(np.array([1.0]))) == 1.0
    found = regret(np.array([[-1.0, -2.0]]), np.array([-1.5]), np.array([0.25, 0.75]))
    np.testing.assert_allclose(found, [[-1 + math.log(0.25) + 1.5, -2 + math.log(0.75) + 1.5]])


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("at_once", [1 << 21, 1, 12])
def test_walks_are_those_of_plain_sets(seed, at_once, monkeypatch):
    """Masses of (set, state) after every token from two start laws, sets as Python's own, five tokens long."""
    monkeypatch.setattr(support_walk, "AT_ONCE", at_once)
    rng = np.random.default_rng(seed)

    def rows(*shape):
        weight = rng.integers(1, 4, shape) * (rng.random(shape) < 0.6)
        weight[..., 0] += weight.sum(-1) == 0
        return weight / weight.sum(-1, keepdims=True)

    sampler, law = (HMM(rows(3), rows(3, 3), rows(3, 3)) for _ in range(2))
    starts, first = rows(2, 3), rng.random(3) < 0.7
    first[int(rng.integers(3))] = True
    now = {(frozenset(np.flatnonzero(first).tolist()), h): starts[:, h] for h in range(3) if starts[:, h].any()}
    for j, (dead_mass, dead, front) in enumerate(walk(starts, sampler, law, first, 5)):
        spoken, died = {}, np.zeros(2)
        for (where, h), mass in now.items():
            for token in range(3):
                share = sampler.emission[h, token]
                if share > 0:
                    left = frozenset(g for g in where if law.emission[g, token] > 0)
                    if left:
                        spoken[left, h] = spoken.get((left, h), 0.0) + mass * share
                    else:
                        died = died + mass * share
        np.testing.assert_allclose(dead_mass, died, atol=1e-14)
        np.testing.assert_array_equal(dead, died > 0)
        found = {}
        for k, members in enumerate(front.sets):
            for h in range(3):
                if front.alive[k, :, h].any():
                    key = frozenset(np.flatnonzero(members).tolist()), h
                    found[key] = found.get(key, 0.0) + front.mass[k, :, h]
                else:
                    assert not front.mass[k, :, h].any()
        assert found.keys() == spoken.keys(), j
        for key, mass in spoken.items():
            np.testing.assert_allclose(found[key], mass, atol=1e-14)
        now = {}
        for (where, h), mass in spoken.items():
            ahead = frozenset(g for f in where for g in range(3) if law.transition[f, g] > 0)
            for g in range(3):
                if sampler.transition[h, g] > 0:
                    now[ahead, g] = now.get((ahead, g), 0.0) + mass * sampler.transition[h, g]
