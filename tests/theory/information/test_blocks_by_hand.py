"""Blocks of examples behind an unknown delimiter state: transfers, residuals and sizes against plain products."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from implicit_bayes.theory import HMM, PromptLaw
from implicit_bayes.theory.information import sampled_bracket as module
from implicit_bayes.theory.information.estimates import t_interval
from implicit_bayes.theory.information.sampled_bracket import BlockSampler, Residuals, _Transfers

SHOWN = np.eye(3)[[0, 1, 2, 2]]
"""Words a and b show their state, the delimiter 2 hides which of two states it is."""
BODY = [[0.5, 0.25, 0.125, 0.125], [0.25, 0.25, 0.375, 0.125]]
TRUE = HMM(np.full(4, 0.25), [*BODY, [0.75, 0.125, 0.125, 0.0], [0.25, 0.5, 0.0, 0.25]], SHOWN)
THETA = HMM(np.full(4, 0.25), [*BODY[::-1], [0.5, 0.25, 0.125, 0.125], [0.25, 0.25, 0.25, 0.25]], SHOWN)
PROMPT = PromptLaw(TRUE, [0.75, 0.25, 0.0, 0.0], 2, 2)


def sampler(*laws, prompt=PROMPT):
    return BlockSampler(prompt, laws or (THETA,), 0)


def test_laws_right_after_a_delimiter_of_even_odds():
    true, theta = sampler().restarted()
    assert true.initial.tolist() == [0.5, 0.3125, 0.0625, 0.125]
    assert theta.initial.tolist() == [0.375, 0.25, 0.1875, 0.1875]
    assert np.array_equal(theta.transition, THETA.transition) and np.array_equal(true.emission, SHOWN)


def test_transfers_of_examples_by_hand(monkeypatch):
    """a b: from d to a, on to b, and from b to one of the two; whatever d was, that is (3/4, 1/4) under theta*."""
    tokens = np.array([[0, 1], [1, 1], [0, 1]])
    found = sampler()._read(tokens)
    for law, kernel in enumerate((TRUE, THETA)):
        rows = np.asarray(kernel.transition)
        for n, (o, p) in enumerate(tokens):
            out = rows[p, 2:]
            for d in (0, 1):
                np.testing.assert_allclose(found.kernel[n, law, d], out / out.sum())
                assert found.mass[n, law, d] == pytest.approx(math.log(rows[2 + d, o] * rows[o, p] * out.sum()))
    monkeypatch.setattr(module, "CHUNK_NUMBERS", 1)
    one_by_one = sampler()._read(tokens)
    np.testing.assert_array_equal(one_by_one.mass, found.mass)
    np.testing.assert_array_equal(one_by_one.kernel, found.kernel)


def hidden(seed, zeros):
    rng = np.random.default_rng(seed)
    emission = np.array([[0.75, 0.25, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    laws = []
    for _ in range(2):
        kernel = rng.dirichlet(np.ones(4), 4)
        if zeros:
            kernel[2, 0] = 0.0  # from the first delimiter state only the second word state, which writes both words
            kernel /= kernel.sum(-1, keepdims=True)
        laws.append(HMM(np.full(4, 0.25), kernel, emission))
    return laws


def plain(law, begin, examples, delimiter=2):
    """log p(O_1, delim, ..., O_n, delim | begin) by products of matrices, and the law of the last state."""
    ahead, total = np.asarray(begin), 0.0
    for token in itertools.chain.from_iterable((*example, delimiter) for example in examples):
        ahead = (ahead @ np.asarray(law.transition)) * np.asarray(law.emission)[:, token]
        if ahead.sum() == 0:
            return -math.inf
        total, ahead = total + math.log(ahead.sum()), ahead / ahead.sum()
    return total


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("forgotten", [0, 1, 2])
def test_residuals_are_those_of_plain_products(forgotten, zeros):
    """min and max over the states under which what is forgotten is possible, less what even odds give each example."""
    true, theta = hidden(forgotten, zeros)
    prompt = PromptLaw(true, [0.75, 0.25, 0.0, 0.0], 2, 2)
    counted = 2 * max(forgotten, 1)
    tokens = np.array([[0, 1], [1, 1], [0, 0], [1, 0], [0, 1], [0, 0], [1, 1], [1, 0], [0, 0], [0, 1], [1, 0], [0, 1],
                       [1, 1]])  # fmt: skip
    blocks = sampler(theta, prompt=prompt)
    found = blocks._residuals(blocks._read(tokens), forgotten)
    length = forgotten + counted
    assert found.counted == counted and found.low.shape == (13 // length, 1)
    points = np.eye(4)[2:]
    for b in range(13 // length):
        block = tokens[b * length : (b + 1) * length].tolist()
        ends = []
        for law in (true, theta):
            even = sum(plain(law, points.mean(0), [example]) for example in block[forgotten:])
            past = [plain(law, d, block[:forgotten]) for d in points]
            each = [plain(law, d, block) - p for d, p in zip(points, past, strict=True) if p > -math.inf]
            ends.append((min(each) - even, max(each) - even))
        np.testing.assert_allclose(found.low[b], (ends[1][0] - ends[0][1]) / counted, atol=1e-12)
        np.testing.assert_allclose(found.high[b], (ends[1][1] - ends[0][0]) / counted, atol=1e-12)


def test_a_state_that_forbids_what_is_counted_leaves_the_lower_end_open():
    """From the first delimiter state no word can follow but b: an example a a makes the lower end infinite, m = 0."""
    kernel = np.array(THETA.transition)
    kernel[2] = [0.0, 0.75, 0.125, 0.125]
    blocks = sampler(HMM(THETA.initial, kernel, SHOWN))
    found = blocks._residuals(blocks._read(np.array([[0, 0], [0, 0]])), 0)
    assert found.low.tolist() == [[-math.inf]] and np.isfinite(found.high).all()
    assert blocks.spread()[0] == math.inf
    assert blocks.estimate(0.95, 0.1, np.zeros(1)) is None


def test_an_interval_covers_both_ends_and_what_no_block_met(monkeypatch):
    """Half of each error is the mean's, half the rare examples': log(4 / .1) / (8 * 5) of a spread of 2."""
    low, high = np.arange(8.0)[:, None], np.arange(8.0)[:, None] * 1.5
    blocks = sampler()
    monkeypatch.setattr(blocks, "spread", lambda: np.array([2.0]))
    monkeypatch.setattr(blocks, "_pilot", lambda accuracy, offset: (3, 40) if (accuracy, *offset) == (0.5, 7) else 0)
    monkeypatch.setattr(
        blocks, "blocks", lambda examples, m: Residuals(low, high, 5) if (examples, m) == (40, 3) else 0
    )
    found = blocks.estimate(0.9, 0.5, np.array([7.0]))
    rare, t = 2.0 * math.log(40) / 40, stats.t.ppf(0.975, 7)
    half = t * low.std(ddof=1) / math.sqrt(8)
    assert found.low[0] == pytest.approx(3.5 - half - rare)
    assert found.high[0] == pytest.approx(5.25 + 1.5 * half + rare)
    assert (found.middle[0], found.width[0], found.blocks) == (pytest.approx(4.375), pytest.approx(1.75), 8)
    assert t_interval(low, 0.95)[1][0] == pytest.approx(3.5 - half)


def piloted(monkeypatch, widths, accuracy, offset):
    """The pilot's choice where the width of the bracket at every m is told; means of the lower end are 0."""
    blocks, asked = sampler(), []

    def draw(count):
        asked.append(count)
        return _Transfers(np.zeros((count, 1)), np.zeros((count, 1)))

    def residuals(pool, forgotten):
        assert len(pool.mass) >= 24 * forgotten
        low = np.tile([[-1.0], [1.0]], (4, 1))
        return Residuals(low, low + widths(forgotten) * np.tile([[0.0], [2.0]], (4, 1)), 2 * forgotten)

    monkeypatch.setattr(blocks, "_draw", draw)
    monkeypatch.setattr(blocks, "_residuals", residuals)
    return blocks._pilot(accuracy, np.array([offset])), asked


