"""Parts of the measures of the gap by hand: slices, ratios, cells, fits, steps of the interior-point method."""

import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from implicit_bayes.benchmarks.gap import bayesianity, implied_documents, laws, probes
from implicit_bayes.benchmarks.gap.bayesianity import martingale_gap
from implicit_bayes.benchmarks.gap.context import _cells, _cross
from implicit_bayes.benchmarks.gap.implied import Implied, _longest, _unique, time_to_identify
from implicit_bayes.benchmarks.gap.implied_documents import _by_position
from implicit_bayes.benchmarks.gap.laws import document_laws
from implicit_bayes.benchmarks.gap.loss import (
    TILTS,
    LossGap,
    Mean,
    _reduce,
    _Terms,
    _tilted,
    calibration_error,
    ratio,
)
from implicit_bayes.benchmarks.gap.scaling_laws import (
    LAWS,
    _bayes_starts,
    _bounded_starts,
    _interval,
    _named,
    _power_starts,
    _same,
    fit_laws,
)
from implicit_bayes.benchmarks.predictors.curves import Answers

INF = math.inf


def terms(excess, **given):
    """Terms whose fields are all ``excess`` but for those that are given."""
    excess = np.array(excess, float)
    fields = dict.fromkeys(_Terms._fields, excess) | {"tilted": np.zeros((*excess.shape, len(TILTS)))}
    return _Terms(**(fields | {name: np.array(value, float) for name, value in given.items()}))


def test_positions_are_doubled_and_the_last_bin_is_what_is_left():
    for length, words in ((1, ["0"]), (2, ["0", "1"]), (4, ["0", "1", "2–3"]), (6, ["0", "1", "2–3", "4–5"]),
                          (9, ["0", "1", "2–3", "4–7", "8"])):  # fmt: skip
        rows = _reduce(terms(np.arange(2.0 * length).reshape(2, length) / 32)).positions
        assert [row.words for row in rows] == words
        assert sum(row.share for row in rows) == pytest.approx(1.0)
    assert rows[3].share == 4 / 9 and rows[3].kl.value == pytest.approx((4 + 5 + 6 + 7 + 9 * 4) / 4 / 32 - 9 / 64)


def test_a_gap_reduced_by_hand():
    """Two documents of three tokens."""
    found = _reduce(terms(
        [[-1.0, -0.5, 2.0], [0.5, -0.25, 0.0]], kl=[[0.5, INF, 0.25], [1.0, 0.0, 0.0]], tv=[[0.5, 1.0, 0.0], [0.0] * 3],
        surprise=[[0.5, 4.0, 0.0], [0.1, 1.0, 2.0]], confidence=[[1.0, 0.5, 0.5], [0.5, 0.5, 0.5]],
        right=[[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]], risk=[[0.25, 0.0, 0.0], [0.5, 0.0, 0.0]],
        tilted=np.full((2, 3, len(TILTS)), 0.5),
    ))  # fmt: skip
    assert (found.excess.value, found.kl.value, found.tv.value, found.risk.value) == (0.75 / 6, INF, 0.25, 0.125)
    assert found.foresight.value == pytest.approx((1.75 - 1.25) / 5)  # the token of infinite KL is left out
    assert found.foresight_log_e == pytest.approx(3.0)
    assert (found.tokens, found.log_ratio_max) == (6, 1.5)
    assert found.bayes_cross_entropy == pytest.approx(7.6 / 6)
    assert found.calibration_error == pytest.approx(0.5 / 6)
    assert [row.words for row in found.places] == ["first 32 tokens"]
    assert [(row.words, row.share) for row in found.surprises] == [
        (words, 1 / 6) for words in ("0 to 0.1 nats", "0.1 to 0.5 nats", "0.5 to 1 nats", "1 to 2 nats", "2 to 4 nats",
                                     "above 4 nats")
    ]  # fmt: skip
    long = _reduce(terms(np.zeros((1, 33)))).places
    assert [(row.words, row.share) for row in long] == [("first 32 tokens", 32 / 33), ("the rest", 1 / 33)]


