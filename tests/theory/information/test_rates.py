"""lim r_n(theta): enumeration, the finite-n filter, supports, and the coverage of both kinds of interval."""

import itertools
import math

import numpy as np
import pytest
from delimiter_laws import one_delimiter, path_sum, split_delimiter
from hypothesis import given
from scipy import stats
from strategies import mixtures

from implicit_bayes.theory import HMM, MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.filtering.filter import filter_concepts
from implicit_bayes.theory.information.estimates import simultaneous, t_interval
from implicit_bayes.theory.information.expansion import expand
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.rates import Shared, _ratio, log_likelihood_rate, log_likelihood_rates
from implicit_bayes.theory.information.sampling import draw
from implicit_bayes.theory.information.simulated_rates import prompt_chains, simulate_rates, stack
from implicit_bayes.theory.information.supports import forbids
from implicit_bayes.theory.proofs.counterexamples import printed_theorem_1


def brute_rate(prompt, law, delimiter_state):
    total = 0.0
    for tokens in itertools.product(range(law.n_tokens), repeat=prompt.length):
        p = path_sum(prompt.start, prompt.hmm, tokens)
        if p > 0:
            ended = (*tokens, prompt.delimiter)
            ours, theirs = (path_sum(x.transition[delimiter_state], x, ended) for x in (law, prompt.hmm))
            total += p * math.log(ours / theirs)
    return total


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("length", [2, 3])
def test_closed_form_equals_enumeration(seed, length):
    mixture, start = one_delimiter(seed)
    prompt = PromptLaw.of(mixture, start, 0, length)
    rate = log_likelihood_rate(prompt, mixture.concept(1))
    assert rate.method == "closed form"
    assert rate.low == rate.value == rate.high
    assert rate.value == pytest.approx(brute_rate(prompt, mixture.concept(1), 2), abs=1e-12)
    assert log_likelihood_rate(prompt, mixture.concept(0)).value == 0.0


def test_printed_counterexample_goes_the_wrong_way():
    case = printed_theorem_1()
    rate = log_likelihood_rate(case.prompt, case.mixture.concept(1))
    assert rate.value == pytest.approx(2.0041, abs=5e-5)
    assert rate.value == pytest.approx(brute_rate(case.prompt, case.mixture.concept(1), 3), abs=1e-13)


def test_finite_prompts_converge_to_the_closed_form():
    """r_n by the exact filter, 64 prompts of 300 examples; t = 6.5 on 63 degrees of freedom (p < 1e-6), plus 1/n."""
    mixture, start = one_delimiter(4)
    prompt = PromptLaw.of(mixture, start, 0, 3)
    limit = log_likelihood_rate(prompt, mixture.concept(1)).value
    tokens = prompt_chains(prompt, 64, 300, np.random.default_rng(8))
    evidence = np.asarray(filter_concepts(mixture, tokens, positions=[4 * 3, 4 * 30, 4 * 300]).log_evidence)
    ratio = (evidence[:, :, 1] - evidence[:, :, 0]) / [3, 30, 300]
    error = ratio[:, 2].mean() - limit
    # The first example starts from the document's start law instead of row d: a bias of order 1/n.
    first = np.abs(np.log(mixture.initial / mixture.transition[:, 2])).max() * 2 / 300
    assert abs(error) <= 6.5 * ratio[:, 2].std(ddof=1) / 8 + first
    spread = ratio.std(0)
    assert spread[2] < spread[1] < spread[0]


def test_identity_emissions_are_cheap_at_ten_tokens():
    case = printed_theorem_1()
    prompt = PromptLaw.of(case.mixture, case.prompt.start, 0, 10)
    rate = log_likelihood_rate(prompt, case.mixture.concept(1), budget=100)
    assert rate.method == "closed form"
    at, (true, wrong) = prompt.start, case.mixture.transition
    truth = at @ np.log(wrong[3] / true[3])
    for _ in range(9):
        truth += at @ (true * np.log(wrong / true)).sum(1)
        at = at @ true
    assert rate.value == pytest.approx(truth + at @ np.log(wrong[:, 3] / true[:, 3]), abs=1e-12)


