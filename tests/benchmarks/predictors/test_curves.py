"""The in-context curves: one pass against prompt-by-prompt filtering, prompt-aware against brute force."""

import itertools

import jax
import numpy as np
import pytest

from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.predictors.agreement import is_right
from implicit_bayes.benchmarks.predictors.curves import in_context_curves, references, split_examples
from implicit_bayes.benchmarks.predictors.prompt_aware import (
    prompt_aware,
    prompt_truth,
    started_mixture,
)
from implicit_bayes.benchmarks.verification.losses import bayes_loss
from implicit_bayes.simulators.instances import Instance
from implicit_bayes.simulators.sampler import sample_prompts
from implicit_bayes.theory import MixtureOfHMMs, filter_concepts, filter_mixture, log_evidence
from implicit_bayes.theory.statements.bounds import first_choice


def small(zeros: bool = True) -> Instance:
    """Three concepts on four states, two of which share a token; kernels with exact zeros."""
    rng = np.random.default_rng(3)
    transition = rng.dirichlet(np.ones(4), (3, 4))
    if zeros:
        transition *= rng.random((3, 4, 4)) > 0.3
        transition[..., 0] += 0.05
        transition /= transition.sum(-1, keepdims=True)
    emission = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]])
    mixture = MixtureOfHMMs(np.array([0.5, 0.3, 0.2]), rng.dirichlet(np.ones(4), 3), transition, emission, 0)
    starts = np.array([[[0, 0.5, 0.5, 0], [0, 0, 0, 1.0]]] * 3)
    return Instance("small", mixture, starts, (0, 1, 2), None, None, "a test instance")


def test_split_examples_inverts_the_layout():
    tokens = np.array([[1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9]])
    np.testing.assert_array_equal(split_examples(tokens, 3)[0], [[1, 2, 3], [4, 5, 6], [7, 8, 9]])


def test_one_pass_equals_filtering_each_prompt_on_its_own():
    instance, k, ns, prompts, seed = small(), 3, (0, 1, 3), 40, 5
    table = in_context_curves(instance, [k], ns, prompts=prompts, seed=seed, epsilons=[0.1])
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), k), 0)
    batch = sample_prompts(
        instance.mixture, instance.prompt_starts, key, 100, k, max(ns), true_concepts=instance.true_concepts
    )
    for name, mixture in (("exact", instance.mixture), ("smoothed(0.1)", instance.mixture.smooth(0.1))):
        for n in ns:
            correct = undefined = 0
            for tokens, c, s in zip(batch.tokens[:prompts], batch.concepts, batch.starts, strict=False):
                x = tokens[(k + 1) * n : (k + 1) * n + k - 1]
                truth = instance.mixture.concept(int(c))
                alone = MixtureOfHMMs([1.0], instance.prompt_starts[c, s][None], truth.transition[None],
                                      truth.emission, 0)  # fmt: skip
                label = filter_mixture(alone, x, method="log").predictive[-1].argmax()
                out = filter_mixture(mixture, tokens[: (k + 1) * n + k - 1], method="log")
                undefined += not out.defined[-1]
                correct += bool(out.defined[-1]) and out.predictive[-1].argmax() == label
            cell = table.sel(predictor=name, k=k, n=n)
            assert (int(cell.correct), int(cell.undefined)) == (correct, undefined)


class Lopsided:
    """A language model with an opinion that changes with the last token."""

    name = "lopsided"

    def log_probabilities(self, tokens_BxT):
        law_BxSxV = np.full((len(tokens_BxT), tokens_BxT.shape[1] + 1, 3), np.log(0.2), np.float32)
        np.put_along_axis(law_BxSxV[:, 1:], (tokens_BxT[..., None] + 1) % 3, np.float32(np.log(0.6)), 2)
        law_BxSxV[:, 0] = -np.log(3.0)
        return law_BxSxV


def test_a_models_row_is_the_same_without_the_exact_ones():
    instance, settings = small(), {"prompts": 60, "seed": 2, "models": [Lopsided()]}
    whole = in_context_curves(instance, [2, 3], [0, 1, 3], **settings)
    alone = in_context_curves(instance, [2, 3], [0, 1, 3], exact=False, **settings)
    assert alone.predictor.values.tolist() == ["lopsided"]
    assert alone.identical(whole.sel(predictor=["lopsided"]))
    assert 0 < int(alone.correct.min()) < int(alone.correct.max()) < 60