def test_the_mean_over_tokens_is_a_ratio_of_sums():
    """Sums 3 of two tokens and 3 of one: mean 2, deviations -1 and 1; error sqrt(2 / 1 * 2) / 3."""
    found = ratio(np.array([[1.0, 2.0], [3.0, 9.0]]), np.array([[True, True], [True, False]]))
    assert (found.value, found.standard_error) == (2.0, pytest.approx(2 / 3))
    assert ratio(np.array([[1.0, INF], [3.0, 1.0]]), np.ones((2, 2), bool))[:2] == (INF, INF)
    same = ratio(np.array([[1.0], [3.0], [7.0]]), np.array([[True], [True], [False]]))
    assert (same.value, same.standard_error) == (2.0, pytest.approx(1.0))


def test_the_factors_of_the_e_value():
    """p = (1/2, 1/2), q = (1/4, 3/4), the first token came: (q / p)^l over sum p^(1-l) q^l; 1 where KL is infinite."""
    log_p, log_q = np.log([[[0.5, 0.5]] * 2]), np.log([[[0.25, 0.75]] * 2])
    found = _tilted(log_p, log_q, np.array([[math.log(2), INF]]), np.array([[True, False]]))
    mass = [sum(0.5 ** (1 - tilt) * q**tilt for q in (0.25, 0.75)) for tilt in TILTS]
    np.testing.assert_allclose(np.exp(found[0, 0]), [0.5**tilt / m for tilt, m in zip(TILTS, mass, strict=True)])
    assert found[0, 1].tolist() == [0.0] * 11
    with np.errstate(divide="ignore"):
        zero = _tilted(np.log([[[1.0, 0.0]]]), np.log([[[0.25, 0.75]]]), np.array([[math.log(4)]]), np.array([[True]]))
    np.testing.assert_allclose(zero[0, 0], np.zeros(11), atol=1e-15)  # the law is certain, and so is the token


def test_confidence_of_one_is_in_the_last_bin():
    assert calibration_error(np.array([1.0, 0.5]), np.array([0.5, 0.75]), bins=2) == pytest.approx(0.25 / 2)
    assert calibration_error(np.array([1.0, 0.25]), np.array([0.5, 0.75]), bins=2) == pytest.approx(0.5)
    assert calibration_error(np.array([1 / 15, 0.0]), np.array([0.0, 1.0])) == pytest.approx((1 / 15 + 1) / 2)


def test_laws_on_their_bounds():
    mean = Mean(0.0, 0.0, 0.0, 0.0)
    gap = LossGap(excess=mean, kl=mean._replace(value=INF), tv=mean, risk=mean._replace(value=1.0), foresight=mean,
                  foresight_log_e=math.log(1 / 1e-3), positions=[], places=[], surprises=[], tokens=10,
                  bayes_cross_entropy=0.0, log_ratio_max=math.log(4 / 1e-3), calibration_error=0.0)  # fmt: skip
    assert [row.holds for row in document_laws(gap, 4)] == [True] * 4  # on the bound is within it
    assert document_laws(gap, 4)[3].bound == pytest.approx(math.log(2) + 1 + 1e-5)
    over = gap._replace(excess=mean._replace(value=-0.7), log_ratio_max=8.3, foresight_log_e=7.0,
                        kl=mean._replace(value=0.6))  # fmt: skip
    assert [row.holds for row in document_laws(over, 4)] == [False] * 4


