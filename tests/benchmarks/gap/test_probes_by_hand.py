"""Belief probes and scaling laws by hand: what is fitted on what, controls, resamples, weights, ends of boxes."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import optimize

from implicit_bayes.benchmarks.gap import probes, scaling_laws
from implicit_bayes.benchmarks.gap.probes import (
    Beliefs,
    Errors,
    _errors,
    _predict,
    _r2,
    _shuffle,
    activations,
    exact_beliefs,
    read_off,
    summarise,
)
from implicit_bayes.benchmarks.gap.scaling_laws import LAWS, ScalingLaw, _bayes_starts, fit_laws
from implicit_bayes.theory import MixtureOfHMMs, ModelError


@pytest.mark.parametrize(("documents", "train"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 4)])
def test_two_thirds_are_fitted_on_and_posteriors_end_ten_nats_below(documents, train):
    """Two coins, .5 and 2^-8 of tails: after a tail and then two the second is at -5.5 and -11.1 nats."""
    coins = np.array([[0.5, 0.5], [1 - 2**-8, 2**-8]])
    mixture = MixtureOfHMMs([0.5, 0.5], coins, np.repeat(coins[:, None], 2, 1), np.eye(2), 0)
    tokens = np.ones((documents, 2), np.int32)
    found = exact_beliefs(mixture, tokens)
    assert found.train_B.tolist() == [True] * train + [False] * (documents - train)
    log_odds = 7 * math.log(2)
    np.testing.assert_allclose(found.log_posterior_BxTxC[-1, 0, 1], -math.log1p(math.exp(log_odds)), rtol=1e-6)
    log_odds *= 2
    np.testing.assert_allclose(
        found.log_posterior_BxTxC[-1, 1], [-math.log1p(math.exp(-log_odds)), -9.704121], rtol=1e-4
    )
    more = exact_beliefs(mixture, np.ones((documents, 3), np.int32))
    assert more.log_posterior_BxTxC[0, 2, 1] == -10.0
    np.testing.assert_allclose(found.state_BxTxH[0, 0], [0.0, 1.0], atol=1e-12)


def shown(layers):
    return SimpleNamespace(name="shown", activations=lambda tokens: layers)


def test_activations_of_another_shape_are_refused_with_the_layer():
    tokens, good = np.zeros((2, 3), int), np.ones((2, 3, 4))
    assert [layer.shape for layer in activations(shown([good, good[..., :1]]), tokens)] == [(2, 3, 4), (2, 3, 1)]
    bad = good.copy()
    bad[1, 2, 3] = np.nan
    for layers, words in (
        ([], "model: shown shows no layer; let activations return one array at least"),
        ([good, np.ones((2, 3))], "activations of shape (2, 3) in layer 2; return (2, 3, D), one row for each token"),
        ([np.ones((2, 4, 4))], "activations of shape (2, 4, 4) in layer 1; return (2, 3, D), one row for each token"),
        ([np.ones((3, 3, 4))], "activations of shape (3, 3, 4) in layer 1; return (2, 3, D), one row for each token"),
        ([np.ones((2, 3, 4, 1))], "of shape (2, 3, 4, 1) in layer 1"),
        ([good, bad, good], "shows activations in layer 2 that are not finite"),
    ):
        with pytest.raises(ModelError) as refused:
            activations(shown(layers), tokens)
        assert words in str(refused.value)


def test_shuffled_documents_stay_on_their_side():
    train = np.array([True, True, False, True, False, False, True])
    for seed in range(20):
        moved = _shuffle(train, np.random.default_rng(seed))
        assert sorted(moved) == list(range(7)) and (moved != np.arange(7)).all()
        assert (train[moved] == train).all()
    assert _shuffle(np.array([True, True, False, False]), np.random.default_rng(0)).tolist() == [1, 0, 3, 2]


def test_errors_are_summed_over_tokens_and_components(monkeypatch):
    """Four documents of two tokens, two components; the first two are fitted on and have mean (2, 0)."""
    target = np.zeros((4, 2, 2))
    target[:2, :, 0] = [[1.0, 3.0], [1.0, 3.0]]
    target[2], target[3] = [[2.0, 1.0], [4.0, 0.0]], [[2.0, 0.0], [2.0, 5.0]]
    said = np.stack([np.zeros((2, 2)), np.full((2, 2), 2.0)])
    seen = []
    monkeypatch.setattr(probes, "read_off", lambda *given: seen.append(given) or said)
    train = np.array([True, True, False, False])
    found = _errors("features", (target, target[:, ::-1]), train)
    assert [each[0] for each in seen] == ["features"] * 2 and (seen[1][1] == target[:, ::-1]).all()
    assert found[0].probe_B.tolist() == [4.0 + 1 + 16, 0.0 + 4 + 0 + 9]
    assert found[0].mean_B.tolist() == [0.0 + 1 + 4 + 0, 25.0]
    assert found[1].mean_B.tolist() == [5.0, 25.0]


@pytest.mark.parametrize(
    ("train", "fit", "judged"),
    [(1, [0], [0]), (2, [0], [1]), (3, [0, 1], [2]), (4, [0, 1, 2], [3]), (5, [0, 1, 2], [3, 4])],
)
def test_which_documents_choose_the_penalty(monkeypatch, train, fit, judged):
    """Whichever penalty is best by squares is used on all: errors of 3 are worse than one of 1 and one of 4."""
    for best in range(5):
        asked = []

        def predict(features, target, fit, judged, penalty, asked=asked, best=best):
            asked.append((fit.tolist(), judged.tolist(), penalty))
            return target[judged] + ([3.0, 3.0] if penalty != (1.0, 1e2, 1e3, 1e4, 1e5)[best] else [1.0, -4.0])

        monkeypatch.setattr(probes, "_predict", predict)
        target = np.zeros((6, 1, 2))
        found = read_off(target.astype(np.float32), target, np.arange(6) < train)
        assert found.shape == (6 - train, 1, 2)
        assert asked[:-1] == [(fit, judged, penalty) for penalty in (1.0, 100.0, 1000.0, 10_000.0, 100_000.0)]
        assert asked[-1] == (list(range(train)), list(range(train, 6)), 10.0 ** [0, 2, 3, 4, 5][best])


def test_ridge_regression_of_standardised_features():
    """One feature of mean 2 and deviation 1 (its rows -1, 1 after that), targets 0 and 6: slope 6 / (2 + penalty)."""
    features = np.array([[[1.0]], [[3.0]], [[5.0]], [[2.0]]])
    target = np.array([[[0.0, 1.0]], [[6.0, 1.0]], [[9.0, 9.0]], [[9.0, 9.0]]])
    found = _predict(features, target, np.array([0, 1]), np.array([2, 3]), 4.0)
    np.testing.assert_allclose(found, [[[3 + 3 * 1.0, 1.0]], [[3.0, 1.0]]])
    two = _predict(np.tile(features, (1, 2, 1)), np.tile(target, (1, 2, 1)), np.array([0, 1]), np.array([3, 2, 0]), 8.0)
    np.testing.assert_allclose(two[:, 1, 0], [3.0, 6.0, 2.0])


def test_estimates_are_quantiles_over_resamples():
    """Three documents; of 1000 resamples resample i has (i, i, i) of them where i is 0, 1 or 2, in turn."""
    asked = []

    def integers(most, size):
        asked.append((most, size))
        return np.repeat(np.arange(size[0])[:, None] % 3, size[1], 1)

    errors = [Errors(np.array(wrong), np.array([4.0, 8.0, 0.5]))
              for wrong in ([1.0, 2.0, 0.25], [2.0, 8.0, 0.5], [3.0, 4.0, 0.25])]  # fmt: skip
    found = summarise("belief", 2, [errors[0], None, *errors[1:]], SimpleNamespace(integers=integers))
    assert asked == [(3, (1000, 3))] and (found.target, found.layer) == ("belief", 2)
    assert found.r2 == pytest.approx((1 - 3.25 / 12.5, 0.5, 0.75))
    assert found.last_token == pytest.approx((1 - 10.5 / 12.5, 0.0, 0.5))
    assert found.shuffled == pytest.approx((1 - 7.25 / 12.5, 0.25, 0.5))
    assert all(math.isnan(each) for each in found.untrained)
    assert found.margin == pytest.approx(((7.25 - 3.25) / 12.5, 0.0, 0.25))
    fresh = summarise("belief", 1, [errors[1], errors[0], *errors[1:]], SimpleNamespace(integers=integers))
    assert fresh.untrained == pytest.approx(found.r2) and fresh.margin.value == pytest.approx((3.25 - 10.5) / 12.5)


def test_quantiles_of_resamples_are_two_and_a_half_percent(monkeypatch):
    """R2 of resample i is i / 1000, so the quantiles can be read."""
    wrong, off = np.ones(1001), np.ones(1001)
    wrong -= np.arange(1001) / 1000
    rows = SimpleNamespace(integers=lambda most, size: np.arange(size[0])[:, None].repeat(1001, 1))
    errors = Errors(wrong, off)
    found = summarise("t", 1, [errors, Errors(off, off), Errors(off, off), Errors(off, off)], rows)
    assert (found.r2.low, found.r2.high) == pytest.approx((0.999 * 0.025, 0.999 * 0.975))
    assert found.margin == pytest.approx(found.r2)


def test_what_does_not_vary_is_not_explained():
    found = _r2(np.array([1.0, 2.0, 0.25, 5.0]), np.array([4.0, 0.0, 0.5, 2.5]))
    np.testing.assert_allclose(found, [0.75, 0.0, 0.5, -1.0])


class Shows:
    """A model with two layers, which can be had untrained."""

    name, asked = "shows", None

    def __init__(self, value=0.0):
        self.value = value

    def activations(self, tokens_BxT):
        return [np.full((*tokens_BxT.shape, 1), self.value + layer) for layer in (1.0, 2.0)]

    def log_probabilities(self, tokens_BxT):
        raise AssertionError

    def untrained(self, seed):
        return Shows(seed)


class Trained(Shows):
    """The same, which cannot."""

    untrained = None


def test_every_layer_meets_its_own_controls(monkeypatch):
    """Features are told by their value: layers are 1 and 2, untrained ones those and the seed; the last token has a
    column for each token that came. Shuffled targets are those of a generator of (seed, 8)."""
    train = np.array([True, True, False, False])
    tokens = np.array([[0, 2], [1, 0], [2, 2], [0, 1]])
    posterior, state = np.arange(8.0).reshape(4, 2, 1), 10 + np.arange(8.0).reshape(4, 2, 1)
    beliefs, done = Beliefs(tokens, posterior, state, train), []
    moved = [1, 0, 3, 2]

    def errors(features, targets, train_B):
        assert (train_B == train).all()
        what = "token" if features.shape[-1] == 3 else float(features[0, 0, 0])
        if what == "token":
            assert (features.argmax(-1) == tokens).all() and (features.sum(-1) == 1).all()
        order = "moved" if (targets[0] == posterior[moved]).all() and (targets[1] == state[moved]).all() else "kept"
        assert order == "moved" or ((targets[0] == posterior).all() and (targets[1] == state).all())
        return [(what, order, name) for name in ("first", "second")]

    generators = []
    monkeypatch.setattr(probes, "_errors", errors)
    monkeypatch.setattr(probes, "_shuffle", lambda train_B, generator: generators.append(generator) or np.array(moved))
    monkeypatch.setattr(probes, "summarise", lambda name, layer, errors, generator: (name, layer, tuple(errors)))
    expected = [
        (name, layer, (
            (float(layer), "kept", which), (8_000_005.0 + layer, "kept", which), ("token", "kept", which),
            (float(layer), "moved", which),
        ))
        for name, which in (("log posterior", "first"), ("state belief", "second")) for layer in (1, 2)
    ]  # fmt: skip
    monkeypatch.setattr(probes, "CanBeUntrained", Shows)
    monkeypatch.setattr(probes, "ShowsActivations", Shows)
    assert probes.probe(Shows(), beliefs, 5, done.append) == expected and done == [1, 1]
    assert generators[0].bit_generator.state == np.random.default_rng((5, 8)).bit_generator.state
    monkeypatch.setattr(probes, "CanBeUntrained", int)
    assert [row[2][1] for row in probes.probe(Shows(), beliefs, 5)] == [None] * 4


LEVEL = ScalingLaw(
    "level", lambda n, x: x[0] + 0.0 * n, lambda n, loss: [[0.0]], ([-20.0], [20.0]), ("K",), lambda x: x
)
"""One number whatever n: its fit is a weighted mean."""
NS = np.array([0, 1, 2, 4, 8, 16])


def test_a_fit_is_weighted_with_the_errors_of_what_is_not_held_out(monkeypatch):
    """Six n, two of them held out; the mean of the other four with weights 1 / error^2, also in every resample."""
    loss = np.random.default_rng(2).gamma(2.0, size=(5, 6)) * [1, 2, 1, 3, 1, 1]
    (found,) = fit_laws(NS, loss, 7, [LEVEL])
    mean, weight = loss.mean(0), 1 / (loss.var(0, ddof=1) / 5)
    weight[4:] = 0
    best = (mean * weight).sum() / weight.sum()
    generator = np.random.default_rng((7, 9))
    drawn = [loss[generator.integers(5, size=5)].mean(0) for _ in range(40)]
    again = [(each * weight).sum() / weight.sum() for each in drawn]
    low, high = np.quantile(again, (0.025, 0.975))
    assert found.parameters["K"] == pytest.approx((best, low, high), rel=1e-6)
    np.testing.assert_allclose(found.curve_N, [best] * 6, rtol=1e-6)
    np.testing.assert_allclose([found.low_N, found.high_N], [[low] * 6, [high] * 6], rtol=1e-6)
    assert found.carried_error == pytest.approx(math.sqrt(((mean[3] - mean[4:]) ** 2).mean()))
    errors = [math.sqrt(((k - curve[4:]) ** 2).mean()) for k, curve in zip(again, drawn, strict=True)]
    expected = math.sqrt(((best - mean[4:]) ** 2).mean()), *np.quantile(errors, (0.025, 0.975))
    assert found.held_out_error == pytest.approx(expected, rel=1e-6) and found.held_out == (8, 16)


def test_a_point_is_never_known_better_than_a_ten_thousandth_of_a_nat(monkeypatch):
    seen = []
    monkeypatch.setattr(scaling_laws, "_fit", lambda *given: seen.append(given))
    loss = np.array([[1.0, 1.0], [1.0, 1.0002], [1.0, 1.0004], [1.0, 3.0], [1.0, 1.0], [2.0, 2.0]]).T
    assert fit_laws(NS, loss, 0) == [None] * 3 and [given[0] for given in seen] == list(LAWS)
    ns, mean, error, drawn = seen[0][1:]
    np.testing.assert_allclose(error, [1e-4, 1e-4, 2e-4, 1.0, 1e-4, 1e-4])
    np.testing.assert_allclose(mean, loss.mean(0))
    assert ns.dtype == np.float64 and len(drawn) == 40
    loss[0, 0] = np.nan
    assert fit_laws(NS, loss, 0) == []


@pytest.mark.parametrize("starts", [[[-1.3], [1.3]], [[1.3], [-1.3]]])
def test_the_best_of_the_starts_is_kept(starts):
    """x^4 - 4 x^2 + x lies lowest at -1.47, and has a second dale at 1.35."""
    law = ScalingLaw("dales", lambda n, x: x[0] ** 4 - 4 * x[0] ** 2 + x[0] + 0.0 * n, lambda n, loss: starts,
                     ([-2.0], [2.0]), ("x",), lambda x: x)  # fmt: skip
    (found,) = fit_laws(NS, np.full((2, 6), -9.0), 0, [law])
    assert found.parameters["x"][0] == pytest.approx(-1.473, abs=1e-3)


def test_a_start_outside_the_box_is_put_on_its_edge():
    law = LEVEL._replace(starts=lambda n, loss: [[99.0]])
    (found,) = fit_laws(NS, np.full((2, 6), 3.0), 0, [law])
    assert found.parameters["K"][0] == pytest.approx(3.0)
    (bounded,) = fit_laws(NS, np.full((2, 6), 30.0), 0, [law])
    assert bounded.parameters["K"][0] == pytest.approx(20.0)


def test_a_search_is_inside_its_box_and_ends_after_200_steps(monkeypatch):
    """One search for each start, and one from there for each of 40 resamples."""
    given, search = [], optimize.least_squares

    def watched(residual, start, **settings):
        given.append((start.tolist(), settings))
        return search(residual, start, **settings)

    monkeypatch.setattr(optimize, "least_squares", watched)
    fit_laws(NS, np.full((2, 6), 3.0), 0, [LEVEL._replace(starts=lambda n, loss: [[0.0], [99.0]])])
    assert [start for start, _ in given[:2]] == [[0.0], [20.0]] and len(given) == 42
    assert all(settings == {"bounds": LEVEL.box, "max_nfev": 200} for _, settings in given)


def test_the_boxes_and_the_starts_written_out():
    """Levels of 0 to 20 nats, rates of e^-6 to e^3, and logits of at most 12."""
    assert [law.box for law in LAWS] == [
        ([0, -20, -6], [20, 20, 3]), ([0, -20, -6, -7], [20, 20, 3, 7]), ([-12, -12, -12, -7], [12, 12, 12, 7]),
    ]  # fmt: skip
    assert [law.names for law in LAWS] == [
        ("K", "C", "a"),
        ("K", "C", "a", "m"),
        ("p_best", "p_other", "prior_best", "b"),
    ]
    starts = np.array(_bayes_starts(np.array([0.0, 4.0]), np.array([math.log(4), 30.0])))
    np.testing.assert_allclose(starts[:, 0], -math.log(math.expm1(10.0)))  # a loss of 30 counts as 10
    np.testing.assert_allclose(starts[:, 2], [-1.5, -1.5, 0.0, 0.0] * 2)
    np.testing.assert_allclose(np.exp(starts[:, 3]), [0.3, 2.0] * 4)
    odds = np.array([0.075 / 0.925] * 4 + [0.225 / 0.775] * 4)
    np.testing.assert_allclose(starts[:, 1], np.log(odds))
