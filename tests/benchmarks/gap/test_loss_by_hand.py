"""Losses, laws and contexts of the gap by hand: one token at a time, ends of bins, cells that are empty, all draws."""

import math

import numpy as np
import pytest
from gap_cases import Told, forbidding

from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.gap import laws, loss
from implicit_bayes.benchmarks.gap.context import MEASURES, _cells, context_gap
from implicit_bayes.benchmarks.gap.laws import LawCheck, check_laws
from implicit_bayes.benchmarks.gap.loss import (
    TILTS,
    LossGap,
    Mean,
    _reduce,
    _Terms,
    _terms,
    _tilted,
    calibration_error,
    loss_gap,
    ratio,
)
from implicit_bayes.benchmarks.predictors.curves import Answers, in_context_curves
from implicit_bayes.theory import MixtureOfHMMs, filter_mixture

INF = math.inf


def test_the_terms_of_three_tokens():
    """p = (1/2, 1/4, 1/4, 0) throughout; q is it, then a law with another guess, then one that denies a token."""
    p = np.array([0.5, 0.25, 0.25, 0.0])
    q = np.array([p, [0.25, 0.5, 0.125, 0.125], [0.5, 0.5, 0.0, 0.0]])
    with np.errstate(divide="ignore"):
        found = _terms(np.array([[1, 2, 0]]), np.stack([[p] * 3]), np.log(q)[None])
    log2 = math.log(2)
    np.testing.assert_allclose(found.kl, [[0.0, 0.5 * log2 - 0.25 * log2 + 0.25 * log2, INF]], atol=1e-15)
    np.testing.assert_allclose(found.surprise, [[2 * log2, 2 * log2, log2]])
    np.testing.assert_allclose(found.excess, [[0.0, log2, 0.0]], atol=1e-15)
    np.testing.assert_allclose(found.tv, [[0.0, 0.375, 0.25]])
    np.testing.assert_allclose(found.confidence, [[0.5, 0.5, 0.5]])
    np.testing.assert_allclose(found.right, [[0.5, 0.25, 0.5]])
    np.testing.assert_allclose(found.risk, [[0.0, 0.25, 0.0]])
    for at, tilt in enumerate(TILTS):
        mass = 0.5 ** (1 - tilt) * 0.25**tilt + 0.25 ** (1 - tilt) * (0.5**tilt + 0.125**tilt)
        np.testing.assert_allclose(found.tilted[0, :, at], [0.0, -tilt * log2 - math.log(mass), 0.0], atol=1e-15)
    assert (TILTS[0], TILTS[1], TILTS[10], len(TILTS)) == (1.0, 0.5, 1 / 1024, 11)


def test_factors_of_e_where_a_law_has_zeros():
    """Two tokens of three are possible; the model gives 1/4 of its mass to the third."""
    with np.errstate(divide="ignore"):
        log_p, log_q = np.log([[[0.5, 0.5, 0.0]]]), np.log([[[0.25, 0.5, 0.25]]])
    found = np.exp(_tilted(log_p, log_q, np.array([[math.log(2)]]), np.array([[True]])))
    for at, tilt in enumerate(TILTS):
        assert found[0, 0, at] == pytest.approx(0.5**tilt / (0.5 * (0.5**tilt + 1)))


def test_a_probability_that_rounding_puts_above_one_is_no_surprise():
    above = np.nextafter(1.0, 2.0)
    found = _terms(np.array([[0]]), np.array([[[above, 1e-300]]]), np.log([[[0.5, 0.5]]]))
    assert found.surprise.tolist() == [[0.0]] and found.excess[0, 0] == math.log(2)


def test_documents_are_worked_on_sixteen_at_a_time(monkeypatch):
    """18 documents of a coin: the mean over all of them, two of which fill the last part up."""
    seen, done = [], []

    def watched(mixture, tokens, tables):
        seen.append(tokens.shape)
        return filter_mixture(mixture, tokens)

    monkeypatch.setattr(loss, "filter_mixture", watched)
    coin = MixtureOfHMMs([1.0], [[0.25, 0.75]], [[[0.25, 0.75]] * 2], np.eye(2), 0)
    tokens = (np.arange(36).reshape(18, 2) % 5 == 0).astype(np.int32)
    tokens[17] = 0
    model = Told([[0.5, 0.5], [0.125, 0.875], [0.9, 0.1]])
    found = loss_gap(model, coin, tokens, done.append)
    assert (seen, done, found.tokens) == ([(16, 2), (16, 2)], [16, 2], 36)
    p, q = np.where(tokens == 0, 0.25, 0.75), np.where(tokens == 0, [0.5, 0.125], [0.5, 0.875])
    assert found.excess.value == pytest.approx(np.log(p / q).mean())
    assert found.bayes_cross_entropy == pytest.approx(-np.log(p).mean())
    assert found.log_ratio_max == pytest.approx(np.log(q / p).cumsum(1).max())


