"""What is summed and drawn prefix by prefix, against numbers worked out by hand: scores, ranges, samples, limits."""

import math
from fractions import Fraction

import numpy as np
import pytest

from implicit_bayes.theory import HMM, ModelError, PromptLaw
from implicit_bayes.theory.information import expansion, prefixes, sampling, support_walk
from implicit_bayes.theory.information.expansion import Nodes, children, count_children, merge, root
from implicit_bayes.theory.information.kl import _kl_each, _kl_total
from implicit_bayes.theory.information.ranges import _least_logs, _reachable, score_range
from implicit_bayes.theory.information.rates import _log_probabilities, _ratio
from implicit_bayes.theory.information.sampled_means import mean_interval, samples_for
from implicit_bayes.theory.information.simulated_rates import batch_means, prompt_chains, stack
from implicit_bayes.theory.information.supports import dominates, forbidden_mass

HALF = Fraction(1, 2)
COIN = HMM([0.25, 0.75], [[0.5, 0.5], [0.125, 0.875]], np.eye(2))
"""Two states that tokens show."""
COIN3 = HMM([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
HIDDEN = HMM([0.5, 0.5], [[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])


def test_where_sampling_contradicts_what_is_certain_the_certain_is_kept():
    """Both prefixes seen, of mass 1/2, value 0 and 1: the mean is 1/2, whatever share of the draws was the second."""
    count = 20_000
    which = np.arange(count) < 0.9 * count
    values = np.column_stack([which, np.where(which, -np.inf, 0.0), which]).astype(float)
    low, high = np.zeros(3), np.array([1.0, 0.0, 4.0])
    mass = np.full(count, math.log(0.5))
    mean, lower, upper = mean_interval(values, which[:, None], mass, low, high, 0.95)
    np.testing.assert_allclose([mean[0], lower[0], upper[0]], 0.5, atol=1e-10)
    assert mean[1] == lower[1] == upper[1] == -np.inf
    unknown = np.full(count, math.log(1e-9))
    mean, lower, upper = mean_interval(values, which[:, None], unknown, low, high, 0.95)
    half = math.sqrt(2 * values[:, 0].var(ddof=1) * math.log(80) / count) + 7 * math.log(80) / (3 * (count - 1))
    np.testing.assert_allclose([mean[0], lower[0], upper[0]], [0.9, 0.9 - half, 0.9 + half], rtol=1e-9)


def test_the_sample_size_by_hand():
    """20% above what Bernstein asks for a share of |mean + offset|; columns that are not finite ask for nothing."""
    pilot = np.tile([[1.0, 5.0, -np.inf], [3.0, 5.0, 0.0]], (50, 1))
    offset, span = np.array([-6.0, np.inf, 0.0]), np.array([8.0, 99.0, 99.0])
    asked = samples_for(np.array([100 / 99]), span[:1], np.array([0.01 * 4.0]), 0.9)[0]
    assert sampling.LEAST < 1.2 * asked < sampling.MOST
    assert sampling.sample_size(pilot, offset, span, 0.01, 0.9) == int(1.2 * asked)
    assert sampling.sample_size(pilot, offset, span, 1.0, 0.9) == sampling.LEAST == 2048
    assert sampling.sample_size(pilot, offset, span, 1e-6, 0.9) == sampling.MOST == 65536
    assert sampling.sample_size(pilot[:, 1:], offset[1:], span[1:], 1e-6, 0.9) == sampling.LEAST
    level = math.log(40.0)
    half = math.sqrt(2 * level / asked) + 7 * 8 * level / (3 * (asked - 1))
    assert half == pytest.approx(0.04, rel=0.02)
    assert samples_for(np.zeros(2), np.array([0.0, 1.0]), np.zeros(2), 0.9).tolist() == [1.0, np.inf]


def test_what_is_drawn_has_the_scores_and_masses_of_its_own_prefix():
    """Tokens show states: position j scores the row of token j - 1, position 1 the start law; closing is d = 0."""
    machine = prefixes.build([COIN, HMM([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], np.eye(2))], 0)
    draws = sampling.draw(machine, 3, 40, np.random.default_rng(0), closings=(1, 3))
    start, rows, other = np.array(COIN.initial), np.array(COIN.transition), np.array([[0.25, 0.75], [0.5, 0.5]])
    first, second = draws.tokens.T
    np.testing.assert_allclose(draws.log_mass[:, 0], np.log(start[first]))
    np.testing.assert_allclose(draws.log_mass[:, 1], np.log(start[first] * rows[first, second]))
    np.testing.assert_allclose(draws.score[0], np.tile([start @ np.log(start), start @ np.log([0.5, 0.5])], (40, 1)))
    np.testing.assert_allclose(draws.score[1, :, 1], (rows * np.log(other)).sum(-1)[first])
    np.testing.assert_allclose(draws.score[2, :, 0], (rows * np.log(rows)).sum(-1)[second])
    ended = (rows * np.log(other * other[:, 0])).sum(-1)
    np.testing.assert_allclose(draws.closing[2, :, 1], ended[second])
    np.testing.assert_allclose(draws.closing[0, :, 1], start @ np.log(0.5 * other[:, 0]))
    assert np.isnan(draws.closing[1]).all()


def test_a_table_that_is_asked_for_again_is_the_same_and_the_oldest_goes(monkeypatch):
    machine = prefixes.build([HIDDEN], 0)
    tables, size = machine.following, machine.following[1].nbytes  # token 1 has both states, tokens 0 and 2 one
    assert tables[1] is tables[1]
    monkeypatch.setattr(prefixes, "CACHE", 2 * size)
    first, single = tables[1], tables[0]
    assert tables._bytes == first.nbytes + single.nbytes and single.nbytes == size // 2
    assert tables[1] is first
    tables[2]
    assert tables._bytes == 2 * size and len(tables._kept) == 3
    tables[3]  # the start: the least recent, that of token 0, goes
    assert tables[1] is first and tables[0] is not single
    np.testing.assert_allclose(tables[3][0, 0], [0.25, 0.375, 0.375])
    kept = prefixes.build([HIDDEN, COIN3], 1).keep(np.array([1]))
    np.testing.assert_allclose(kept.closing[3][0, 0], [0.5 * 0.75, 0.5 * 0.5, 0.0])


def test_scores_by_hand_in_blocks_of_rows(monkeypatch):
    """A token that the sampler forbids does not count; one that the law alone forbids costs infinity."""
    belief = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]])
    following = np.array([[[0.5, 0.5, 0.0], [0.25, 0.0, 0.75]], [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]])
    right = [
        [math.log(0.5), 0.5 * math.log(0.5) + 0.5 * math.log(0.25)],
        [0.25 * math.log(0.25) + 0.75 * math.log(0.75), 0.25 * math.log(0.5) + 0.75 * math.log(0.25)],
    ]
    np.testing.assert_allclose(prefixes.expected_log_scores(belief, following, following), right)
    monkeypatch.setattr(prefixes, "FLOPS", 1)
    many = np.tile(belief, (1, 70, 1))
    np.testing.assert_allclose(prefixes.expected_log_scores(many, following, following), np.tile(right, (70, 1)))
    closed = following.copy()
    closed[1, :, 1] = 0.0
    assert prefixes.expected_log_scores(belief, following, closed)[:, 1].tolist()[0] == -np.inf
    mass, law = prefixes.normalise(np.array([[0.25, 0.25], [0.0, 0.0]]))
    assert mass.tolist() == [0.5, 0.0] and law.tolist() == [[0.5, 0.5], [0.0, 0.0]]


