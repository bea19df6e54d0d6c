"""What the search counts and climbs, margins of a chain worked out by hand, and certificates on their edges."""

import functools
import math
from fractions import Fraction as F

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.proofs import observed_chains
from implicit_bayes.theory.proofs import search as module
from implicit_bayes.theory.proofs.counterexamples import (
    example_given_state,
    printed_lemma_1,
    printed_proposition_2,
    printed_theorem_1,
)
from implicit_bayes.theory.proofs.observed_chains import (
    Logits,
    Margins,
    instance_of,
    margins_by_enumeration,
    margins_of,
)
from implicit_bayes.theory.proofs.search import _confirm, _hypotheses, _score, _Tally, objective, search

TRUE = [[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]
OTHER = [[0.25, 0.25, 0.5], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]]
STARTS = [[0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]
LOGITS = Logits(np.log(STARTS), np.log([TRUE, OTHER]), np.log([0.75, 0.25]))
"""Words 0 and 1 and a delimiter 2; p_prompt = (3/4, 1/4, 0)."""


def by_hand(k):
    """Occupancies (3/4, 1/4, 0), then (5/16, 15/32, 7/32): every margin from the matrices."""
    true, other, start = np.array(TRUE), np.array(OTHER), np.array([0.75, 0.25])
    each = (true * np.log(true / other)).sum(-1)  # KL of the rows
    occupancy = [np.array([0.75, 0.25, 0.0]), np.array([0.3125, 0.46875, 0.21875])]
    assert k in (2, 3)
    inner = sum(row @ each for row in occupancy[: k - 1])
    last = occupancy[1] if k == 2 else occupancy[1] @ true
    start_kl = start @ np.log(start / STARTS[0][:2])
    kl_sum = start @ np.log(start / STARTS[1][:2]) + inner
    rate = start @ np.log(other[2, :2] / true[2, :2]) - inner + last @ np.log(other[:, 2] / true[:, 2])
    printed = kl_sum - math.log(8) - 2 * math.log(4) - math.log(2)  # c8 = 1/8, c2 / c1 = 4, c4 / c3 = 2
    repaired = kl_sum - start_kl - math.log(4) - math.log(2 / (2 / 3))  # R = 2, rho* = 2/3
    lead = 0.125 / 4  # after word 1
    return Margins(rate=rate, printed=printed, repaired=repaired, a3=lead - 0.25, kl_sum=kl_sum)


@pytest.mark.parametrize("k", [2, 3])
def test_margins_of_a_chain_by_hand(k):
    with jax.enable_x64(True):
        found = margins_of(Logits(*(jnp.asarray(x) for x in LOGITS)), k)
    np.testing.assert_allclose([float(x) for x in found], by_hand(k), rtol=1e-12)
    mixture, prompt = instance_of(LOGITS, k)
    assert (prompt.length, prompt.delimiter, mixture.prior.tolist()) == (k, 2, [0.5, 0.5])
    np.testing.assert_allclose(margins_by_enumeration(mixture, prompt, 0, 1), by_hand(k), rtol=1e-12)


def test_the_delimiters_row_leads_by_less_and_counts_from_k_3_on():
    """Row 2 of theta* leads by 1/64: at k = 2 no test input ends in the delimiter."""
    close = np.array([TRUE, OTHER])
    close[0, 2] = [0.375 + 1 / 64, 0.375, 0.25 - 1 / 64]
    for k, lead in ((2, 0.125), (3, 1 / 64)):
        with jax.enable_x64(True):
            found = margins_of(Logits(jnp.asarray(LOGITS.initial), jnp.log(close), jnp.asarray(LOGITS.prompt)), k)
        assert float(found.a3) == pytest.approx(lead / 4 - (0.75 - 0.390625), abs=1e-14)


def test_the_enumeration_takes_any_pair_of_any_mixture():
    """theta* = 2 against 0: c2 is over both alternatives, c3 and c4 over all three."""
    loud = [[0.25, 0.125, 0.625], *OTHER[1:]]
    mixture = MixtureOfHMMs([0.25, 0.5, 0.25], [STARTS[1], [0.25, 0.25, 0.5], STARTS[0]], [OTHER, loud, TRUE],
                            np.eye(3), 2)  # fmt: skip
    found = margins_by_enumeration(mixture, PromptLaw.of(mixture, [0.75, 0.25, 0.0], 2, 2), 2, 0)
    right = by_hand(2)
    threshold = math.log(8) + 2 * math.log(5) + math.log(4)
    assert found.printed == pytest.approx(right.kl_sum - threshold, rel=1e-12)
    assert found._replace(printed=0.0) == pytest.approx(right._replace(printed=0.0), rel=1e-12)
    two = MixtureOfHMMs([1.0], [[0.5, 0.25, 0.25]], [TRUE], np.eye(3)[[0, 2, 2]], 2)
    with pytest.raises(ModelError, match="delimiter: 2 delimiter states"):
        margins_by_enumeration(two, PromptLaw.of(two, [1.0, 0.0, 0.0], 0, 2), 0, 0)


def margins(rate=1.0, printed=1.0, repaired=1.0, a3=1.0):
    return Margins(rate=rate, printed=printed, repaired=repaired, a3=a3, kl_sum=9.0)


def test_what_is_climbed_by_hand():
    """Printed: the smooth minimum, at sharpness 10, of what is missing up to .04; A3 counts twentyfold."""
    for one, parts in (
        (margins(0.01, 0.02, a3=0.0015), (0.01, 0.02, 0.03)),
        (margins(5.0, -1.0, a3=1.0), (0.04, -1.0, 0.04)),
        (margins(-2.0, 0.03, a3=-0.05), (-2.0, 0.03, -1.0)),
    ):
        right = -math.log(sum(math.exp(-10 * x) for x in parts)) / 10
        assert float(objective(Margins(*map(jnp.float32, one)), "printed")) == pytest.approx(right, abs=1e-6)
    assert float(objective(margins(0.5, repaired=0.001), "repaired")) == pytest.approx(0.5)
    assert float(objective(margins(0.5, repaired=7.0), "repaired")) == pytest.approx(0.5)
    assert float(objective(margins(0.5, repaired=-0.099), "repaired")) == pytest.approx(-0.5)


def test_hypotheses_and_scores_by_hand():
    for one, met in ((margins(), True), (margins(printed=0.0), False), (margins(a3=0.0), False), (margins(-1.0), True)):
        assert bool(_hypotheses(one, "printed")) is met
    for one, met in ((margins(printed=-1.0, a3=-1.0), True), (margins(repaired=0.0), False)):
        assert _hypotheses(one, "repaired") is met
    assert float(_score(margins(0.5, 0.25, a3=0.0625), "printed")) == 0.25
    assert float(_score(margins(0.125, 0.25, a3=0.0625), "printed")) == 0.125
    assert float(_score(margins(0.5, 0.75, a3=0.015625), "printed")) == 0.3125
    assert float(_score(margins(0.5), "repaired")) == 0.5
    assert float(_score(margins(0.5, repaired=0.0), "repaired")) == -math.inf


def test_a_counterexample_is_confirmed_by_what_is_enumerated(monkeypatch):
    mixture, prompt = instance_of(LOGITS, 2)
    broken = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.5, 0.0], STARTS[1]], [TRUE, OTHER], np.eye(3), 2)
    for told, given, expected in (
        (margins(), mixture, True),
        (margins(rate=0.0), mixture, False),
        (margins(printed=0.0), mixture, False),
        (margins(), broken, False),
        (margins(), MixtureOfHMMs([0.5, 0.5], STARTS, [TRUE, [[0.5, 0.5, 0.0]] * 3], np.eye(3), 2), False),
    ):
        monkeypatch.setattr(module, "instance_of", lambda logits, length, m=given: (m, prompt))
        asked = []
        monkeypatch.setattr(module, "margins_by_enumeration", lambda *x, t=told, a=asked: a.append(x[2:]) or t)
        found = _confirm(LOGITS, "printed", 2)
        assert (found is not None) is expected and asked == [(0, 1)]
        assert not expected or (found.mixture is given and found.prompt is prompt and found.margins == told)


