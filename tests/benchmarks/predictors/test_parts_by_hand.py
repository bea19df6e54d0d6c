"""Parts of curves, of paired excess and of prompt-aware Bayes by hand: draws, batches, cells, bins, positions."""

import math
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from gap_cases import Told

from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.predictors import curves, paired
from implicit_bayes.benchmarks.predictors.curves import (
    Answers,
    Predictor,
    References,
    _batches,
    _dataset,
    _parts,
    ask,
    held_at_once,
    in_context_curves,
    references,
    split_examples,
)
from implicit_bayes.benchmarks.predictors.paired import Held, excess, hold_out, log_bayes, log_scores
from implicit_bayes.benchmarks.predictors.prompt_aware import prompt_aware
from implicit_bayes.simulators.datasets import Prompts
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.sampler import sample_documents, sample_prompts
from implicit_bayes.theory import MixtureOfHMMs, filter_mixture

INF = math.inf


def instance(seed=0, prior=(0.5, 0.2, 0.3)) -> Instance:
    """Three concepts on two states that emit four tokens, with two start laws of each; nothing is impossible."""
    rng = np.random.default_rng(seed)
    mixture = MixtureOfHMMs(
        np.array(prior), rng.dirichlet(np.ones(2), 3), rng.dirichlet(np.ones(2), (3, 2)),
        rng.dirichlet(np.ones(4), 2), 0,
    )  # fmt: skip
    return Instance("three", mixture, rng.dirichlet(np.ones(2), (3, 2)), (0, 1, 2), None, None, "a test instance")


def key_of(seed, *folds):
    key = jax.random.key(seed)
    for each in folds:
        key = jax.random.fold_in(key, each)
    return key


@pytest.fixture
def draws(monkeypatch):
    """What is drawn: (key, prompts, k, n) of each call; the rows of a draw are its number and the row's."""
    seen = []

    def draw(mixture, starts, key, prompts, k, n, true_concepts):
        seen.append((jax.random.key_data(key).tolist(), prompts, k, n))
        rows = np.arange(prompts)
        return Prompts(np.stack([np.full(prompts, len(seen)), rows], 1), rows, rows + 1)

    monkeypatch.setattr(curves, "sample_prompts", draw)
    return seen