def test_smallest_probabilities_and_last_tokens_by_hand():
    """Least positive start, row and emission entries: 1/2, 1/4, 1/4; after the start token comes 0 or 1."""
    machine = prefixes.build([HIDDEN], 0)
    np.testing.assert_allclose(_least_logs(machine, 2), math.log(0.5 * 0.25 * (0.25 * 0.25) ** 2))
    assert _reachable(machine, 3) == [[3], [0, 1, 2], [0, 1, 2]]
    stuck = HMM([1.0, 0.0], np.eye(2), np.eye(2))
    assert _reachable(prefixes.build([stuck], 0), 3) == [[2], [0], [0]]


def test_the_range_of_a_chain_is_that_of_its_rows():
    """Tokens show states, so position j scores one row: KL of the two rows, least and largest over last tokens."""
    other = HMM([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], np.eye(2))
    machine = prefixes.build([COIN, other], 0)
    rows, theirs = np.array(COIN.transition), np.array(other.transition)
    each = (rows * np.log(rows / theirs)).sum(-1)
    first = float((np.array(COIN.initial) * np.log(np.array(COIN.initial) / 0.5)).sum())
    low, high = score_range(machine, _kl_total, 3, 0)
    np.testing.assert_allclose([low[0], high[0]], [first + 2 * each.min(), first + 2 * each.max()])
    low, high = score_range(machine, _kl_total, 3, 2)
    np.testing.assert_allclose([low[0], high[0]], [each.min(), each.max()])