def test_monte_carlo_interval_covers():
    """500 intervals of 200 samples each against the closed form; exact binomial test, false alarm 1e-6."""
    mixture, start = one_delimiter(1)
    prompt = PromptLaw.of(mixture, start, 0, 3)
    truth = log_likelihood_rate(prompt, mixture.concept(1)).value
    restarted = [HMM(mixture.transition[c, 2], mixture.transition[c], mixture.emission) for c in range(2)]
    forward = build([prompt.example_law(), *restarted], prompt.delimiter)
    draws = draw(forward, 3, 500 * 200, np.random.default_rng(2), closings=[3])
    _, low, high = t_interval(_ratio(draws.score, draws.closing[2]).reshape(500, 200).T)
    covered = int(((low <= truth) & (truth <= high)).sum())
    assert stats.binom.ppf(5e-7, 500, 0.95) <= covered <= stats.binom.ppf(1 - 5e-7, 500, 0.95)
    forced = log_likelihood_rate(prompt, mixture.concept(1), budget=0)
    assert forced.method == "monte carlo"
    assert abs(forced.value - truth) < 2.6 * (forced.high - forced.low)


def test_simulation_interval_covers():
    """The second opinion, |D| = 2 with a known limit: the delimiter state is split into copies that nobody tells apart.

    500 x 16 independent chains give 500 t intervals; exact binomial test of 95% coverage, false alarm 1e-6.
    """
    mixture, start = one_delimiter(2)
    truth = log_likelihood_rate(PromptLaw.of(mixture, start, 0, 2), mixture.concept(1)).value
    divided, divided_start = split_delimiter(mixture, start)
    prompt = PromptLaw.of(divided, divided_start, 0, 2)
    means = simulate_rates(prompt, [divided.concept(1)], chains=500 * 16, examples=16, burn_in=3)
    _, low, high = t_interval(means[:, 0].reshape(500, 16).T)
    covered = int(((low <= truth) & (truth <= high)).sum())
    assert stats.binom.ppf(5e-7, 500, 0.95) <= covered <= stats.binom.ppf(1 - 5e-7, 500, 0.95)
    rates = log_likelihood_rates(prompt, [divided.concept(c) for c in range(2)])
    assert [rate.method for rate in rates] == ["equal processes", "bracketed"]
    assert rates[0].value == rates[0].low == rates[0].high == 0.0
    assert rates[1].low - 1e-12 <= truth <= rates[1].high + 1e-12


def test_forbidden_prompts_give_minus_infinity_and_undefined():
    mixture, start = one_delimiter(3)
    transition = mixture.transition.copy()
    transition[1, :, 2] = 0.0
    transition[1] /= transition[1].sum(-1, keepdims=True)
    never_delimits = MixtureOfHMMs(mixture.prior, mixture.initial, transition, mixture.emission, 2)
    rate = log_likelihood_rate(PromptLaw.of(never_delimits, start, 0, 2), never_delimits.concept(1))
    assert rate.value == rate.low == rate.high == -math.inf
    undefined = log_likelihood_rate(PromptLaw.of(never_delimits, start, 1, 2), never_delimits.concept(0))
    assert undefined[:4] == (None, -math.inf, math.inf, "undefined")


def test_a_law_that_forbids_only_the_first_example_keeps_its_rate():
    mixture, start = one_delimiter(3, states=4, tokens=4)
    emission = np.eye(4)
    initial = mixture.initial.copy()
    initial[1] = [0.5, 0.5, 0, 0]
    cut = MixtureOfHMMs(mixture.prior, initial, mixture.transition, emission, 3)
    prompt = PromptLaw.of(cut, start, 0, 2)
    assert forbids(prompt, cut.concept(1)) == "sometimes"
    assert log_likelihood_rate(prompt, cut.concept(1)).value == pytest.approx(
        brute_rate(prompt, cut.concept(1), 3), abs=1e-12
    )


def test_two_delimiter_states_are_told_apart_or_not():
    """What theta forbids is decided on the sets of states it can be in, which only the tokens decide."""
    emission, any_state = np.eye(3)[[0, 1, 2, 2]], np.full(4, 0.25)
    prompt = PromptLaw(HMM(any_state, np.full((4, 4), 0.25), emission), [0.5, 0.5, 0, 0], 2, 2)
    # Delimiter state 3 cannot be followed by b, but nobody can know that the state was 3.
    merged = np.array([[0.25] * 4, [0.25] * 4, [0.4, 0.4, 0.1, 0.1], [0.8, 0, 0.1, 0.1]])
    assert forbids(prompt, HMM(any_state, merged, emission)) == "never"
    # a leads to delimiter state 2 and b to 3, whose successors give the difference away.
    told = np.array([[0.25, 0.25, 0.5, 0], [0.25, 0.25, 0, 0.5], [0.8, 0, 0.1, 0.1], [0, 0.8, 0.1, 0.1]])
    assert forbids(prompt, HMM(any_state, told, emission)) == "surely"
    # Documents of theta never start with b: that forbids half of the first examples and no later one.
    first_only = HMM([0.5, 0, 0.25, 0.25], merged, emission)
    assert forbids(prompt, first_only) == "sometimes"
    assert log_likelihood_rate(prompt, first_only).method == "undefined"


