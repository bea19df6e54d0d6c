"""Certificates of rows that no short decimals write: they are divided by their sums, and the certificate says how far
off they were."""

from fractions import Fraction

import numpy as np
import pytest
from stored_cases import case_of

from implicit_bayes.theory import MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.information.kl import kl_sum
from implicit_bayes.theory.information.rates import log_likelihood_rate
from implicit_bayes.theory.proofs.certify import certify
from implicit_bayes.theory.proofs.counterexamples import printed_theorem_1
from implicit_bayes.theory.proofs.exact_instance import off_one, printed_fractions


def test_rows_that_are_no_short_decimals_are_divided_by_their_sums():
    short = np.array([0.1, 0.9])
    assert printed_fractions(short) == (Fraction(1, 10), Fraction(9, 10)) and off_one(short) == 0
    assert printed_fractions(np.full((1, 3), 1 / 3)) == ((Fraction(1, 3),) * 3,)
    assert off_one(short, np.array([[0.5, 0.5], [2 / 3, 1 / 3]])) == Fraction(1, 10**16)
    case = printed_theorem_1()
    assert certify(case.mixture, case.prompt, case.true_concept, case.concept).rescaled == 0.0
    drawn = np.random.default_rng(0).dirichlet(np.ones(4), (2, 4))
    mixture = MixtureOfHMMs([1 / 3, 2 / 3], drawn[:, 0], drawn, np.eye(4), 3)
    prompt = PromptLaw.of(mixture, [0.2, 0.5, 0.3, 0.0], 0, 2)
    found = certify(mixture, prompt, 0, 1)
    assert 0 < found.rescaled < 1e-15
    rate = log_likelihood_rate(prompt, mixture.concept(1)).value
    assert float(found.rate) == pytest.approx(rate, rel=1e-12)
    assert float(found.kl_sum) == pytest.approx(kl_sum(prompt, mixture.concept(1)).value, rel=1e-12)


def test_a_relabelled_theta_star_has_the_rate_zero_proved():
    """The stored case, and states of random rows in another order: the ratio of every example is exactly 1."""
    instance = case_of("relabelled")
    starts, true = instance.prompt_starts, instance.true_concepts[0]
    generator, cases = np.random.default_rng(1), [(instance.mixture, starts[0, 0], true, 3)]
    for _ in range(5):
        kernel, emission = generator.dirichlet(np.ones(4), 4), generator.dirichlet(np.ones(2), 4)
        emission = np.c_[np.arange(4) == 0, emission * (np.arange(4) > 0)[:, None]]
        initial, order = generator.dirichlet(np.ones(4)), np.r_[0, 1 + generator.permutation(3)]
        both = [[x, x[order]] for x in (initial, emission)]
        kernels = [kernel, kernel[np.ix_(order, order)]]
        mixture = MixtureOfHMMs([0.5, 0.5], both[0], kernels, np.array(both[1], float), 0)
        cases.append((mixture, np.r_[0.0, generator.dirichlet(np.ones(3))], 0, 2))
    for mixture, start, concept, k in cases:
        found = certify(mixture, PromptLaw.of(mixture, start, concept, k), concept, 1)
        assert (found.rate.midpoint, found.rate.radius, found.sharp_holds) == ("0", 0.0, False)
        assert found.rescaled > 0