def test_a_reduction_where_some_divergences_are_infinite():
    """Foresight is of the tokens with a finite KL: 2 - 1 and 4 - 1 of two documents, whatever the others say."""
    finite = np.array([[2.0, INF], [4.0, INF]])
    terms = _Terms(
        kl=finite, excess=np.array([[1.0, INF], [1.0, 7.0]]), tv=np.zeros((2, 2)), surprise=np.full((2, 2), 0.5),
        confidence=np.ones((2, 2)), right=np.ones((2, 2)), risk=np.zeros((2, 2)), tilted=np.zeros((2, 2, len(TILTS))),
    )  # fmt: skip
    found = _reduce(terms)
    assert found.foresight[:2] == (2.0, pytest.approx(1.0))
    assert found.foresight_log_e == pytest.approx(0.0, abs=1e-15)
    assert found.excess.value == INF and [row.excess.value for row in found.positions] == [1.0, INF]


def test_documents_without_a_chosen_token_do_not_count():
    """Of three documents two have one: sums 2 and 10 of one token and three."""
    chosen = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1]], bool)
    found = ratio(np.array([[2.0, 9.0, 9.0], [9.0] * 3, [1.0, 3.0, 6.0]]), chosen)
    assert found.value == 3.0
    error = math.sqrt(2 * ((2 - 3) ** 2 + (10 - 9) ** 2)) / 4
    assert found.standard_error == pytest.approx(error)
    assert (found.low, found.high) == pytest.approx((3 - 12.7062 * error, 3 + 12.7062 * error), abs=1e-4)


def test_fifteen_bins_of_confidence():
    """1/16 and 0 share a bin, and so do 14/15 and 1; 1/15 starts the second. Signed differences cancel in a bin."""
    one, two = np.array([1 / 16, 0.0]), np.array([0.0, 1 / 16])
    assert calibration_error(one, two) == pytest.approx(0.0)
    assert calibration_error(np.array([0.94, 1.0]), np.array([1.0, 0.94])) == pytest.approx(0.0)
    assert calibration_error(np.array([1 / 15, 0.05]), np.array([0.05, 1 / 15])) == pytest.approx(1 / 15 - 0.05)


def test_causality_is_asked_of_eight_documents_and_sixty_four_tokens(monkeypatch):
    seen = []
    mean = Mean(0.0, 0.0, 0.0, 0.0)
    gap = LossGap(excess=mean, kl=mean, tv=mean, risk=mean, foresight=mean, foresight_log_e=0.0, positions=[],
                  places=[], surprises=[], tokens=10, bayes_cross_entropy=0.0, log_ratio_max=0.0,
                  calibration_error=0.0)  # fmt: skip
    monkeypatch.setattr(laws, "document_laws", lambda gap, documents: [("documents", documents)])
    for moved, holds in ((1e-5, True), (1.01e-5, False), (0.0, True)):
        monkeypatch.setattr(
            laws, "foresight_of_tokens",
            lambda model, tokens, vocabulary, moved=moved: seen.append((tokens.tolist(), vocabulary)) or moved,
        )  # fmt: skip
        tokens = np.arange(9 * 65).reshape(9, 65)
        assert check_laws(None, gap, tokens, 3) == [("documents", 9), LawCheck("causality", moved, 1e-5, holds)]
        assert seen.pop() == (tokens[:8, :64].tolist(), 3)


