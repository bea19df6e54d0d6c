"""Classes of test inputs, Lemma 1, constants and advice by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest

from implicit_bayes.theory import HMM, MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.information.exact_laws import exact_law
from implicit_bayes.theory.objects.families import ConceptFamily
from implicit_bayes.theory.proofs.counterexamples import printed_theorem_1
from implicit_bayes.theory.statements.conditions import IMPOSSIBLE
from implicit_bayes.theory.statements.diagnosis import reading, split_condition
from implicit_bayes.theory.statements.exact_margins import _ratios, exact_margin
from implicit_bayes.theory.statements.input_margins import InputMargin, start_shift_by_input
from implicit_bayes.theory.statements.lemma_1 import lemma_1_from_paths, paths_from_start
from implicit_bayes.theory.statements.merged_beliefs import belief_blocks
from implicit_bayes.theory.statements.merged_inputs import (
    answer_margins,
    count_classes,
    input_blocks,
    lemma_1_everywhere,
    merged_tests,
    supports_of,
)
from implicit_bayes.theory.statements.repaired import _add
from implicit_bayes.theory.statements.repaired_constants import (
    RepairedConstants,
    front_cost,
    log0,
    repaired_constants,
)
from implicit_bayes.theory.statements.theorem_2 import evaluate_theorem_2
from implicit_bayes.theory.statements.top_margins import top_margin

FULL = np.full((3, 3), 1 / 3)
TWO_WRITE_TWO = np.array([[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])


def law(start, length=2, kernel=FULL, emission=TWO_WRITE_TWO):
    return PromptLaw(HMM([1 / 3] * 3, kernel, emission), start, length, 2)


@pytest.mark.parametrize(
    ("start", "counts"),
    [((0.5, 0.5, 0.0), [2, 6, 18, 54]), ((0.5, 0.25, 0.25), [3, 9, 25, 69]), ((0.0, 0.0, 1.0), [1, 3, 7, 15])],
)
def test_classes_counted_by_hand(start, counts):
    """Two states write tokens 0 and 1, one writes 2. Inputs of 2 .. 2 are one class: of three tokens 25 are left of 27,
    of four 9 * 3 - 2 * 1 and so on (9, 9, 9 after 0 and after 1; 7, 7, 1 after 2)."""
    prompt = law(start)
    for length, count in enumerate(counts, 1):
        assert count_classes(supports_of(prompt, [prompt.hmm]), length) == count
        assert input_blocks(prompt, [], length, budget=count - 1) is None
        assert belief_blocks(prompt, [], length, budget=count - 1) is None
        assert belief_blocks(prompt, [], length, budget=count) is not None
        tokens, mass = merged_tests(prompt, [], length, budget=count)
        assert tokens.shape == (len(mass), length) and mass.sum() == pytest.approx(1.0)


def test_other_laws_tell_states_apart():
    """Under theta* each token has its state; another concept writes 0 from two states, so no longer one class."""
    prompt = law((0.5, 0.5, 0.0), emission=np.eye(3))
    other = HMM([1 / 3] * 3, FULL, np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1]]))
    assert count_classes(supports_of(prompt, [prompt.hmm]), 4) == 6
    found = supports_of(prompt, [prompt.hmm, other])
    assert [each.tolist() for each in found.supports] == [[0, 1], [1], [2]]
    assert count_classes(found, 3) == (3 + 3 + 3) + (3 + 1 + 1)  # from 0, and from 1


def test_margins_of_answers_that_tie():
    truth, after = np.array([[0.5, 0.375, 0.125]]), np.array([[[0.25, 0.5, 0.25]]])
    assert answer_margins(truth, after, 0.125).tolist() == [0.25]  # the second answer ties within 1/8
    assert answer_margins(truth, after, 0.1).tolist() == [-0.25]
    two = np.array([[[0.25, 0.5, 0.25], [0.5, 0.375, 0.125]]])
    assert answer_margins(truth, two, 0.125).tolist() == [-0.125]
    assert answer_margins(truth, np.array([[[0.0] * 3, [1.0, 0.0, 0.0]]]), 0.0).tolist() == [1.0]


def test_lemma_1_on_its_edges():
    """Delta = 1/2; TV of posteriors 1/4 = Delta/2; start limit 1/4, TV of start laws 1/8 = Delta/4."""

    def verdicts(error, tv_start=0.125):
        found = lemma_1_from_paths(
            np.eye(2)[None], np.array([[0.75, 0.25], [0.5, 0.5]]), np.eye(2), tv_start, error
        )  # fmt: skip
        assert (found.margin[0], found.tv_posterior[0], found.start_limit[0]) == (0.5, 0.25, 0.25)
        return tuple(bool(getattr(found, name)[0]) for name in ("printed", "by_posterior", "by_start", "perhaps"))

    assert verdicts(0.0) == (False, False, True, True)
    assert verdicts(0.125) == (False, False, False, True)
    assert verdicts(0.0, 0.25) == (False, False, False, False)
    assert verdicts(0.125, 0.25) == (False, False, False, True)
    assert verdicts(0.0, 0.1) == (True, False, True, True)
    closer = lemma_1_from_paths(np.eye(2)[None], np.array([[0.75, 0.25], [0.625, 0.375]]), np.eye(2), 1.0, 0.0625)
    assert closer.by_posterior[0] and not closer.by_start[0]
    edge = lemma_1_from_paths(np.eye(2)[None], np.array([[0.75, 0.25], [0.625, 0.375]]), np.eye(2), 1.0, 0.125)
    assert not edge.by_posterior[0] and edge.perhaps[0]


def test_an_impossible_input_holds_nothing():
    """Behind the second of two delimiter states x cannot come; and where nothing can be written there is no nan."""
    starts = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = lemma_1_from_paths(np.diag([0.5, 0.0])[None], starts, np.eye(2), 0.0, 0.0)
    assert not (found.defined | found.printed | found.by_posterior | found.by_start | found.perhaps).any()
    assert found.start_limit[0] == 0.5 and found.predictive[0].tolist() == [[1.0, 0.0], [0.0, 0.0]]
    none = lemma_1_from_paths(np.zeros((1, 2, 2)), starts, np.eye(2), 0.0, 0.0)
    assert (none.start_limit[0], none.tv_posterior[0]) == (0.0, 0.0)


def test_paths_by_hand():
    kernel, emission = np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    found = paths_from_start(kernel, emission, np.array([[0, 0], [1, 0]]))
    assert found.tolist() == [[[0.125, 0.25], [0.125, 0.75]], [[0.125, 0.25], [0.0, 0.0]]]


def test_lemma_1_everywhere_is_as_good_as_its_worst_input():
    """From p_prompt = p(h | d) nothing moves; answers of x = 0 and 1 lead by 1/2 and by nothing."""
    kernel = [[0.75, 0.25, 0.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]
    prompt = law((0.5, 0.5, 0.0), kernel=kernel, emission=np.eye(3))
    tied = MixtureOfHMMs([1.0], [[1 / 3] * 3], [kernel], np.eye(3), 2)
    assert lemma_1_everywhere(tied, prompt) == "undetermined"
    kernel[1] = [0.25, 0.75, 0.0]
    prompt = law((0.5, 0.5, 0.0), kernel=kernel, emission=np.eye(3))
    clear = MixtureOfHMMs([1.0], [[1 / 3] * 3], [kernel], np.eye(3), 2)
    assert lemma_1_everywhere(clear, prompt) is True
    assert lemma_1_everywhere(clear, prompt, budget=1) == "undetermined"


def test_margins_of_laws():
    assert top_margin(np.array([[0.5, 0.125, 0.375], [0.25, 0.5, 0.25]])).tolist() == [0.125, 0.25]
    assert top_margin(np.ones((2, 1))).tolist() == [1.0, 1.0]


def test_constants_by_hand():
    found = RepairedConstants(2, 0.25, 0.5, 0.125, 0.5, 4.0, 0.5)
    assert found.a_theta == pytest.approx(math.log(8)) and found.log_c2_over_c1 == pytest.approx(math.log(2))
    assert found.eps_delim == pytest.approx(math.log(16))
    assert front_cost(found, 3) == pytest.approx(13 * math.log(2))
    assert found._replace(rho_star=0.0).eps_delim == found._replace(c1=0.0).eps_delim == math.inf
    assert found._replace(c1=0.0).log_c2_over_c1 == found._replace(rho_star=0.0).a_theta == math.inf
    assert (log0(0.0), log0(1.0)) == (-math.inf, 0.0)
    kernels = [[[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [0.0, 0.5, 0.5]],
               [[0.25, 0.25, 0.5], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]]]  # fmt: skip
    emission = [[0.75, 0.25, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 1]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.0, 0.25, 0.75], [0.125, 0.5, 0.375]], kernels, emission, 3)
    assert repaired_constants(mixture, 0, 1) == (1, 0.125, 0.5, 0.0, 0.5, 2.0, pytest.approx(2 / 3))
    assert repaired_constants(mixture, 1, 0) == (1, 0.25, 0.5, 0.25, 0.5, 2.0, pytest.approx(2 / 3))
    assert _ratios(exact_law(mixture.concept(0)), [2]) == [2, Fraction(2, 3)]
    never = exact_law(HMM([0.0, 0.25, 0.75], kernels[1], emission))
    assert _ratios(never, [1, 2]) == [math.inf, 4, Fraction(2, 3)]
    assert _add(np.array([1.0, math.inf, -math.inf]), -math.inf, 2.0).tolist() == [-math.inf, math.inf, -math.inf]
    assert _add(np.array([1.0, -math.inf]), math.inf).tolist() == [math.inf, math.inf]


def test_a3_input_by_input():
    """x = 0, 1, 2: the likeliest next token leads by 1/4, 1/8, 1/4."""
    kernel = [[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [0.5, 0.25, 0.25]]
    mixture = MixtureOfHMMs([1.0], [[0.5, 0.25, 0.25]], [kernel], np.eye(3), 2)
    found = start_shift_by_input(mixture, PromptLaw.of(mixture, [0.5, 0.25, 0.25], 0, 2))
    assert found == (0.0, 2, (InputMargin((1,), 0.25, 0.125, 0.03125), InputMargin((0,), 0.5, 0.25, 0.0625),
                              InputMargin((2,), 0.25, 0.25, 0.0625)), 0.0, True, True)  # fmt: skip
    edge = start_shift_by_input(mixture, PromptLaw.of(mixture, [0.53125, 0.21875, 0.25], 0, 2), worst=1)
    assert (edge.tv, edge.holds, edge.failing_mass, len(edge.worst)) == (0.03125, False, 0.21875, 1)
    far = start_shift_by_input(mixture, PromptLaw.of(mixture, [0.625, 0.125, 0.25], 0, 2))
    assert (far.tv, far.holds, far.failing_mass) == (0.125, False, 1.0)


@pytest.mark.parametrize(("k", "expected"), [(2, -1), (3, 1)])
def test_exact_margins_between_two_lengths(k, expected):
    """KL grows by log(4) / 2 + log(2/5) / 4 = .464 a token, from log 2. Repaired: against log 2 + log(5/2),
    printed: against log 4; both are passed at k = 3, and twice the constants would not be."""
    kernels = [[[0.5, 0.25, 0.25]] * 3, [[0.125, 0.625, 0.25]] * 3, [[0.5, 0.25, 0.25]] * 3]
    mixture = MixtureOfHMMs([0.25, 0.5, 0.25], [[0.5, 0.25, 0.25]] * 3, kernels, np.eye(3), 2)
    prompt = PromptLaw.of(mixture, [1.0, 0.0, 0.0], 0, k)
    assert exact_margin(mixture, prompt, 0, 1, "repaired") == expected
    assert exact_margin(mixture, prompt, 0, 1, "printed") == expected
    assert exact_margin(mixture, prompt, 0, 1, "sharp") == 1
    assert exact_margin(mixture, PromptLaw.of(mixture, [1.0, 0.0, 0.0], 1, k), 1, 0, "sharp") == -1
    assert exact_margin(mixture, prompt, 0, 2, "sharp") == 0


def test_exact_margins_of_what_is_infinite():
    kernels = [[[0.5, 0.5, 0.0], [0.5, 0.25, 0.25], [0.5, 0.25, 0.25]], [[0.25, 0.5, 0.25]] * 3]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.25, 0.25]] * 2, kernels, np.eye(3), 2)
    prompt = PromptLaw.of(mixture, [0.5, 0.5, 0.0], 0, 2)
    assert [exact_margin(mixture, prompt, 0, 1, v) for v in ("printed", "repaired", "sharp")] == [None] * 3
    two = MixtureOfHMMs([0.5, 0.5], [[0.5, 0.25, 0.25]] * 2, kernels, np.eye(3)[[0, 2, 2]], 2)
    assert exact_margin(two, PromptLaw.of(two, [1.0, 0.0, 0.0], 0, 2), 0, 1, "sharp") is None


def test_what_to_change_in_words():
    case = printed_theorem_1()
    split = split_condition(case.mixture, case.prompt, 1)
    row, shift = split.condition, split.start_shift
    never = row._replace(method=f"x; {IMPOSSIBLE}")
    assert reading(split._replace(condition=never)).startswith("theta* has prior 0 (A4 fails)")
    good = split._replace(condition=row._replace(repaired_holds=True), repaired_margin=0.25)
    assert reading(good) == "The repaired condition holds by 0.25 nats; nothing to change."
    assert reading(good._replace(start_shift=shift._replace(holds="undetermined"))) == reading(good)
    assert reading(good._replace(start_shift=shift._replace(holds=False))) == (
        "The repaired condition holds, A3 does not: bring p_prompt(h) closer to row 3 of theta* (TV 0.035, wanted "
        "below 0.0489)."
    )

    def said(printed=False, sharp=True, **changes):
        fields = row._replace(printed_holds=printed, sharp_holds=sharp, rate=0.5)
        return reading(split._replace(condition=fields, repaired_margin=-2.5, **changes))

    assert said().startswith("Let documents of theta start in state 0 about as often") and said().endswith(
        "(ratio 1.2e+03), or lengthen the examples; 2.5 nats are missing."
    )
    assert said(True).startswith("The printed condition holds, the repaired one does not. Let")
    assert said(False, False).startswith("The rate is 0.5, not below 0: theta* does not win, whatever the bound. Let")
    assert said(c1=split.c1._replace(probability=0.0)).startswith(
        "Give theta* a positive probability from state 0 to d"
    )
    assert said(smallest=split.smallest._replace(ratio=0.0)).endswith("where its documents can start (rho* = 0).")
    assert said(largest=split.largest._replace(ratio=math.inf)).endswith("lead (R_theta is infinite).")
    assert said(start_kl=split.start_kl._replace(value=9.0)).startswith(
        "Bring the start law p(h|theta*) closer to p_prompt(h) (start_kl 9 nats), or lengthen"
    )
    assert said(start_kl=split.start_kl._replace(value=math.inf)).endswith("(start_kl inf nats).")
    tame = dict(largest=split.largest._replace(ratio=1.0), smallest=split.smallest._replace(ratio=0.875))
    none = split.start_kl._replace(value=0.0)
    assert said(**tame, start_kl=none).startswith("Bring p(3|0, theta) = 0.3 and p(3|0, theta*) = 0.02 together")
    same = dict(c2=split.c2._replace(probability=0.02), largest=split.largest._replace(ratio=1.0), start_kl=none)
    assert said(**same).startswith(f"Let delimiters of theta* lead to state {split.smallest.state} about as often")


class Stopped(Exception):
    """Carries the grid on which a family was to be discretised."""


def test_theorem_2_has_theta_star_once_and_first(monkeypatch):
    def stop(self, points):
        raise Stopped(points)

    monkeypatch.setattr(ConceptFamily, "discretise", stop)
    family = ConceptFamily(np.zeros(3), np.zeros((3, 3)), np.ones((2, 3, 3)), np.eye(3), 2)
    grid = [[0.0, 1.0], [0.5, 1.0], [0.5, 2.0], [0.5, 1.0]]
    with pytest.raises(Stopped) as found:
        evaluate_theorem_2(family, np.full(3, 1 / 3), [0.5, 1.0], 3, np.array(grid))
    assert found.value.args[0].tolist() == [[0.5, 1.0], [0.0, 1.0], [0.5, 2.0]]