@pytest.mark.parametrize(
    ("together", "singly", "sizes"),
    [(2 * 6300, False, [200, 50]), (2 * 6300 - 1, False, [100, 100, 50]), (3 * 6300, False, [250]),
     (9 * 6300, False, [250]), (1, False, [100, 100, 50]), (9 * 6300, True, [100, 100, 50])],
)  # fmt: skip
def test_whole_draws_of_a_hundred_are_put_together(draws, monkeypatch, together, singly, sizes):
    """100 prompts x (2 + 1) examples x 3 concepts x 7 tokens are 6300 numbers; the key is folded with k, then with the
    first prompt's number."""
    monkeypatch.setattr(curves, "TOGETHER", together)
    mixture = SimpleNamespace(n_concepts=3, n_tokens=7)
    asked = SimpleNamespace(mixture=mixture, prompt_starts=None, true_concepts=None)
    batches = list(_batches(asked, 5, 2, 250, 8, singly))
    assert [len(batch.tokens) for batch in batches] == sizes
    assert draws == [(jax.random.key_data(key_of(8, 5, begin)).tolist(), 100, 5, 2) for begin in (0, 100, 200)]
    tokens, concepts, starts = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert tokens.tolist() == [[1 + i // 100, i % 100] for i in range(250)]
    assert concepts.tolist() == [i % 100 for i in range(250)] and (starts == concepts + 1).all()


def test_sizes_of_what_is_worked_on_together(draws):
    """2^22 numbers of a batch: 41943 examples of one concept and one token in a draw, or half as many in two."""
    for n, sizes in ((20970, [200]), (20971, [100, 100]), (41942, [100, 100])):
        asked = SimpleNamespace(mixture=SimpleNamespace(n_concepts=1, n_tokens=1), prompt_starts=0, true_concepts=0)
        assert [len(batch.tokens) for batch in _batches(asked, 2, n, 200, 0, False)] == sizes
    for tokens, states, expected in ((7, 5, 2**26 // 210), (5, 9, 2**26 // 270), (2**24, 1, 1), (2**21, 1, 1)):
        mixture = SimpleNamespace(n_tokens=tokens, n_states=states, n_concepts=3)
        assert held_at_once(mixture, 4) == expected
    assert held_at_once(SimpleNamespace(n_tokens=2**20, n_states=1, n_concepts=1), 3) == 8
    assert curves.DEFAULT_KS == (3, 5, 8, 10)


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(7, 3, [3, 3, 1]), (9, 4, [3, 3, 3]), (8, 4, [4, 4]), (5, 9, [5]), (3, 1, [1] * 3), (5, 4, [3, 2])],
)
def test_a_batch_in_equal_parts(count, most, sizes):
    rows = np.arange(count)
    parts = list(_parts(Prompts(rows[:, None], rows, rows + 1), most))
    assert [len(part.concepts) for part in parts] == sizes
    assert np.concatenate([part.concepts for part in parts]).tolist() == rows.tolist()
    assert np.concatenate([part.tokens for part in parts])[:, 0].tolist() == rows.tolist()


def test_cells_by_hand():
    """Of ten prompts none, one, four and all are defined: no share, 1/1, 1/4, 7/10."""
    predictors = [Predictor("exact", None), Predictor("smoothed", 0.25)]
    correct, undefined = np.array([[[0, 1]], [[1, 7]]]), np.array([[[10, 9]], [[6, 0]]])
    found = _dataset(predictors, [3], [0, 5], 10, correct, undefined)
    assert found.predictor.values.tolist() == ["exact", "smoothed(0.25)"]
    np.testing.assert_array_equal(found.epsilon, [np.nan, 0.25])
    assert (found.k.values.tolist(), found.n.values.tolist()) == ([3], [0, 5])
    np.testing.assert_allclose(found.accuracy[:, 0], [[np.nan, 1.0], [0.25, 0.7]])
    np.testing.assert_allclose(found.standard_error[:, 0], [[np.nan, 0.0], [math.sqrt(0.1875 / 4), math.sqrt(0.021)]])
    low, high = wilson(np.array([[0, 1], [1, 7]]), np.array([[0, 1], [4, 10]]))
    for mine, other in ((found.accuracy_low, low), (found.accuracy_high, high)):
        np.testing.assert_allclose(mine[:, 0], np.where([[False, True], [True, True]], other, np.nan))
    np.testing.assert_allclose(found.undefined_share[:, 0], [[1.0, 0.9], [0.6, 0.0]])
    assert (found.prompts == 10).all() and (found.correct == correct).all() and (found.undefined == undefined).all()


def test_a_model_is_asked_after_the_tokens_of_each_n():
    """k = 2: prefixes of 1, 4 and 7 tokens. A law with a zero is an answer."""
    table = np.full((9, 2), 0.5)
    table[1], table[4], table[7] = (0.25, 0.75), (1.0, 0.0), (0.125, 0.875)
    found = ask(Told(table), np.zeros((4, 8), np.int32), 2, (2, 0, 1))
    assert found.law_PxNxV.shape == (4, 3, 2) and found.law_PxNxV.dtype == np.float64
    np.testing.assert_allclose(found.law_PxNxV[3], [table[7], table[1], table[4]])
    assert found.defined_PxN.tolist() == [[True] * 3] * 4


def test_silence_of_a_model_is_counted(monkeypatch):
    """A model that gives no law at n = 1 to every third prompt, and the right token elsewhere: 13 of 20 are right."""
    three = instance()
    truths = []
    answers = References.answers

    def spied(self, batch, k, ns):
        truth, found = answers(self, batch, k, ns)
        truths.append(truth)
        return truth, found

    def said(model, tokens, k, ns):
        law = truths[-1].copy()
        silent = np.zeros(law.shape[:2], bool)
        silent[::3, 1] = True
        return Answers(law, ~silent)

    monkeypatch.setattr(References, "answers", spied)
    monkeypatch.setattr(curves, "ask", said)
    advanced = []
    found = in_context_curves(
        three, [2, 3], [0, 1], prompts=20, seed=1, models=[Told([[1.0]])], exact=False, advance=advanced.append
    )
    assert found.correct.values.tolist() == [[[20, 13], [20, 13]]] and advanced == [20, 20]
    assert found.undefined.values.tolist() == [[[0, 7], [0, 7]]]
    assert (found.accuracy == 1.0).all()


def test_references_at_n_in_any_order():
    """Each predictor at each n is that of its own mixture; labels and laws in the order asked."""
    three, k = instance(1), 3
    names = references([0.5, 0.125])
    assert [(each.name, each.epsilon, each.label) for each in names] == [
        ("exact", None, "exact"), ("smoothed", 0.5, "smoothed(0.5)"), ("smoothed", 0.125, "smoothed(0.125)"),
        ("prompt-aware", None, "prompt-aware"),
    ]  # fmt: skip
    batch = sample_prompts(three.mixture, three.prompt_starts, key_of(2), 6, k, 2, true_concepts=three.true_concepts)
    truth, found = References(three, names).answers(batch, k, (2, 0, 1))
    assert len(found) == 4 and truth.shape == (6, 3, 4)
    mixtures = three.mixture, three.mixture.smooth(0.5), three.mixture.smooth(0.125)
    for p, row in enumerate(batch.tokens):
        c, s = int(batch.concepts[p]), int(batch.starts[p])
        true = three.mixture.concept(c)
        alone = MixtureOfHMMs([1.0], three.prompt_starts[c, s][None], true.transition[None], true.emission, 0)
        for at, n in enumerate((2, 0, 1)):
            for mixture, answer in zip(mixtures, found, strict=False):
                law = np.asarray(filter_mixture(mixture, row[: 4 * n + 2]).predictive)[-1]
                np.testing.assert_allclose(answer.law_PxNxV[p, at], law, atol=1e-12)
            law = np.asarray(filter_mixture(alone, row[4 * n : 4 * n + 2]).predictive)[-1]
            np.testing.assert_allclose(truth[p, at], law, atol=1e-12)


def test_the_posterior_that_knows_the_prompts_law():
    """log prior + log evidence of two whole examples and the start of a third, normalised."""
    three = instance(4)
    example = np.array([[[1, 2, 3], [3, 3, 0], [2, 1, 1]], [[0, 1, 2], [1, 1, 3], [3, 0, 2]]])
    starts, index = np.array([[0.25, 0.75], [1.0, 0.0]]), np.array([1, 0])
    found = prompt_aware(three.mixture, example, starts, index, np.array([2, 0]), ns=(2, 0, 1))
    emission = np.asarray(three.mixture.emission)

    def chances(c, s, tokens):
        state, out = starts[s], []
        for token in tokens:
            out.append(state @ emission[:, token])
            state = (state * emission[:, token]) @ three.mixture.transition[c] / out[-1]
        return np.array(out), state @ emission

    for p in (0, 1):
        for at, n in enumerate((2, 0, 1)):
            logs, laws = [], []
            for c in range(3):
                whole = sum(np.log(chances(c, index[p], each)[0]).sum() for each in example[p, :n])
                begun, law = chances(c, index[p], example[p, n, :2])
                logs.append(np.log(three.mixture.prior[c]) + whole + np.log(begun).sum())
                laws.append(law)
            posterior = np.exp(logs) / np.exp(logs).sum()
            np.testing.assert_allclose(np.exp(found.log_posterior_PxNxC[p, at]), posterior, atol=1e-12)
            np.testing.assert_allclose(found.predictive_PxNxV[p, at], posterior @ np.array(laws), atol=1e-12)
            np.testing.assert_allclose(found.truth_PxNxV[p, at], laws[(2, 0)[p]], atol=1e-12)
            assert found.label_PxN[p, at] == np.argmax(laws[(2, 0)[p]])
    assert found.defined_PxN.all()


def test_examples_of_two_prompts_are_split():
    tokens = np.arange(10)[None] + np.array([[0], [20]])
    assert split_examples(tokens[:, :8], 2).tolist() == [[[0, 1], [3, 4], [6, 7]], [[20, 21], [23, 24], [26, 27]]]
    assert split_examples(tokens[:, :5], 5).tolist() == [[[0, 1, 2, 3, 4]], [[20, 21, 22, 23, 24]]]


def test_held_out_documents_lie_off_every_stream():
    three = instance()
    found = hold_out(three.mixture, 3, 5, 9)
    drawn = sample_documents(three.mixture, key_of(9, 2**31, 2**31), 3, 5).tokens
    assert found.tokens_BxT.tolist() == drawn.tolist()
    np.testing.assert_allclose(found.log_bayes_BxT, log_bayes(three.mixture, drawn))


def test_documents_are_filtered_sixteen_at_a_time(monkeypatch):
    """35 documents of a coin with a forbidden side: log of each token's chance, -inf once it is impossible."""
    seen = []

    def watched(mixture, tokens, tables):
        seen.append(len(tokens))
        return filter_mixture(mixture, tokens)

    monkeypatch.setattr(paired, "filter_mixture", watched)
    coin = MixtureOfHMMs([1.0], [[0.25, 0.75, 0.0]], [[[0.25, 0.75, 0.0]] * 3], np.eye(3), 0)
    tokens = np.random.default_rng(0).integers(0, 2, (35, 4))
    tokens[34, 1] = 2
    found = log_bayes(coin, tokens)
    expected = np.log(np.where(tokens == 0, 0.25, 0.75))
    expected[34, 1:] = -INF
    np.testing.assert_allclose(found, expected)
    assert seen == [16, 16, 3]


def test_scores_of_a_model_are_those_of_the_tokens_that_came():
    table = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.1, 0.2, 0.7], [1.0, 0.0, 0.0]])
    found = log_scores(Told(table), np.array([[0, 1, 2], [2, 0, 0]]))
    np.testing.assert_allclose(np.exp(found), [[0.5, 0.75, 0.7], [0.25, 0.125, 0.1]])
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("length", "first"),
    [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2]), (5, [0, 1, 2, 4]), (9, [0, 1, 2, 4, 8])]
)  # fmt: skip
def test_excess_by_position(monkeypatch, length, first):
    """Three documents, then two, then one: means and their errors of each bin, and of all tokens."""
    gap = np.random.default_rng(length).normal(size=(3, length)) + 0.5
    monkeypatch.setattr(paired, "log_scores", lambda model, tokens: -gap[: len(tokens)])
    for count in (3, 2, 1):
        found = excess(None, Held(np.zeros((count, length), int), np.zeros((count, length))))
        assert (found.tokens, found.documents, found.position_P.tolist()) == (count * length, count, first)
        ends = [*first[1:], length]
        for b, (begin, end) in enumerate(zip(first, ends, strict=True)):
            means = gap[:count, begin:end].sum(1) / (end - begin)
            assert found.nats_P[b] == pytest.approx(means.sum() / count)
            if count == 1:
                assert found.standard_error_P[b] == found.standard_error == INF
            else:
                variance = ((means - means.sum() / count) ** 2).sum() / (count - 1)
                assert found.standard_error_P[b] == pytest.approx(math.sqrt(variance / count))
        assert found.nats == pytest.approx(gap[:count].sum() / count / length)
        if count == 2:
            assert found.standard_error == pytest.approx(abs(gap[0].sum() - gap[1].sum()) / length / 2)