def tally(keep, **fields):
    base = dict(success=np.zeros(keep, bool), met=np.full(keep, 2), start_met=np.ones(keep, int),
                highest_rate=np.full(keep, -1.0), highest_sum=np.full(keep, -2.0))  # fmt: skip
    return _Tally(**(base | fields))


def test_batches_add_up(monkeypatch):
    """Ten starts by fours: 4, 4 and 2; in the second batch starts 1 and 3 succeed, and 3 is not confirmed."""
    monkeypatch.setattr(module, "BATCH", {"printed": 64, "repaired": 4})
    calls, confirmed, told = [], [], []

    def climb(key, statement, size, keep, states, length, steps):
        calls.append((statement, size, keep, states, length, steps))
        best = Logits(*(np.arange(keep, dtype=float) + 10 * len(calls) for _ in range(3)))
        if len(calls) == 2:
            return best, tally(keep, success=np.array([False, True, False, True]), highest_rate=np.arange(4.0) - 3,
                               highest_sum=np.array([-5.0, -0.5, -6.0, -7.0]))  # fmt: skip
        return best, tally(keep)

    def confirm(logits, statement, length):
        confirmed.append((float(logits.initial), float(logits.prompt), statement, length))
        return module.Found(*instance_of(LOGITS, 2), by_hand(2)) if len(confirmed) == 1 else None

    monkeypatch.setattr(module, "climb", climb)
    monkeypatch.setattr(module, "_confirm", confirm)
    out = search("repaired", 10, jax.random.key(0), states=5, length=3, progress=lambda *at: told.append(at))
    assert calls == [("repaired", 4, keep, 5, 3, 120) for keep in (4, 4, 2)]
    assert confirmed == [(21.0, 21.0, "repaired", 3), (23.0, 23.0, "repaired", 3)]
    assert told == [(4, 10), (8, 10), (10, 10)]
    assert (out.statement, out.found, len(out.instances), out.starts, out.visited) == ("repaired", 1, 1, 10, 1210)
    assert (out.hypotheses_met, out.starts_met, out.highest_rate, out.highest_sum) == (20, 10, 0.0, -0.5)
    calls.clear()
    assert search("printed", 3, jax.random.key(0), steps=0).visited == 3
    assert calls == [("printed", 3, 3, 4, 2, 0)]
    calls.clear()
    search("printed", 64, jax.random.key(0))
    assert calls == [("printed", 64, 64, 4, 2, 600)]