def test_how_much_is_forgotten_and_drawn(monkeypatch):
    """Standard deviation sqrt(8/7): a tenth of 2 sqrt(8/7) / sqrt(98304 / 3m) is .001181 sqrt(m)."""
    told = {1: 0.0012, 2: 0.00168, 4: 0.00235}.__getitem__
    wanted = (2 * math.sqrt(8 / 7) / 0.05) ** 2 * 12
    found, asked = piloted(monkeypatch, told, 0.1, 0.5 - 0.001175)
    assert found[0] == 4 and found[1] == pytest.approx(wanted, abs=1) and asked == [768]
    assert piloted(monkeypatch, told, 0.1, -0.5 - 0.001175)[0] == found
    assert piloted(monkeypatch, lambda m: 0.0, 10.0, 1.0)[0] == (1, 1536)
    assert piloted(monkeypatch, lambda m: 0.0, 1e-9, 1.0)[0] == (1, 98304)
    assert piloted(monkeypatch, lambda m: 0.00117, 0.1, 0.5)[0][0] == 1
    assert piloted(monkeypatch, lambda m: 0.0, 0.1, 0.0)[0] == (1, 98304)  # relative to 0 nothing is accurate enough


def test_a_bracket_that_stays_wide_is_given_up(monkeypatch):
    """m doubles until twice 32 blocks of 3 m examples are more than 98,304; the pool grows with it."""
    found, asked = piloted(monkeypatch, lambda m: 1.0, 10.0, 1.0)
    assert found == (1024, 98304)
    assert asked == [768, 768, 1536, 3072, 6144, 12288]