def test_the_cells_of_a_context():
    """Three n: two prompts; one, whose loss has no error; none."""
    truth = np.array([[[0.75, 0.25]] * 3, [[0.25, 0.75]] * 3])
    law = np.array([[[0.5, 0.5]] * 3, [[0.75, 0.25]] * 3])
    defined = np.array([[True, True, False], [True, False, True]])
    found = _cells(truth, Answers(law, defined), np.array([[True, True, True], [True, True, False]]))
    assert found["prompts"].tolist() == [2, 1, 0]
    np.testing.assert_array_equal(found["accuracy"], [0.5, 1.0, np.nan])
    np.testing.assert_allclose(found["standard_error"], [0.5 / math.sqrt(2), 0.0, np.nan])
    losses = math.log(2), -0.25 * math.log(0.75) - 0.75 * math.log(0.25)
    np.testing.assert_allclose(found["log_loss"], [np.mean(losses), losses[0], np.nan])
    np.testing.assert_allclose(found["log_loss_error"], [(losses[1] - losses[0]) / 2, INF, np.nan])
    assert found["log_loss_low"].tolist()[:2] == [0.0, 0.0] and found["log_loss_high"][1] == INF
    assert found["log_loss_high"][0] == pytest.approx(np.mean(losses) + 12.7062 * (losses[1] - losses[0]) / 2, abs=1e-4)
    np.testing.assert_allclose(found["calibration"], [(0.25 + 0.5) / 2, 0.25, np.nan])
    assert 0 < found["accuracy_low"][0] < 0.5 < found["accuracy_high"][0] < 1
    zero = _cross(np.array([[[1.0, 0.0]], [[0.5, 0.5]]]), np.array([[[0.5, 0.0]], [[1.0, 0.0]]]))
    np.testing.assert_array_equal(zero, [[math.log(2)], [INF]])


def test_prefixes_of_a_martingale(monkeypatch):
    """Lengths 1, 2, 4, 8, 16 as far as the documents reach; the mean is over prefixes that count."""
    seen, done = [], []

    def gaps(model, mixture, prefix):
        seen.append(prefix.shape[1])
        return np.full(len(prefix), 1.0 / prefix.shape[1]), np.arange(len(prefix)) < prefix.shape[1]

    monkeypatch.setattr(bayesianity, "_gaps", gaps)
    model, mixture = SimpleNamespace(), None
    found = martingale_gap(model, mixture, np.zeros((3, 16), int), advance=done.append)
    assert (seen, done) == ([1, 2, 4, 8, 16], [3] * 5)
    assert found.prefixes == 1 + 2 + 3 * 3
    assert found.gap.value == pytest.approx((1 + 2 / 2 + 3 / 4 + 3 / 8 + 3 / 16) / 12)
    seen.clear()
    martingale_gap(model, mixture, np.zeros((2, 15), int))
    assert seen == [1, 2, 4, 8]


def test_steps_keep_five_percent_of_what_is_left():
    for dx, expected in (
        ([-2.0, 1.0], 0.475), ([-0.5, 0.0], 1.0), ([-1.0, -4.0], 0.2375), ([0.0, -1.0], 0.95), ([0.0, 0.5], 1.0),
        ([0.0, -0.97], 0.95 / 0.97),
    ):  # fmt: skip
        assert float(_longest(jnp.array([1.0, 1.0]), jnp.array(dx))) == pytest.approx(expected)


@pytest.mark.parametrize(("difference", "told"), [(0.0101, True), (0.0099, False)])
def test_weights_are_told_apart_by_a_hundredth(difference, told):
    """Laws 1/2 +- (d, -d) / 2: a unit difference of weights moves the predictive by d; the third is impossible."""
    with jax.enable_x64(True):
        laws = jnp.array([[0.5 + difference / 2, 0.5 - difference / 2], [0.5 - difference / 2, 0.5 + difference / 2]])
        assert bool(_unique(laws, jnp.array([True, True]))) is told
        laws = jnp.concatenate([laws, jnp.zeros((1, 2))])
        assert bool(_unique(laws, jnp.array([True, True, False]))) is told
        assert bool(_unique(laws, jnp.array([True, False, False]))) is True


def test_a_weight_on_the_level_is_not_above_it():
    posterior = np.array([[[0.95], [0.9], [0.91]], [[0.95], [0.95], [0.9]]])
    counted, concepts = np.ones((2, 3), bool), np.zeros(2, int)
    assert time_to_identify(posterior, concepts, counted).tolist() == [2, 3]
    assert time_to_identify(posterior, concepts, counted, level=0.89).tolist() == [0, 0]


def test_means_by_position_are_of_what_counts():
    found = _by_position(np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]), np.array([[1, 0, 1], [1, 0, 0]], bool))
    np.testing.assert_array_equal(found, [2.0, np.nan, 3.0])


