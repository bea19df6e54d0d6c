"""Every step of the repaired proof on random instances, and the instances that show which hypotheses it needs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from implicit_bayes.theory import MixtureOfHMMs, ModelError, filter_mixture, log_evidence, strategies
from implicit_bayes.theory.statements.lemma_1 import lemma_1, lemma_1_from_paths
from implicit_bayes.theory.statements.repaired import assembled_bound, last_segment, segment_probability, step_a, step_b
from implicit_bayes.theory.statements.repaired_constants import RepairedConstants, limit_bound, repaired_constants

STEPS = settings(max_examples=25, deadline=None)
SLACK = 1e-9
"""Rounding allowed in inequalities between log-probabilities of magnitude up to about 1000."""

positive = st.one_of(
    strategies.instances("A1", "A2", "A5", delimiters=1, length=2),
    strategies.instances("A1", "A2", "A5", delimiters=2, tokens=4, identity=False),
)
"""One delimiter state with identity emission, or two with general emissions; 4 tokens either way."""

any_chain = st.one_of(
    strategies.instances("A1", delimiters=1),
    strategies.instances("A1", delimiters=2, states=4, tokens=4, identity=False),
)
"""The same with A1 only: zeros anywhere in start laws and kernels."""


def tokens(shape, instance):
    return arrays(np.int64, shape, elements=st.integers(0, instance.mixture.n_tokens - 1), fill=st.nothing())


def wrong(instance):
    return (instance.true_concept + 1) % instance.mixture.n_concepts


def holds(sides):
    return sides.left[sides.defined] <= sides.right[sides.defined] + SLACK


@STEPS
@given(st.data(), st.one_of(positive, any_chain))
def test_steps_a_and_b_for_every_past(data, instance):
    args = (instance.mixture, instance.true_concept, wrong(instance))
    past, example = data.draw(tokens((8, 3), instance)), data.draw(tokens((8, 2), instance))
    assert holds(step_a(*args, past, example)).all()
    assert holds(step_b(*args, past, example)).all()


@STEPS
@given(st.data(), positive)
def test_last_segment(data, instance):
    past, x_test = data.draw(tokens((8, 3), instance)), data.draw(tokens((8, 2), instance))
    sides = last_segment(instance.mixture, instance.true_concept, wrong(instance), past, x_test)
    assert sides.defined.all() and holds(sides).all()


@STEPS
@given(st.data(), positive)
def test_assembled_inequality_for_n_up_to_8(data, instance):
    k, n = 2, 8
    prompts = data.draw(tokens((4, (k + 1) * n + k - 1), instance))
    prompts[:, k : (k + 1) * n : k + 1] = instance.mixture.delimiter
    out = assembled_bound(instance.mixture, instance.true_concept, wrong(instance), k, prompts)
    assert (out.log_ratio <= out.bound + SLACK).all()
    assert list(out.shots) == list(range(1, n + 1))


def test_only_the_last_segment_costs_where_all_is_uniform():
    """Two equal concepts, everything uniform: delimiters cost nothing and what is left is the last segment's constant,
    so that k for k - 1, log2 for log or a missing |D| would show."""
    for d in (1, 2):
        emission = np.eye(4)[[0, 1, 2, 3] if d == 1 else [0, 1, 3, 3]]
        mixture = MixtureOfHMMs([0.5, 0.5], np.full((2, 4), 0.25), np.full((2, 4, 4), 0.25), emission, 3)
        out = assembled_bound(mixture, 0, 1, 2, np.tile([0, 1, 3] * 8 + [1], (4, 1)))
        np.testing.assert_allclose(out.log_ratio, 0, atol=1e-12)
        np.testing.assert_allclose(out.bound, -math.log(d / 4) - math.log(1 / 4), atol=1e-12)


def test_per_delimiter_cost_is_attained():
    """theta restarts in state 0 far more often than it starts there and theta* the other way about: along O = 0 1 every
    factor of steps A and B is attained, so the bound grows with n exactly as n r_n does."""
    true = np.array([*[[0.5, 0.3, 0.1, 0.1]] * 3, [0.1, 0.4, 0.4, 0.1]])
    other = np.array([*[[0.4, 0.2, 0.1, 0.3]] * 3, [0.6, 0.05, 0.05, 0.3]])
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.2, 0.2, 0.1], [0.2, 0.1, 0.1, 0.6]], [true, other], np.eye(4), 3)
    constants = repaired_constants(mixture, 0, 1)
    assert constants.r_theta == pytest.approx(3)
    assert constants.rho_star == pytest.approx(0.2)
    assert constants.eps_delim == pytest.approx(math.log(3) + math.log(15))
    out = assembled_bound(mixture, 0, 1, 2, np.tile([0, 1, 3] * 8 + [0], (4, 1)))
    np.testing.assert_allclose(np.diff(out.bound), np.diff(out.log_ratio), rtol=1e-12)
    # n = 1 by hand: -log(c1) - log(c5 c6) + log p(O|theta)/p(O|theta*)
    assert out.bound[0, 0] == pytest.approx(-2 * math.log(0.1) + math.log(0.2 * 0.2 / (0.5 * 0.3)))


def test_delimiter_must_come_first():
    """Theory notes, section 3, write p(O_i, delimiter | past) = sum_d p(d|past) p(O_i|d). Read with the delimiter
    *after* O_i and a past that ends in one, both steps are false for |D| = 2: the past tells which delimiter state it
    ended in (d1 rather than d2), so that p(O_i|past) is not shared among D, while the next delimiter may be either."""
    # states a, b, d1, d2
    theta = [[0.6, 0.0, 0.4, 0.0], [0.0, 0.2, 0.4, 0.4], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    star = [[0.1, 0.1, 0.7, 0.1], [0.4, 0.4, 0.1, 0.1], [0.75, 0.05, 0.1, 0.1], [0.05, 0.75, 0.1, 0.1]]
    starts = [[0.4, 0.4, 0.1, 0.1], [0.5, 0.5, 0.0, 0.0]]
    mixture = MixtureOfHMMs([0.5, 0.5], starts, [star, theta], np.eye(4)[[0, 1, 3, 3]], 3)
    constants = repaired_constants(mixture, 0, 1)
    assert (constants.c1, constants.c2) == (0.1, 0.4)
    assert (constants.r_theta, constants.rho_star) == (pytest.approx(2), pytest.approx(2))
    documents = np.tile([0, 0, 3, 1, 1, 3], (8, 1))
    evidence = np.asarray(filter_mixture(mixture, documents, positions=[3, 6]).log_evidence)[0]
    star_alone, theta_alone = np.exp(np.asarray(log_evidence(mixture, documents[:, 3:5]))[0])
    star_after, theta_after = np.exp(evidence[1] - evidence[0])
    assert theta_after == pytest.approx(1 * 0.2 * 0.8)
    assert theta_after > 1.9 * constants.c2 * constants.r_theta * theta_alone
    assert star_after == pytest.approx((7 / 8 * 0.05 + 1 / 8 * 0.75) * 0.4 * 0.2)
    assert star_after < 0.4 * constants.c1 * constants.rho_star * star_alone
    for step in (step_a, step_b):
        assert holds(step(mixture, 0, 1, documents[:, :3], documents[:, 3:5])).all(), "delimiter first: true"


def test_delimiter_first_is_exactly_what_is_proved():
    """The cut is before the delimiter: segment_probability is p(past, delim, O) / p(past)."""
    rng = np.random.default_rng(1)
    laws = rng.dirichlet(np.ones(4), (2, 5))
    mixture = MixtureOfHMMs([0.5, 0.5], laws[:, 4], laws[:, :4], np.eye(4), 3)
    out = segment_probability(mixture, 0, np.tile([2, 0, 1], (8, 1)), np.tile([1, 0], (8, 1)))
    p, q = mixture.transition[0], mixture.initial[0]
    assert out.left[0] == pytest.approx(math.log(p[1, 3] * p[3, 1] * p[1, 0]))
    assert out.right[0] == pytest.approx(math.log(q[1] * p[1, 0]))
    stuck = MixtureOfHMMs([0.5, 0.5], [[1, 0, 0, 0]] * 2, [np.eye(4)] * 2, np.eye(4), 3)
    assert not segment_probability(stuck, 0, np.tile([1, 1, 1], (8, 1)), np.tile([0, 0], (8, 1))).defined.any()


def test_a1_is_needed_and_demanded():
    leaky = MixtureOfHMMs([0.5, 0.5], np.full((2, 2), 0.5), np.full((2, 2, 2), 0.5), [[0.9, 0.1], [0, 1]], 1)
    with pytest.raises(ModelError, match=r"emission: state 0 of concept 0.*A1"):
        repaired_constants(leaky, 0, 1)


def test_bad_shapes_are_named():
    mixture = MixtureOfHMMs([0.5, 0.5], np.full((2, 2), 0.5), np.full((2, 2, 2), 0.5), np.eye(2), 1)
    with pytest.raises(ModelError, match="prompts: 5 tokens"):
        assembled_bound(mixture, 0, 1, 2, np.zeros((1, 5), dtype=int))
    with pytest.raises(ModelError, match="past: empty"):
        segment_probability(mixture, 0, np.zeros((1, 0), dtype=int), np.zeros((1, 1), dtype=int))


@STEPS
@given(st.integers(0, 10**6), st.sampled_from([1, 2]))
def test_limit_bound_is_what_one_more_example_adds_to_the_assembled_bound(seed, delimiters):
    """The mean, over every example O_2 that a prompt may have, of the bound at n = 2 less the bound at n = 1."""
    generator = np.random.default_rng(seed)
    laws = generator.dirichlet(np.full(4, 2.0), (2, 5)) * 0.96 + 0.01
    emission = np.eye(4)[[0, 1, 2, 3] if delimiters == 1 else [0, 1, 3, 3]]
    mixture = MixtureOfHMMs([0.5, 0.5], laws[:, 4], laws[:, :4], emission, 3)
    emitted = np.flatnonzero(emission.any(0))
    second = [(a, b) for a in emitted for b in emitted]
    starts = [generator.dirichlet(np.ones(4)), *mixture.initial]
    chains = [mixture.transition[0], *mixture.transition]
    p_prompt, p_true, p_wrong = (
        np.array([start * emission[:, a] @ chain @ emission[:, b] for a, b in second])
        for start, chain in zip(starts, chains, strict=True)
    )
    seen = p_prompt > 0
    start_kl, kl_sum = (float(p_prompt[seen] @ np.log(p_prompt[seen] / p[seen])) for p in (p_true, p_wrong))
    prompts = np.array([[0, 1, 3, a, b, 3, 0] for a, b in second])
    added = np.diff(assembled_bound(mixture, 0, 1, 2, prompts).bound)[:, 0]
    bound = limit_bound(repaired_constants(mixture, 0, 1), start_kl, kl_sum)
    assert float(p_prompt[seen] @ added[seen]) == pytest.approx(bound, abs=1e-9)


def test_limit_bound_at_infinities():
    constants = RepairedConstants(1, 0.02, 0.3, 0.002, 1.0, 6.0, 0.5)
    assert limit_bound(constants, 1.0, math.inf) == -math.inf
    for vacuous in (dict(c1=0.0), dict(r_theta=math.inf), dict(rho_star=0.0), dict(c1=0.0, c2=0.0)):
        assert limit_bound(constants._replace(**vacuous), 1.0, math.inf) == math.inf
    assert limit_bound(constants, math.inf, 1.0) == math.inf
    assert limit_bound(constants._replace(c2=0.0), 1.0, 1.0) == -math.inf


lemma_instances = st.one_of(
    strategies.instances("A1", "A2", "A5", delimiters=1),
    strategies.instances("A1", "A2", "A5", delimiters=2, states=4, tokens=4, identity=False),
    strategies.instances("A3", delimiters=2, states=4, tokens=4, identity=False),
    strategies.instances("A3", delimiters=1),
)


@settings(max_examples=80, deadline=None)
@given(st.data(), lemma_instances)
def test_repaired_lemma_1(data, instance):
    """Both sufficient conditions force the argmax, whatever the weights of the delimiter states; the second implies the
    first (its proof)."""
    mixture = instance.mixture
    x_test = data.draw(tokens((12, 2), instance))
    out = lemma_1(mixture, instance.prompt.start, instance.true_concept, x_test)
    assert (out.by_start <= out.by_posterior).all()
    weights = data.draw(strategies.laws((mixture.delimiter_states().size,)))
    start = weights @ instance.prompt.hmm.transition[mixture.delimiter_states()]
    known = MixtureOfHMMs([1.0], [start], [instance.prompt.hmm.transition], instance.prompt.hmm.emission, 3)
    predictive = np.asarray(filter_mixture(known, x_test, positions=[2]).predictive)[:, 0]
    enough = out.by_posterior | out.by_start
    assert (predictive[enough].argmax(-1) == out.answer[enough]).all()


@settings(max_examples=30, deadline=None)
@given(st.data(), strategies.instances("A3", delimiters=2, states=4, tokens=4, identity=False))
def test_lemma_1_against_the_filter_after_a_prompt(data, instance):
    """n = 1: whatever the example, the filter that knows theta* answers as p_prompt does where a condition holds; and
    the quantities agree with the filter started from p_prompt."""
    true = instance.mixture.restrict(instance.true_concept)
    x_test = data.draw(tokens((12, 2), instance))
    out = lemma_1(instance.mixture, instance.prompt.start, instance.true_concept, x_test)
    prompt = np.concatenate([data.draw(tokens((12, 2), instance)), np.full((12, 1), true.delimiter), x_test], 1)
    after = filter_mixture(true, prompt, positions=[5])
    agree = np.asarray(after.predictive)[:, 0].argmax(-1) == out.answer
    assert agree[(out.by_posterior | out.by_start) & np.asarray(after.defined)[:, 0]].all()
    fresh = MixtureOfHMMs([1.0], [instance.prompt.start], true.transition, true.emission, true.delimiter)
    direct = np.sort(np.asarray(filter_mixture(fresh, x_test, positions=[2]).predictive)[:, 0], -1)
    np.testing.assert_allclose(out.margin[out.defined], (direct[:, -1] - direct[:, -2])[out.defined], atol=1e-12)


def test_lemma_1_is_undefined_for_an_impossible_x():
    mixture = MixtureOfHMMs([1.0], [[0.5, 0.5, 0]], [[[0, 0.5, 0.5], [0, 0.5, 0.5], [0, 1, 0]]], np.eye(3), 2)
    out = lemma_1(mixture, np.array([1.0, 0, 0]), 0, np.array([[0], [1]]))
    assert not out.defined.any() and not (out.printed | out.by_posterior | out.by_start).any()
    assert np.isfinite(out.margin).all() and np.isfinite(out.tv_posterior).all()


@pytest.mark.parametrize(("after", "flips"), [(0.499, True), (0.501, False)])
def test_the_halves_of_lemma_1_cannot_be_improved(after, flips):
    """x comes from A, which answers y1, or B, which answers y2; p_prompt(A) = .6, so Delta(x)/2 = .1, and both limits
    are .1 (x is certain). A law after the delimiter .101 away flips the answer and is refused; .099 away does not."""
    answers = [[0, 0, 1, 0, 0], [0, 0, 0, 1, 0], *[[0, 0, 0, 0, 1]] * 2, [after, 1 - after, 0, 0, 0]]
    mixture = MixtureOfHMMs([1.0], [[0.5, 0.5, 0, 0, 0]], [answers], np.eye(4)[[0, 0, 1, 2, 3]], 3)
    out = lemma_1(mixture, np.array([0.6, 0.4, 0, 0, 0]), 0, np.array([[0]]))
    assert out.margin[0] / 2 == pytest.approx(0.1)
    assert out.start_limit[0] == pytest.approx(0.1)
    assert (out.predictive[0, 0].argmax() != out.answer[0]) == flips
    assert out.by_posterior[0] == out.by_start[0] == (not flips)


def test_the_answer_of_lemma_1_is_the_first_of_tokens_that_tie():
    """From states of probability .1, .2, .3 tokens follow with (0, 0, 1/2) and (1/2, 1/2, 0): .15 either way, and in
    floating point .1 / 2 + .2 / 2 is the larger one."""
    start, law = np.array([0.1, 0.2, 0.3]), np.array([[0.0, 0.5], [0.0, 0.5], [0.5, 0.0]])
    assert (start @ law).argmax() == 1
    for columns in ([0, 1], [1, 0]):
        found = lemma_1_from_paths(np.eye(3)[None], start[None].repeat(2, 0), law[:, columns], 0.0, 0.0)
        assert found.answer[0] == 0


def test_the_start_limit_is_of_what_p_prompt_gives_x():
    """Masses (.6, .2) under p_prompt and (.3, .1) after d: p(y | x) = (.58, .22) / .8, so .45 * .8 / 2 = .18."""
    following = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = lemma_1_from_paths(np.eye(2)[None], np.array([[0.6, 0.2], [0.3, 0.1]]), following, 0.0, 0.0)
    assert (found.margin[0], found.start_limit[0]) == (pytest.approx(0.45), pytest.approx(0.18))