def test_prompt_aware_is_bayes_under_the_prompt_law_by_enumeration():
    instance = small()
    mixture, start = instance.mixture, instance.prompt_starts[0]
    example = np.array([[[1, 2, 1], [2, 2, 1], [1, 0, 2]], [[2, 1, 0], [2, 0, 1], [2, 2, 2]]])
    out = prompt_aware(mixture, example, start, np.array([0, 1]), np.array([1, 2]))

    def mass(concept, s, tokens):
        total = 0.0
        for path in itertools.product(range(4), repeat=len(tokens)):
            p = start[s][path[0]] * mixture.emission[path[0], tokens[0]]
            for i in range(1, len(tokens)):
                p *= mixture.transition[concept, path[i - 1], path[i]] * mixture.emission[path[i], tokens[i]]
            total += p
        return total

    for prompt, s in ((0, 0), (1, 1)):
        for n in range(3):
            x = list(example[prompt, n, :2])
            weight = [mixture.prior[c] * np.prod([mass(c, s, list(o)) for o in example[prompt, :n]]) for c in range(3)]
            joint = np.array([[weight[c] * mass(c, s, [*x, y]) for y in range(3)] for c in range(3)])
            if joint.sum() == 0:
                continue
            np.testing.assert_allclose(out.predictive_PxNxV[prompt, n], joint.sum(0) / joint.sum(), atol=1e-12)


@pytest.mark.parametrize("ns", [(0, 2), (2, 1)])
def test_the_chosen_n_alone_are_answered_alike(ns, monkeypatch):
    """The same laws as among all n, exact zeros and impossible examples included, and no other law is made."""
    instance = small()
    start, example = instance.prompt_starts[0], np.array([[[1, 2, 1], [2, 0, 1], [1, 0, 2]], [[2, 1, 0]] * 3])
    arguments = instance.mixture, example, start, np.array([0, 1]), np.array([1, 2])
    every, asked = prompt_aware(*arguments), []
    concepts = filter_concepts
    monkeypatch.setattr(
        "implicit_bayes.benchmarks.predictors.prompt_aware.filter_concepts",
        lambda *args, **options: asked.append(args[1].shape) or concepts(*args, **options),
    )
    some = prompt_aware(*arguments, ns=ns)
    assert asked == [(2, 2, 3)] and some.predictive_PxNxV.shape == (2, 2, 3)  # prompts, n, k tokens with the start's
    for field in some._fields:
        chosen = getattr(every, field)[:, list(ns)]
        np.testing.assert_allclose(getattr(some, field), chosen, atol=1e-12, err_msg=field)
    monkeypatch.setattr("implicit_bayes.benchmarks.predictors.prompt_aware.log_evidence", None)
    np.testing.assert_array_equal(prompt_truth(*arguments, ns=ns), some.truth_PxNxV)
    np.testing.assert_array_equal(prompt_truth(*arguments), every.truth_PxNxV)


def test_started_mixture_costs_log_s_under_every_concept():
    instance = small(zeros=False)
    starts = instance.prompt_starts[0]
    started = started_mixture(instance.mixture, starts)
    for s in range(2):
        initial = np.repeat(starts[s][None], 3, 0)
        plain = MixtureOfHMMs(
            instance.mixture.prior, initial, instance.mixture.transition, instance.mixture.emission, 0
        )
        expected = log_evidence(plain, np.array([2, 1, 2])) - np.log(2)
        np.testing.assert_allclose(log_evidence(started, np.array([3 + s, 2, 1, 2])), expected, atol=1e-12)


def test_undefined_cells_have_no_accuracy_and_counts_do_not_depend_on_chunks(monkeypatch):
    instance = small()
    table = in_context_curves(instance, [3], [0, 30], prompts=120, seed=1, epsilons=[0.1])
    exact = table.sel(predictor="exact", k=3)
    assert int(exact.undefined.sel(n=30)) + int(exact.correct.sel(n=30)) <= 120
    assert [p.label for p in references([0.1])] == ["exact", "smoothed(0.1)", "prompt-aware"]
    assert not table.undefined.sel(predictor="prompt-aware").any()
    assert not table.undefined.sel(predictor="smoothed(0.1)").any()


@pytest.mark.parametrize(("share", "trials"), [(0.02, 50), (0.5, 20), (0.97, 200)])
def test_wilson_covers_within_one_point_of_nominal_on_average(share, trials):
    """Exact coverage by summing the binomial law: Wilson's is near 95% (it may dip a few points at one share)."""
    from scipy.stats import binom

    counts = np.arange(trials + 1)
    low, high = wilson(counts, np.full(trials + 1, trials))
    coverage = binom.pmf(counts, trials, share)[(low <= share) & (share <= high)].sum()
    assert 0.92 <= coverage <= 0.99


def test_wilson_at_the_ends():
    low, high = wilson(np.array([0, 10, 0]), np.array([10, 10, 0]))
    assert (low[0], high[1]) == (0.0, 1.0)
    assert (low[2], high[2]) == (0.0, 1.0)