def test_intervals_and_names_of_a_fit():
    assert _interval(np.array([7.0, *np.arange(41.0)])) == (7.0, pytest.approx(1.0), pytest.approx(39.0))
    logit = lambda p: math.log(p / (1 - p))  # noqa: E731
    first = _named(np.array([logit(0.75), logit(0.25), logit(0.2), math.log(2)]))
    np.testing.assert_allclose(first, [0.75, 0.25, 0.2, 2.0])
    np.testing.assert_allclose(_named(np.array([logit(0.25), logit(0.75), logit(0.8), math.log(2)])), first)
    np.testing.assert_allclose(_named(np.array([0.0, 0.0, logit(0.2), 0.0])), [0.5, 0.5, 0.2, 1.0])
    np.testing.assert_allclose(_same(np.array([1.0, 2.0, math.log(3), math.log(4)])), [1, 2, 3, 4])


def test_what_is_held_out_and_what_is_carried_on():
    """A curve of 1 that ends in 2 and 4: both errors are sqrt((1 + 9) / 2)."""
    ns = np.array([0, 1, 2, 4, 8, 16])
    curve = np.array([1.0, 1.0, 1.0, 1.0, 2.0, 4.0])
    (found,) = fit_laws(ns, np.stack([curve, curve]), 0, [LAWS[0]])
    assert found.held_out == (8, 16) and found.law == "power"
    assert found.carried_error == pytest.approx(math.sqrt(5))
    assert found.held_out_error == pytest.approx((math.sqrt(5),) * 3, rel=1e-3)
    np.testing.assert_allclose(found.curve_N, 1.0, atol=1e-3)
    np.testing.assert_allclose(found.low_N, found.high_N, atol=1e-6)
    uneven = np.stack([curve, curve + 0.5])
    (spread,) = fit_laws(ns, uneven, 0, [LAWS[0]])
    assert spread.curve_N[0] == pytest.approx(1.25, abs=1e-3)
    assert (spread.low_N[0], spread.high_N[0]) == pytest.approx((1.0, 1.5), abs=1e-3)  # 40 draws of two prompts


def test_the_bayesian_fit_starts_at_the_last_answer():
    """Losses log 4 and then log 2: the true task gives 1/2, the other .3 or .9 of 1/4; weights below one half."""
    starts = np.array(_bayes_starts(np.array([0.0, 4.0]), np.array([math.log(4), math.log(2)])))
    assert starts.shape == (8, 4)
    p = 1 / (1 + np.exp(-starts[:, :3]))
    np.testing.assert_allclose(p[:, 0], 0.5)
    np.testing.assert_allclose(p[:, 1], [0.075] * 4 + [0.225] * 4)
    assert p[:, 2].max() == pytest.approx(0.5) and p[:, 2].min() < 0.2
    np.testing.assert_allclose(sorted(set(np.round(np.exp(starts[:, 3]), 9))), [0.3, 2.0])
    extreme = np.array(_bayes_starts(np.array([0.0, 4.0]), np.array([30.0, 0.0])))
    least, most = (np.array(end) for end in LAWS[2].box)
    assert ((least < extreme) & (extreme < most)).all()
    np.testing.assert_allclose(extreme[:, 0], -math.log(math.expm1(0.01)))  # a loss of 0 counts as .01
    np.testing.assert_allclose(extreme[:, 1], math.log(1e-4 / (1 - 1e-4)))  # and a chance of 0 as 1e-4


def test_power_laws_start_between_the_first_loss_and_the_last():
    """Losses 4, 3, 1: K = 1, C = 3; powers and scales on both sides of 1."""
    ns, loss = np.array([0.0, 1.0, 2.0]), np.array([4.0, 3.0, 1.0])
    plain, bounded = np.array(_power_starts(ns, loss)), np.array(_bounded_starts(ns, loss))
    assert plain[:, :2].tolist() == [[1.0, 3.0]] * 3 and bounded[:, :2].tolist() == [[1.0, 3.0]] * 4
    np.testing.assert_allclose(np.exp(plain[:, 2]), [0.3, 1.0, 3.0])
    np.testing.assert_allclose(np.exp(bounded[:, 2:]), [[0.5, 0.3], [0.5, 3.0], [2.0, 0.3], [2.0, 3.0]])


