"""Measures of the gap against numbers worked out by hand."""

import jax
import numpy as np

from implicit_bayes.benchmarks.gap.context import _cells
from implicit_bayes.benchmarks.gap.implied_documents import implied_gap
from implicit_bayes.benchmarks.gap.scaling_laws import bayesian, bounded_power, power
from implicit_bayes.benchmarks.predictors.curves import Answers
from implicit_bayes.benchmarks.predictors.models import find_model
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.sampler import sample_documents

N = np.array([0.0, 1.0, 3.0])


def test_a_power_law_falls_from_k_plus_c_to_k():
    """K = 1, C = 2, a = 2; bounded at m = 2."""
    np.testing.assert_allclose(power(N, np.array([1.0, 2.0, np.log(2.0)])), [3.0, 1.5, 1.125])
    bounded = bounded_power(N, np.array([1.0, 2.0, np.log(2.0), np.log(2.0)]))
    np.testing.assert_allclose(bounded, [3.0, 1 + 2 / 1.5**2, 1 + 2 / 2.5**2])


def test_the_bayesian_law_is_a_ratio_of_two_evidences():
    """p = .8 and .3, r = .25 and .75, two tokens' worth an example."""
    logit = lambda p: np.log(p / (1 - p))  # noqa: E731
    found = bayesian(N, np.array([logit(0.8), logit(0.3), logit(0.25), np.log(2.0)]))
    evidence = lambda power: 0.25 * 0.8**power + 0.75 * 0.3**power  # noqa: E731
    np.testing.assert_allclose(found, [-np.log(evidence(2 * n + 1) / evidence(2 * n)) for n in N])


def test_the_error_of_a_mean_loss_divides_by_one_less_than_the_prompts():
    """Losses log 2, 2 log 2 and 3 log 2: standard deviation log 2; a fourth prompt is not of the split."""
    truth = np.tile([1.0, 0.0], (4, 1, 1))
    law = np.array([[0.5, 0.5], [0.25, 0.75], [0.125, 0.875], [1.0, 0.0]])[:, None]
    found = _cells(truth, Answers(law, np.ones((4, 1), bool)), np.array([[True], [True], [True], [False]]))
    np.testing.assert_allclose(found["log_loss"], [2 * np.log(2)])
    np.testing.assert_allclose(found["log_loss_error"], [np.log(2) / np.sqrt(3)])
    np.testing.assert_allclose(found["accuracy"], [1 / 3])  # a tie counts as its first token
    assert found["prompts"].tolist() == [3]


def test_what_bayes_never_settles_is_counted_beside_what_the_model_never_settles():
    """The uniform model implies nothing, exact Bayes identifies most: each share is of its own times."""
    instance = load_instance("regular")

    with jax.enable_x64(True):
        drawn = sample_documents(instance.mixture, jax.random.key(3), 40, 30)
        uniform = implied_gap(find_model("uniform", instance), instance.mixture, drawn.tokens, drawn.concepts)
        bayes = implied_gap(find_model("bayes", instance), instance.mixture, drawn.tokens, drawn.concepts)
    assert uniform.exact_unsettled == bayes.exact_unsettled == bayes.unsettled < uniform.unsettled
    assert uniform.exact_time == bayes.exact_time