def test_prompt_aware_has_no_answer_where_every_concept_of_positive_prior_forbids_the_prompt():
    """A true concept of prior zero: the prompt's own law does not help, and nothing may become nan."""
    kernels = np.array([[[0.0, 1.0], [0.0, 1.0]], [[0.5, 0.5], [1.0, 0.0]]])
    mixture = MixtureOfHMMs([1.0, 0.0], [[0.5, 0.5]] * 2, kernels, np.eye(2), 1)
    instance = Instance("foreign", mixture, np.array([[[0.0, 1.0]]] * 2), (1,), 3, None, "prior zero on the truth")
    out = prompt_aware(
        mixture, np.array([[[1, 0, 1], [1, 0, 0]]]), np.array([[0.0, 1.0]]), np.zeros(1, int), np.ones(1, int)
    )
    assert not out.defined_PxN.any()
    assert not np.isnan(out.predictive_PxNxV).any()
    assert not np.isnan(out.log_posterior_PxNxC).any()
    table = in_context_curves(instance, [3], [0, 1], prompts=20, seed=0)
    assert (table.undefined.sel(predictor="prompt-aware") == 20).all()
    assert np.isnan(table.accuracy.sel(predictor="prompt-aware")).all()


def test_the_loss_of_an_impossible_document_is_infinite_not_nan():
    instance = small()
    mixture = MixtureOfHMMs([1.0], [[1.0, 0.0]], [[[1.0, 0.0], [0.5, 0.5]]], np.eye(2), 1)
    impossible = Instance("stuck", mixture, np.array([[[1.0, 0.0]]]), (0,), 2, None, "one state for ever")
    loss = bayes_loss(impossible, np.array([[0, 0], [0, 1]]), np.zeros(2, int))
    assert loss.cross_entropy == np.inf
    assert bayes_loss(instance, np.array([[0, 1], [1, 2]]), np.zeros(2, int)).cross_entropy > 0


def test_every_token_that_ties_for_the_argmax_is_right():
    """The truth ties tokens 0 and 1 and the other concept leans to 1, so Bayes names 1: as right as 0, at every n."""
    kernel = np.array([[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.5, 0.25, 0.25]]] * 2)
    even, leaning = np.array([[[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1.0]], [[0.25, 0.75, 0], [0.5, 0.5, 0], [0, 0, 1]]])
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.4, 0.4, 0.2]] * 2, kernel, np.stack([even, leaning]), 2)
    instance = Instance("ties", mixture, np.array([[[0.5, 0.5, 0.0]]] * 2), (0,), None, None, "")
    x_test = np.array([[0], [1]])
    assert (np.asarray(filter_mixture(mixture, x_test).predictive)[:, -1].argmax(-1) == 1).all()
    table = in_context_curves(instance, [2], [0, 1], prompts=60, seed=0)
    assert (table.sel(predictor="exact").accuracy == 1.0).all()


def test_a_predictor_whose_own_tokens_tie_gives_the_first_of_them():
    """.1 + .2 is above .3 in its last bit: which of the two an argmax names is rounding's choice, not Bayes'."""
    truth = np.array([[0.5, 0.3, 0.2], [0.3, 0.5, 0.2]])
    for tied in np.array([[0.3, 0.1 + 0.2, 0.2], [0.1 + 0.2, 0.3, 0.2]]):
        assert first_choice(tied) == 0 and is_right(np.stack([tied] * 2), truth).tolist() == [True, False]
    assert first_choice(np.array([0.3, 0.3 + 1e-10, 0.1])) == 1


def test_a_concept_and_its_twin_are_not_told_apart_by_rounding():
    """One process twice, its states renamed: the posterior stays (1/2, 1/2), and the first of the two is the answer."""
    generator, shuffled = np.random.default_rng(0), [2, 0, 3, 1]
    start, kernel, emission = (generator.dirichlet(np.ones(4), shape) for shape in ((), 4, 4))
    twins = MixtureOfHMMs(
        [0.5, 0.5], np.stack([start, start[shuffled]]), np.stack([kernel, kernel[np.ix_(shuffled, shuffled)]]),
        np.stack([emission, emission[shuffled]]), 0,
    )  # fmt: skip
    tokens = generator.integers(0, 4, (40, 30))
    posterior = np.asarray(filter_mixture(twins, tokens, positions=[30]).log_posterior)[:, 0]
    assert 0 < (posterior.argmax(-1) == 0).sum() < 40
    instance = Instance("twins", twins, np.array([[start]] * 2), (0, 1), None, None, "one concept twice")
    assert bayes_loss(instance, tokens, np.zeros(40, int)).recovered == 40
