"""The implied posterior against SciPy, and against exact Bayes; the measures of non-Bayesianity built on it."""

import jax
import numpy as np
import pytest
from gap_cases import forbidding, misspecified, network, relabelled, small
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from implicit_bayes.benchmarks.gap.bayesianity import martingale_gap, order_variance
from implicit_bayes.benchmarks.gap.implied import implied_posterior, time_to_identify
from implicit_bayes.benchmarks.gap.implied_documents import implied_gap
from implicit_bayes.benchmarks.predictors.models import MixtureModel
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.sampler import sample_documents, sample_prompts
from implicit_bayes.theory import MixtureOfHMMs, filter_concepts

KINDS = ("inside", "on a face", "faint", "foreign", "point")


def flat(concepts: int) -> MixtureOfHMMs:
    return MixtureOfHMMs(np.full(concepts, 1 / concepts), np.ones((concepts, 1)), np.ones((concepts, 1, 1)), [[1.0]], 0)


def case(seed: int, kind: str, zeros: bool):
    """Three concepts' laws over six tokens, and a law q to be explained."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(6, 0.7), 3)
    if zeros:
        p = p * (rng.random(p.shape) > 0.4)
        p[:, 0] += 0.05
        p /= p.sum(-1, keepdims=True)
    w = rng.dirichlet(np.ones(3))
    if kind == "on a face":
        w = np.array([w[0], 1 - w[0], 0.0])
    if kind == "faint":
        w = w**30 / (w**30).sum()
    q = {"foreign": rng.dirichlet(np.full(6, 0.5)), "point": np.eye(6)[rng.integers(6)]}.get(kind, w @ p)
    return p, w, q


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(KINDS), st.booleans())
@example(38, "faint", True)  # a concept of weight 7e-10 alone gives a token: its curvature is 1e9 times the others'
@example(202, "faint", True)
def test_the_weights_are_the_minimum_that_scipy_finds(seed, kind, zeros):
    p, w, q = case(seed, kind, zeros)
    found = implied_posterior(flat(3), np.zeros((1, 3)), p[None], q[None])
    allowed = p.sum(0) > 0
    kept = np.where(allowed, q, 0.0)
    assert found.forbidden_N[0] == pytest.approx(1 - kept.sum(), abs=1e-12)
    if kept.sum() == 0:
        assert not found.identified_N[0]
        return
    target = kept / kept.sum()
    seen = target > 0

    def kl(x):
        with np.errstate(divide="ignore"):
            return float((target[seen] * (np.log(target[seen]) - np.log(np.maximum(x @ p, 1e-300)[seen]))).sum())

    solved = minimize(
        kl, np.full(3, 1 / 3), method="SLSQP", bounds=[(0, 1)] * 3, options={"ftol": 1e-14, "maxiter": 500},
        constraints={"type": "eq", "fun": lambda x: x.sum() - 1},
    )  # fmt: skip
    mine = found.weight_NxC[0]
    assert mine.min() >= 0
    assert mine.sum() == pytest.approx(1, abs=1e-12)
    assert kl(mine) <= solved.fun + 1e-7
    assert found.residual_N[0] == pytest.approx(max(kl(mine), 0), abs=1e-9)
    pull = p[:, seen] @ (target[seen] / (mine @ p)[seen])
    # The optimality conditions themselves. Weights of 1e-28 are right as parts of one, not of themselves (40 steps).
    assert pull.max() <= 1 + 1e-7 or (kind == "faint" and np.abs(mine - w).max() <= 1e-12)
    if kind in KINDS[:3]:
        assert found.residual_N[0] <= 1e-12
        if found.identified_N[0]:
            np.testing.assert_allclose(mine, w, atol=1e-8)


def test_weights_that_cannot_be_told_apart_are_not_identified():
    p = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [0.35, 0.4, 0.25]])  # the third is the mean of the others
    found = implied_posterior(flat(3), np.zeros((2, 3)), np.stack([p, p]), np.stack([p[0], p[2]]))
    assert not found.identified_N.any()
    assert found.residual_N.max() <= 1e-12
    two = implied_posterior(flat(3), np.array([[0.0, 0.0, -np.inf]]), p[None], p[:1])
    assert two.identified_N[0]
    np.testing.assert_allclose(two.weight_NxC[0], [1, 0, 0], atol=1e-8)


@settings(max_examples=8)
@given(st.builds(small, st.integers(0, 10**6), st.booleans()), st.integers(0, 10**6))
def test_exact_bayes_implies_the_exact_posterior_and_drifts_nowhere(instance, seed):
    drawn = sample_documents(instance.mixture, jax.random.key(seed), 6, 12)
    model = MixtureModel("bayes", instance.mixture)
    found = implied_gap(model, instance.mixture, drawn.tokens, drawn.concepts)
    assert found.total_variation.value <= 1e-7
    assert found.residual.value <= 1e-9
    assert found.forbidden.value <= 1e-9
    assert found.time == found.exact_time or found.open_share < 1
    drift = martingale_gap(model, instance.mixture, drawn.tokens, (1, 4))
    assert drift.gap.value <= 1e-7


def test_smoothed_bayes_and_a_wrong_prior_are_told_from_bayes():
    instance = small(5, zeros=False)
    drawn = sample_documents(instance.mixture, jax.random.key(0), 40, 12)
    wrong = implied_gap(misspecified(instance), instance.mixture, drawn.tokens, drawn.concepts)
    assert wrong.total_variation.value > 0.05
    assert wrong.total_variation.value > 5 * wrong.total_variation.standard_error
    assert wrong.residual.value <= 1e-9  # a wrong posterior over the right concepts is still a mixture of them
    fresh = implied_gap(network("lstm", 8, 0), instance.mixture, drawn.tokens, drawn.concepts)
    assert fresh.total_variation.value > 0.05
    assert fresh.residual.value > 1e-3
    assert martingale_gap(network("lstm", 8, 0), instance.mixture, drawn.tokens, (1, 4)).gap.value > 1e-3


@pytest.mark.parametrize("seed", [0, 3])
def test_the_martingale_gap_by_its_definition(seed):
    """Every prefix one at a time, the weights asked for directly: TV between w and sum_x q(x) w(x), q renormalised over
    the tokens that some concept allows; counted where two concepts or more are possible and all weights identified."""
    instance, model = small(seed), MixtureModel("of another family", small(seed + 50).mixture)
    mixture, tokens = instance.mixture, sample_documents(instance.mixture, jax.random.key(seed), 12, 3).tokens

    def weights(prefix):
        found = filter_concepts(mixture, prefix[None], positions=[len(prefix)])
        q = np.exp(model.log_probabilities(prefix[None])[:, -1].astype(float))
        evidence, laws = np.asarray(found.log_evidence)[:, 0], np.asarray(found.predictive)[:, 0]
        return implied_posterior(mixture, evidence, laws, q), q[0]

    gaps = []
    for prefix in (row[:length] for row in tokens for length in (1, 3)):
        here, q = weights(prefix)
        after = [weights(np.append(prefix, token).astype(np.int32))[0] for token in range(5)]
        may = [bool(each.defined_N[0]) for each in after]
        usable = all(each.identified_N[0] for each, can in zip(after, may, strict=True) if can)
        if not (here.identified_N[0] and here.open_N[0] and usable):
            continue
        then = sum(q[x] * after[x].weight_NxC[0] for x in range(5) if may[x]) / sum(q[x] for x in range(5) if may[x])
        gaps.append(0.5 * np.abs(here.weight_NxC[0] - then).sum())
    found = martingale_gap(model, mixture, tokens, (1, 3, 99))
    assert found.prefixes == len(gaps) > 0
    assert found.gap.value == pytest.approx(np.mean(gaps), abs=1e-6)


def test_order_variance_counts_prompts_that_are_possible_in_every_order():
    """One prompt at a time, the examples permuted by hand."""
    instance = forbidding()
    model = MixtureModel("of another family", small(50).mixture)
    bayes, key = MixtureModel("bayes", instance.mixture), jax.random.fold_in(jax.random.key(6), 7)
    batch = sample_prompts(
        instance.mixture, instance.prompt_starts, key, 30, 2, 2, true_concepts=instance.true_concepts
    )
    expected, reference = [], []
    for row in batch.tokens:
        one, other, x_test = row[:3], row[3:6], row[6:-1]
        orders = np.stack([np.concatenate(parts) for parts in ((one, other, x_test), (other, one, x_test))])
        laws = [np.exp(each.log_probabilities(orders)[:, -1].astype(float)) for each in (model, bayes)]
        if (laws[1].sum(-1) > 0).all():
            expected.append(((laws[0][0] - laws[0][1]) ** 2).sum() / 4)
            reference.append(((laws[1][0] - laws[1][1]) ** 2).sum() / 4)
    found = order_variance(model, instance, 2, 30, 6, examples=2)
    assert 0 < found.possible_prompts == len(expected) < found.prompts == 30
    assert found.possible.value == pytest.approx(np.mean(expected), rel=1e-4)
    assert found.bayes.value == pytest.approx(np.mean(reference), rel=1e-4)
    assert found.variance.value != found.possible.value
    assert found.orders == 2


def test_all_models_are_asked_about_the_same_prefixes():
    instance = small(7)
    tokens = sample_documents(instance.mixture, jax.random.key(0), 10, 4).tokens
    models = (MixtureModel("bayes", instance.mixture), network("lstm", 8, 0))
    counts = [martingale_gap(model, instance.mixture, tokens, (1, 4)).prefixes for model in models]
    assert counts[0] == counts[1] > 0


def test_relabelling_the_concepts_changes_nothing_that_is_implied():
    instance, order = small(4), [2, 0, 1]
    drawn = sample_documents(instance.mixture, jax.random.key(1), 8, 12)
    model = network("lstm", 8, 3)
    one = implied_gap(model, instance.mixture, drawn.tokens, drawn.concepts)
    other = implied_gap(model, relabelled(instance.mixture, order), drawn.tokens, np.argsort(order)[drawn.concepts])
    for name in ("tv_P", "residual_P", "weight_P", "exact_P"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-7)
    drift = [
        martingale_gap(model, law, drawn.tokens, (1, 4))
        for law in (instance.mixture, relabelled(instance.mixture, order))
    ]
    assert drift[0].gap.value == pytest.approx(drift[1].gap.value, abs=1e-7)


def test_order_variance_by_hand():
    """Two examples: the variance over both orders is half the squared difference, halved again."""
    instance, model = small(zeros=False), network("lstm", 8, 5)
    found = order_variance(model, instance, 3, 7, 0, examples=2)
    assert found.orders == 2
    assert found.prompts == found.possible_prompts == 7
    assert found.variance == found.possible
    assert found.bayes.value > 0  # a document law is not blind to order
    alone = MixtureOfHMMs([1.0], [[0.5, 0.5]], [[[0.5, 0.5], [0.5, 0.5]]], [[0.4, 0.6], [0.4, 0.6]], 0)
    coin = Instance("coin", alone, np.array([[[0.5, 0.5]]]), (0,), 2, None, "independent tokens")
    assert order_variance(MixtureModel("b", alone), coin, 2, 5, 0).variance.value <= 1e-30


def test_time_to_identify_counts_from_the_last_doubt():
    weight = np.array([[0.5, 0.95, 0.8, 0.95, 0.99], [0.95] * 5, [0.1] * 5])
    posterior = np.stack([weight, 1 - weight], -1)
    counted = np.ones((3, 5), bool)
    np.testing.assert_array_equal(time_to_identify(posterior, np.zeros(3, int), counted), [3, 0, 5])
    counted[0, 2] = False
    np.testing.assert_array_equal(time_to_identify(posterior, np.zeros(3, int), counted), [1, 0, 5])