def test_a_cell_that_is_empty_and_one_with_an_infinite_loss():
    """n = 0 has no prompt; at n = 1 one of two losses is infinite; at n = 2 three losses are log 4/3, log 4, log 4."""
    truth = np.tile([0.0, 1.0], (3, 3, 1))
    law = np.array([[[0.5, 0.5]] * 3, [[0.5, 0.5], [1.0, 0.0], [0.75, 0.25]], [[0.5, 0.5]] * 2 + [[0.75, 0.25]]])
    law[0, 2] = 0.25, 0.75
    split = np.array([[False, True, True], [False, True, True], [False, False, True]])
    found = _cells(truth, Answers(law, np.ones((3, 3), bool)), split)
    assert found["prompts"].tolist() == [0, 2, 3]
    losses = np.array([math.log(4 / 3), math.log(4), math.log(4)])
    np.testing.assert_allclose(found["log_loss"], [np.nan, INF, losses.mean()])
    np.testing.assert_allclose(found["log_loss_error"], [np.nan, INF, losses.std(ddof=1) / math.sqrt(3)])
    np.testing.assert_allclose(found["log_loss_low"][:2], [np.nan, INF])
    assert found["log_loss_high"][1] == INF
    np.testing.assert_allclose(found["accuracy"], [np.nan, 0.0, 1 / 3])
    np.testing.assert_allclose(found["standard_error"], [np.nan, 0.0, math.sqrt(2 / 27)])
    ends = wilson(np.array([0, 1]), np.array([2, 3]))
    np.testing.assert_allclose([found["accuracy_low"][1:], found["accuracy_high"][1:]], ends)
    np.testing.assert_allclose(found["calibration"][1:], [(0.5 + 1.0) / 2, (-0.25 + 2 * 0.75) / 3])
    assert set(found) == {*MEASURES, "prompts"}
    certain = _cells(
        np.tile([0.5, 0.5], (3, 1, 1)), Answers(np.full((3, 1, 2), 0.5), np.ones((3, 1), bool)), split[:, 2:]
    )
    assert certain["log_loss_low"] == pytest.approx(math.log(2)) == certain["log_loss_high"]  # it does not vary


class Half:
    """Fair on even prompts, silent (no law) on the others after more than two tokens."""

    name = "half"

    def log_probabilities(self, tokens_BxT):
        law = np.full((len(tokens_BxT), tokens_BxT.shape[1] + 1, 5), -math.log(5))
        law[1::2, 3:] = -INF
        return law

    exact = True  # a row that is no law is an answer that it does not have


def test_a_gap_asks_about_the_prompts_of_the_curves():
    """120 prompts, the last 20 of a second draw: counts and shares are those of in_context_curves on the same seed."""
    instance, settings = forbidding(), {"prompts": 120, "seed": 3, "epsilons": [0.1], "models": [Half()]}
    done = []
    found = context_gap(instance, [2, 3], [0, 3], **settings, advance=done.append)
    curves = in_context_curves(instance, [2, 3], [0, 3], **settings)
    assert done == [100, 20] * 2
    whole = found.sel(split="all")
    assert found.predictor.values.tolist() == curves.predictor.values.tolist()
    np.testing.assert_array_equal(whole.prompts, 120 - curves.undefined)
    for name in ("accuracy", "accuracy_low", "accuracy_high", "standard_error"):
        np.testing.assert_allclose(whole[name], curves[name], atol=1e-15, err_msg=name)
    impossible = curves.undefined_share.sel(predictor="exact")
    np.testing.assert_allclose(found.impossible_share, impossible)
    assert 0 < impossible.max() < 1
    right, loss_of = found.prompt_right, found.prompt_loss
    assert right.dims == loss_of.dims == ("predictor", "k", "n", "prompt")
    for answer, expected in ((1, curves.correct), (-1, curves.undefined), (0, 120 - curves.correct - curves.undefined)):
        np.testing.assert_array_equal((right == answer).sum("prompt"), expected)
    np.testing.assert_array_equal(np.isnan(loss_of), right == -1)
    assert right.sel(predictor="half", k=2, n=3).values[1::2].max() == -1
    np.testing.assert_allclose(loss_of.sel(predictor="half", k=3, n=0), math.log(5))
    np.testing.assert_allclose(loss_of.mean("prompt"), whole.log_loss)
    possible = right.sel(predictor="exact") >= 0
    for split, chosen in (("possible", possible), ("impossible", ~possible)):
        mine = right.where(chosen).where(right >= 0)
        np.testing.assert_array_equal((mine >= 0).sum("prompt"), found.prompts.sel(split=split))
        np.testing.assert_allclose((mine > 0).where(mine >= 0).mean("prompt"), found.accuracy.sel(split=split))
    entropy = found.entropy.values
    assert (entropy > 0).all() and (entropy < math.log(5)).all()
    exact = whole.log_loss.sel(predictor="prompt-aware").values
    assert (exact >= entropy - 1e-12).all() and (exact < 1.3 * entropy).all()