def test_causality_is_asked_at_the_first_the_middle_and_the_last_token(monkeypatch):
    """Documents of five tokens, altered from t on; of what the rows say only those up to t are held against it."""
    asked = []

    def answer(model, tokens):
        asked.append(tokens[0].tolist())
        said = np.full((1, 6, 1), -INF)
        said[0, len([x for x in tokens[0] if x == 2]) + 1 :] = 0.0  # what follows an altered token is another matter
        return said if len(asked) > 1 else np.full((1, 6, 1), -INF)

    monkeypatch.setattr(laws, "answer", answer)
    assert laws.foresight_of_tokens(None, np.full((1, 5), 2), 3) == 0.0
    assert asked == [[2] * 5, [0] * 5, [2, 2, 0, 0, 0], [2, 2, 2, 2, 0]]
    monkeypatch.setattr(
        laws, "answer", lambda model, tokens: np.log(np.full((1, 6, 1), 0.25 * (1 + tokens[0, -1] / 2)))
    )
    assert laws.foresight_of_tokens(None, np.full((1, 5), 2), 3) == pytest.approx(0.25)


def test_a_quarter_of_the_training_documents_chooses_the_penalty(monkeypatch):
    asked = []

    def predict(features, target, fit, judged, penalty):
        asked.append((fit.tolist(), judged.tolist(), penalty))
        return target[judged] + (0.0 if penalty == probes.PENALTIES[1] else 1.0)

    monkeypatch.setattr(probes, "_predict", predict)
    target = np.arange(10.0).reshape(10, 1, 1)
    found = probes.read_off(target, target, np.arange(10) < 8)
    assert found.reshape(-1).tolist() == [8.0, 9.0]
    assert asked[:-1] == [(list(range(6)), [6, 7], penalty) for penalty in probes.PENALTIES]
    assert asked[-1] == (list(range(8)), [8, 9], probes.PENALTIES[1])


def test_implied_posteriors_of_two_documents(monkeypatch):
    """Two prefixes each. Implied and exact are told apart, and so is what counts: the first document's prefixes do, the
    second's first is not identified, and its last has no exact posterior."""
    weight = np.array([[0.75, 0.25], [0.85, 0.15], [0.5, 0.5], [0.25, 0.75]])
    exact = np.array([[0.5, 0.5], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    told = Implied(
        weight_NxC=weight, residual_N=np.array([0.5, 0.25, 0.0, 9.0]), forbidden_N=np.array([0.0, 0.5, 0.25, 9.0]),
        exact_NxC=exact, total_variation_N=np.array([0.25, 0.125, 9.0, 9.0]),
        defined_N=np.array([True, True, True, False]), identified_N=np.array([True, True, False, True]),
        open_N=np.ones(4, bool),
    )  # fmt: skip
    replaced = {"CHUNK": 2, "prepare": lambda mixture: None, "filter_concepts": lambda *given, **options: None,
                "answer": lambda model, tokens: np.zeros((2, 2, 2)), "after_prefixes": lambda *given: told}  # fmt: skip
    for name, value in replaced.items():
        monkeypatch.setattr(implied_documents, name, value)
    found = implied_documents.implied_gap(None, None, np.zeros((2, 1), int), np.array([0, 1]))
    assert [each.value for each in found[:3]] == [0.1875, 0.25, 0.25]
    assert found.open_share == 0.5
    for mine, expected in ((found.tv_P, [0.25, 0.125]), (found.residual_P, [0.25, 0.25]), (found.share_P, [0.5, 0.5]),
                           (found.weight_P, [0.75, 0.85]), (found.exact_P, [0.5, 1.0])):  # fmt: skip
        assert mine.tolist() == expected
    assert (found.time, found.exact_time, found.unsettled, found.exact_unsettled) == (1.0, 1.0, 0.5, 0.0)