@pytest.mark.parametrize(
    ("arguments", "field"), [(dict(states=2), "states"), (dict(length=1), "length"), (dict(steps=-1), "steps")]
)
def test_what_a_search_refuses(arguments, field):
    with pytest.raises(ModelError, match=field):
        search("printed", 4, jax.random.key(0), **arguments)


@pytest.mark.parametrize("statement", ["printed", "repaired"])
def test_an_ascent_keeps_its_best_and_counts_what_it_meets(statement):
    """Three steps of Adam by hand, against the scan: the best of four iterates, and counts over all of them."""
    import optax

    start = Logits(*(jnp.asarray(x) for x in LOGITS))
    with jax.enable_x64(True):
        start = Logits(*(jnp.asarray(np.asarray(x, np.float64)) for x in LOGITS))
        rate = {"printed": 0.05, "repaired": 0.03}[statement]
        optimiser, seen = optax.adam(rate), [start]
        state = optimiser.init(start)
        climbed = jax.jit(jax.grad(lambda x: -objective(margins_of(x, 2), statement)))
        for _ in range(3):
            updates, state = optimiser.update(climbed(seen[-1]), state)
            seen.append(Logits(*optax.apply_updates(seen[-1], updates)))
        looked = [Margins(*map(float, margins_of(x, 2))) for x in seen]
        best, found = jax.jit(functools.partial(module._ascend, statement=statement, length=2, steps=3))(start)
    met = [bool(_hypotheses(x, statement)) for x in looked]
    scores = [float(_score(x, statement)) for x in looked]
    np.testing.assert_allclose(best.transition, seen[int(np.argmax(scores))].transition, rtol=1e-12)
    assert (int(found.met), int(found.start_met)) == (sum(met), int(met[0]))
    assert bool(found.success) == any(m and x.rate >= 0 for m, x in zip(met, looked, strict=True))
    highest = max((x.rate for m, x in zip(met, looked, strict=True) if m), default=-math.inf)
    assert float(found.highest_rate) == pytest.approx(highest, rel=1e-12)
    assert float(found.highest_sum) == pytest.approx(max(x.rate + x.repaired for x in looked), rel=1e-12)