def test_children_are_counted_and_merged_by_hand():
    """Both tokens of COIN show their state: two children, however many nodes there are."""
    machine = prefixes.build([COIN], 0)
    level = [Nodes(0, np.ones(1), np.ones((1, 1, 1))), Nodes(1, np.ones(1), np.ones((1, 1, 1)))]
    assert count_children(machine, level, 5) == (2, 2.0)
    shared = prefixes.build([HMM([0.5, 0.5], [[0.5, 0.5]] * 2, [[0.5, 0.5], [0.25, 0.75]])], 0)
    assert count_children(shared, [root(shared)], 2) == (2, 8.0)  # two children, each of which has two
    merged = merge(1, np.array([0.25, 0.5, 0.25]), np.array([[[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]]))
    found = dict(zip(map(tuple, merged.belief[0].tolist()), merged.weight.tolist(), strict=True))
    assert found == {(0.0, 1.0): 0.5, (1.0, 0.0): 0.5} and merged.token == 1


def test_a_kernel_is_read_once_for_a_token_and_not_for_every_pair(monkeypatch):
    """40 states that emit all 12 tokens: of 500 states this was ten times the rest (docs/sizes.md). The law of the
    next state that is held gives the same children as a product for every pair of tokens."""
    rng = np.random.default_rng(0)
    laws = [HMM(*(rng.dirichlet(np.ones(n), size) for n, size in ((40, None), (40, 40), (12, 40)))) for _ in range(2)]
    machine, read = prefixes.build(laws), []

    class Counted:
        def __getitem__(self, token):
            read.append(token)
            return machine.rows[token]

    counted = machine._replace(rows=Counted())
    level = list(children(counted, [root(machine)]))
    held = list(children(counted, level))
    assert read == [12, *range(12)]
    assert [len(nodes.weight) for nodes in held] == [12] * 12
    read.clear()
    monkeypatch.setattr(expansion, "AHEAD", 0)
    monkeypatch.setattr(expansion, "LEVELS", 0)
    pairs = list(children(counted, level))
    assert len(read) == 12 * 12
    for nodes in zip(held, pairs, strict=True):
        one, other = (np.argsort(each.weight) for each in nodes)
        np.testing.assert_allclose(nodes[0].weight[one], nodes[1].weight[other], rtol=1e-13)
        np.testing.assert_allclose(nodes[0].belief[:, one], nodes[1].belief[:, other], rtol=1e-12)


def test_kl_and_rate_columns_by_hand():
    """score[j, n, l]: KL takes law 0 less the others at each j; the rate leaves the last out and has the closing."""
    score = np.arange(12.0).reshape(2, 2, 3) ** 2
    closing = np.array([[7.0, 11.0, 13.0], [17.0, 19.0, 23.0]])
    each = _kl_each(score, closing)
    assert each.tolist() == [[0 - 1, 0 - 4, 36 - 49, 36 - 64], [9 - 16, 9 - 25, 81 - 100, 81 - 121]]
    assert _kl_total(score, closing).tolist() == [[-14, -32], [-26, -56]]
    assert _ratio(score, closing).tolist() == [[4 - 1 + 13 - 11], [25 - 16 + 23 - 19]]
    assert _log_probabilities(score, closing).tolist() == [[1 + 11, 4 + 13], [16 + 19, 25 + 23]]


def test_chains_of_prompts_and_their_batch_means_by_hand():
    prompt = PromptLaw(hmm=COIN, start=[0.0, 1.0], length=2, delimiter=0)
    tokens = prompt_chains(prompt, 3, 2, np.random.default_rng(0))
    assert tokens.shape == (3, 6) and (tokens[:, [0, 3]] == 1).all() and (tokens[:, [2, 5]] == 0).all()
    fixed = HMM([1.0, 0.0], [[0.0, 1.0], [1.0, 0.0]], np.eye(2))  # says 0 1 0 1 …
    means = batch_means(stack([COIN, fixed], 0), np.array([[0, 1, 0, 1], [0, 1, 1, 1], [1, 0, 0, 1]]), 1)
    np.testing.assert_allclose(means[:, 0], np.log([0.5 * 0.125 * 0.5, 0.5 * 0.875**2, 0.125 * 0.5 * 0.5]))
    np.testing.assert_allclose(means[:, 1], [0.0, -np.inf, -np.inf])
    np.testing.assert_allclose(stack([COIN, fixed, COIN], 0).prior, 1 / 3)


def test_support_sets_are_followed_up_to_their_limit(monkeypatch):
    """HIDDEN read by a law that forbids: three tokens, and two sets of states after them (two tokens leave one)."""
    law = HMM([0.5, 0.5], np.eye(2), [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    start = np.array([[0.5, 0.5]])
    found = forbidden_mass(start, HIDDEN, law, 2)
    assert found.first.tolist() == [2]
    joint = np.array([0.5, 0.5])[:, None] * np.array(HIDDEN.emission)  # state, token
    ahead = joint.T @ np.array(HIDDEN.transition) @ np.array(HIDDEN.emission)
    right = ahead[0, 1:].sum() + ahead[1:, 0].sum()  # token 0 belongs to the law's state 0, the others to state 1
    np.testing.assert_allclose(found.mass, [[0.0, right]])
    monkeypatch.setattr(support_walk, "MAX_SETS", 2)
    forbidden_mass(start, HIDDEN, law, 2)
    monkeypatch.setattr(support_walk, "MAX_SETS", 1)
    with pytest.raises(ModelError, match="after 1 tokens"):
        forbidden_mass(start, HIDDEN, law, 2)
    assert dominates(start, HIDDEN, HIDDEN)
    for broken in (
        HMM([1.0, 0.0], HIDDEN.transition, HIDDEN.emission),
        HMM(HIDDEN.initial, np.eye(2), HIDDEN.emission),
        HMM(HIDDEN.initial, HIDDEN.transition, [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]),
    ):
        assert not dominates(start, HIDDEN, broken)