def test_what_is_infinite_asks_for_nothing(monkeypatch):
    blocks = sampler()
    low = np.array([[-math.inf], [0.0]] * 4)
    monkeypatch.setattr(blocks, "_draw", lambda count: _Transfers(np.zeros((count, 1)), np.zeros((count, 1))))
    monkeypatch.setattr(blocks, "_residuals", lambda pool, m: Residuals(low, low, 2))
    with np.errstate(invalid="ignore"):
        assert blocks._pilot(0.1, np.zeros(1)) == (1024, 98304)


def test_blocks_are_drawn_so_many_at_a_time(monkeypatch):
    """Two laws with two delimiter states: 8 numbers an example; 80 are 10 examples, or three blocks of three."""
    blocks, asked = sampler(), []
    draw = blocks._draw
    monkeypatch.setattr(module, "CHUNK_NUMBERS", 80)
    monkeypatch.setattr(blocks, "_draw", lambda count: asked.append(count) or draw(count))
    for examples, m, counts in ((20, 1, [9, 9]), (23, 0, [9, 9, 3]), (8, 1, [6]), (12, 2, [6, 6]), (25, 4, [12, 12])):
        asked.clear()
        found = blocks.blocks(examples, m)
        assert asked == counts
        length = m + 2 * max(m, 1)
        assert (len(found.low), found.counted) == (sum(count // length for count in counts), 2 * max(m, 1))
        assert found.low.shape == found.high.shape and (found.low <= found.high).all()


def test_more_laws_are_more_numbers(monkeypatch):
    """Three laws with two delimiter states: 12 numbers an example; 120 are 10 examples, of which 9 are whole blocks."""
    blocks, asked = sampler(THETA, TRUE), []
    draw = blocks._draw
    monkeypatch.setattr(module, "CHUNK_NUMBERS", 120)
    monkeypatch.setattr(blocks, "_draw", lambda count: asked.append(count) or draw(count))
    found = blocks.blocks(18, 1)
    assert asked == [9, 9] and found.low.shape == (6, 2)
    np.testing.assert_allclose(found.low[:, 1], -found.high[:, 1], atol=1e-12)  # theta* against itself


def test_only_own_delimiter_states_begin_a_block():
    """Under the second law only the first of the two states writes the delimiter: its even odds are that one."""
    alone = HMM(THETA.initial, THETA.transition, np.eye(3)[[0, 1, 2, 1]])
    blocks = sampler(alone)
    assert blocks.fixed.tolist() == [[0.5, 0.5], [1.0, 0.0]] and blocks.own.tolist() == [[1.0, 1.0], [1.0, 0.0]]
    rows = np.asarray(TRUE.transition)[2:]
    ratio = np.log(np.where(rows > 0, rows, 1.0)) - np.log(rows.mean(0))
    assert blocks.spread().tolist() == [math.inf]  # theta* never goes from one delimiter state to the other
    assert (rows == 0).any() and np.isfinite(ratio).all()
    assert blocks.restarted()[1].initial.tolist() == np.asarray(THETA.transition)[2].tolist()
    found = blocks._residuals(blocks._read(np.array([[0, 0], [0, 1]])), 0)
    assert np.isfinite(found.low).all() and np.isfinite(found.high).all()