@given(mixtures(shapes=((2, 2, 3), (1, 1, 2))))
def test_corners_are_honest(mixture):
    """Zeros, one state, one token, twins, 1e-300: a number, an infinity with a reason, or "undefined"; never nan."""
    prompt = PromptLaw.of(mixture, mixture.initial[-1], 0, 2)
    laws = [mixture.concept(c) for c in range(mixture.n_concepts)]
    try:
        rates = log_likelihood_rates(prompt, laws)
    except ModelError as error:
        if "float64" not in str(error):
            raise
        return
    for law, rate in zip(laws, rates, strict=True):
        if rate.method == "undefined":
            assert rate.value is None
            continue
        assert not np.isnan([rate.low, rate.high]).any()
        assert rate.low <= rate.high
        if rate.value is None:  # a bracket with an end at infinity has no middle
            assert rate.method == "bracketed" and np.isinf([rate.low, rate.high]).any()
            continue
        assert rate.low <= rate.value <= rate.high
        assert (rate.value == -math.inf) == (forbids(prompt, law) == "surely")
    if rates[0].value is not None:
        assert rates[0].value == 0.0


def test_stack_shares_an_emission_only_where_all_agree():
    mixture, _ = one_delimiter(0)
    laws = [mixture.concept(c) for c in range(2)]
    assert stack(laws, 2).emission.ndim == 2
    other = HMM(laws[1].initial, laws[1].transition, laws[1].emission[[1, 0, 2]])
    assert stack([laws[0], other], 2).emission.ndim == 3


def test_a_law_with_its_states_renamed_has_a_rate_of_exactly_zero():
    """Close to zero is not enough: a law of its own with a rate of the same size keeps its interval."""
    kernel, swap = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.4, 0.35, 0.25]]), [1, 0, 2]
    emission = np.array([[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.0, 0.0, 1.0]])
    true = HMM(np.array([0.3, 0.5, 0.2]), kernel, emission)
    renamed = HMM(true.initial[swap], kernel[swap][:, swap], emission[swap])
    other = HMM(true.initial, kernel, np.array([[0.59, 0.41, 0.0], [0.1, 0.9, 0.0], [0.0, 0.0, 1.0]]))
    same, apart = log_likelihood_rates(PromptLaw(true, np.array([0.5, 0.5, 0.0]), 3, 2), [renamed, other])
    assert (same.value, same.low, same.high, same.method) == (0.0, 0.0, 0.0, "equal processes")
    assert apart.value != 0 and apart.method == "closed form"
    seen = HMM(true.initial, kernel, np.eye(3))  # a law that differs in which first examples it allows, and only there
    late = HMM(np.array([1.0, 0.0, 0.0]), kernel, np.eye(3))
    (rate,) = log_likelihood_rates(PromptLaw(seen, np.array([0.5, 0.5, 0.0]), 3, 2), [late])
    assert (rate.value, rate.method) == (0.0, "equal processes")


def test_intervals_that_hold_at_once_share_the_rest():
    assert simultaneous(0.95, 10) == pytest.approx(0.995) and simultaneous(0.95, 0) == simultaneous(0.95, 1) == 0.95


def test_a_short_length_is_expanded_whatever_a_longer_one_needs():
    """100 nodes a level are enough for examples of 2 tokens, and not for those of 12."""
    rng = np.random.default_rng(0)
    law = HMM(rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(3), 3))
    found = expand(build([law, law]), [2, 12], 100)
    assert len(found.score) == 2 and len(expand(build([law, law]), [2], 100).score) == 2


@pytest.mark.parametrize("seed", range(4))
def test_lengths_that_share_an_expansion_have_the_rates_of_each_alone(seed):
    """Bit for bit where all is enumerated; sampled, every interval holds the exact rate (of 12 intervals of 99.9%)."""
    mixture, start = one_delimiter(seed)
    laws, lengths = [mixture.concept(1)], (2, 3, 5)
    prompts = [PromptLaw.of(mixture, start, 0, k) for k in lengths]
    alone = [log_likelihood_rates(prompt, laws) for prompt in prompts]
    shared = Shared(lengths)
    assert [log_likelihood_rates(prompt, laws, shared=shared) for prompt in prompts] == alone
    assert len(shared.found) == 1
    few = Shared(lengths)
    for prompt, (exact,) in zip(prompts, alone, strict=True):
        (rate,) = log_likelihood_rates(prompt, laws, budget=1, accuracy=0.1, coverage=0.999, shared=few)
        assert rate.low - 1e-12 <= exact.value <= rate.high + 1e-12
    assert rate.method == "monte carlo" and len(few.found) == 1