def test_an_ascent_from_a_counterexample_has_met_it():
    """From the printed counterexample itself, without a step: hypotheses met once, success, its rate of 2.004."""
    case = printed_theorem_1()
    with jax.enable_x64(True):
        start = Logits(*(jnp.log(jnp.asarray(np.asarray(x, np.float64))) for x in (
            case.mixture.initial, case.mixture.transition, case.prompt.start[:3])))  # fmt: skip
        best, found = module._ascend(start, "printed", 2, 0)
    assert (bool(found.success), int(found.met), int(found.start_met)) == (True, 1, 1)
    assert float(found.highest_rate) == pytest.approx(2.0041, abs=5e-5)
    np.testing.assert_array_equal(best.initial, start.initial)


def test_the_counterexamples_field_by_field():
    one, two = printed_theorem_1(), printed_lemma_1()
    for case, tokens in ((one, 4), (two, 5)):
        assert (case.true_concept, case.concept, case.x_test, case.prompt.length) == (0, 1, (0,), 2)
        assert (case.mixture.delimiter, case.mixture.n_tokens, len(case.tokens)) == (tokens - 1, tokens, tokens)
        assert len(case.states) == case.mixture.n_states and case.mixture.prior.tolist() == [0.5, 0.5]
        assert np.array_equal(case.prompt.hmm.transition, case.mixture.transition[0])
    case, failing = printed_proposition_2()
    assert (case.prompt.length, case.x_test, case.name) == (4, (0, 1, 0), "proposition-2")
    assert [(b.example, b.state, b.claimed) for b in failing] == [
        ((1, 0, 1, 0), 0, 0.002**2), ((0, 0, 0, 0), 0, 0.002**2)
    ]  # fmt: skip
    assert failing[1].probability == pytest.approx(0.002**3, rel=1e-12)


def test_a_sequence_from_every_state_by_hand():
    emission = np.array([[0.75, 0.25, 0.0], [0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    assert example_given_state(np.array(TRUE), emission, ()).tolist() == [1.0, 1.0, 1.0]
    assert example_given_state(np.array(TRUE), emission, (0,)).tolist() == [0.75, 0.5, 0.0]
    right = emission[:, 0] * (np.array(TRUE) @ (emission[:, 1] * (np.array(TRUE) @ emission[:, 2])))
    np.testing.assert_allclose(example_given_state(np.array(TRUE), emission, (0, 1, 2)), right, rtol=1e-14)


def test_logits_far_apart_are_laws():
    """1000 and 0 are (1, 0): nothing overflows, and what would be subnormal is 0."""
    assert observed_chains._softmax(np.array([[1000.0, 0.0], [0.0, 0.0]])).tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert observed_chains._softmax(np.array([0.0, -720.0])).tolist() == [1.0, 0.0]
    np.testing.assert_allclose(observed_chains._softmax(np.array([0.0, math.log(3)])), [0.25, 0.75], rtol=1e-15)


def test_draws_by_hand(monkeypatch):
    """With told normal numbers 0, 1/8, 2/8, ... and told spreads: words' logits are log-probabilities of rows twice as
    spread as the first, the delimiter's are -1 and a fifth of the second, start laws half of the third and all of the
    fourth away from the row after a delimiter."""

    def uniform(key, shape, minval, maxval):
        assert (shape, minval, maxval) == ((4,), -2.0, 1.0)
        return jnp.log(jnp.array([0.5, 2.0, 0.25, 3.0]))

    monkeypatch.setattr(jax.random, "normal", lambda key, shape: jnp.arange(math.prod(shape)).reshape(shape) / 8)
    monkeypatch.setattr(jax.random, "uniform", uniform)
    found = observed_chains.random_logits(jax.random.key(0), "repaired", 3)
    words = np.arange(18).reshape(2, 3, 3)[..., :2] / 8
    words = words - np.log(np.exp(words).sum(-1, keepdims=True))
    delimiter = -1.0 + 0.4 * np.arange(6).reshape(2, 3) / 8
    transition = np.concatenate([words, delimiter[..., None]], -1)
    np.testing.assert_allclose(found.transition, transition, rtol=1e-5)
    np.testing.assert_allclose(found.initial, transition[:, 2] + 0.125 * np.arange(6).reshape(2, 3) / 8, rtol=1e-5)
    np.testing.assert_allclose(found.prompt, transition[0, 2, :2] + 3.0 * np.arange(2) / 8, rtol=1e-5)
    plain = observed_chains.random_logits(jax.random.key(0), "printed", 4)
    assert [x.shape for x in plain] == [(2, 4), (2, 4, 4), (3,)]


def test_balls_that_touch_a_limit():
    """[1, 2] is not below 1 nor surely above it; [1/2, 1] is at most 1."""
    flint = pytest.importorskip("flint")
    from implicit_bayes.theory.proofs.certify_moments import _below

    assert [_below(flint.arb(middle, 0.5), flint.arb(1)) for middle in (0.25, 1.25, 1.5, 1.75)] == [
        True, "undetermined", "undetermined", False
    ]  # fmt: skip
    assert (_below(flint.arb(1), flint.arb(1)), _below(flint.arb(2), 1)) == (True, False)
    ball = flint.arb(1.5, 0.5)
    with flint.ctx.workprec(256):
        end = ball.mid() - ball.rad()
    assert end.rad() == 0 and _below(ball, end) == "undetermined"  # the number may be the limit itself


def test_enclosures_on_their_edges():
    flint = pytest.importorskip("flint")
    from implicit_bayes.theory.proofs.enclosures import add, enclose, is_value, log_ratio

    assert [enclose(flint.arb(m, r)).sign for m, r in ((1, 0), (-1, 0), (0, 0), (0, 1), (1, 2), (-1, 0.5))] == [
        True, False, False, "undetermined", "undetermined", False
    ]  # fmt: skip
    assert (enclose(flint.arb(3)).radius, float(enclose(flint.arb(3)))) == (0.0, 3.0)
    assert enclose(flint.arb(3, 0.25)).radius >= 0.25
    assert (log_ratio(0, 0), log_ratio(1, 0), log_ratio(0, 1)) == (math.inf, math.inf, -math.inf)
    assert float(log_ratio(F(1, 2), F(1, 4))) == pytest.approx(math.log(2))
    assert (add(1.0, math.inf, -math.inf), add(1.0, -math.inf)) == (math.inf, -math.inf)
    assert float(add(flint.arb(1), flint.arb(2), flint.arb(4))) == 7.0
    assert [is_value(x, math.nan) for x in (math.nan, 1.0, F(1))] == [True, False, False]
    assert is_value(1.0, math.inf) is False and is_value(math.nan, 1.0) is False


def test_one_token_leads_by_its_whole_probability():
    """A single token is certain: Delta = 1, Delta/4 = 1/4 (with one state and one token, which is the delimiter)."""
    pytest.importorskip("flint")
    from implicit_bayes.theory.proofs.certify import certify

    one = MixtureOfHMMs([0.5, 0.5], [[1.0]] * 2, [[[1.0]]] * 2, [[1.0]], 0)
    found = certify(one, PromptLaw.of(one, [1.0], 0, 2), 0, 1)
    assert (found.constants["delta_over_4"], found.assumptions["A3"]) == (F(1, 4), True)
