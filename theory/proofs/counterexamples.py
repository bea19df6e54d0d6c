"""Instances on which printed statements of the paper are false: Theorem 1, Lemma 1, Proposition 2.

Source: Xie et al. 2022, Theorem 1 and the lemmas of its appendix; the constructions are this project's own
(docs/theory/counterexample.md). Every number is a short decimal, so that ``theory.proofs.certify`` can prove the
inequalities.
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array, Float


class Counterexample(NamedTuple):
    """An instance, the statement it refutes, and the input on which to watch the refutation.

    Attributes:
        name: short name of the instance.
        statement: the printed statement that is false here, in words.
        mixture: the pretraining law.
        prompt: p_prompt(h), k and theta*.
        true_concept: index of theta* in the mixture.
        concept: index of the concept theta != theta* that the statement speaks of.
        x_test: (k - 1,) tokens at which the conclusion fails.
        states: names of the hidden states, in order.
        tokens: names of the tokens, in order.
    """

    name: str
    statement: str
    mixture: MixtureOfHMMs
    prompt: PromptLaw
    true_concept: int
    concept: int
    x_test: tuple[int, ...]
    states: tuple[str, ...]
    tokens: tuple[str, ...]


def printed_theorem_1() -> Counterexample:
    """Assumptions 1-5 and Condition 1 hold, and yet the posterior concentrates on the wrong concept.

    The printed proof replaces p(h | d, theta) by p(d | h, theta) p(h | theta) / p(d | theta): the *reversed* kernel,
    equal to the forward one only if the document start law is stationary. Here theta starts almost never in state a
    (.0005, which makes sum_j KL_j large) but goes there after every delimiter with probability .60.

    Source: docs/theory/counterexample.md (states = tokens a, b, c, d; D = {d}; k = 2; prior 1/2, 1/2).

    Returns:
        The instance; at x_test = a theta* answers b and theta answers c.
    """
    true = [[0.002, 0.5868, 0.3912, 0.02], *[[0.882, 0.049, 0.049, 0.02]] * 2, [0.955, 0.0125, 0.0125, 0.02]]
    wrong = [[0.002, 0.2792, 0.4188, 0.3], *[[0.63, 0.035, 0.035, 0.3]] * 2, [0.6, 0.05, 0.05, 0.3]]
    starts = [[0.26, 0.27, 0.27, 0.2], [0.0005, 0.39975, 0.39975, 0.2]]
    mixture = MixtureOfHMMs([0.5, 0.5], starts, [true, wrong], np.eye(4), delimiter=3)
    prompt = PromptLaw.of(mixture, [0.94, 0.03, 0.03, 0.0], 0, k=2)
    statement = "Theorem 1: A1-A5 and Condition 1 imply that the in-context predictor tends to p_prompt's argmax"
    names = ("a", "b", "c", "d")
    return Counterexample(
        name="printed-counterexample",
        statement=statement,
        mixture=mixture,
        prompt=prompt,
        true_concept=0,
        concept=1,
        x_test=(0,),
        states=names,
        tokens=names,
    )


def printed_lemma_1() -> Counterexample:
    """A1-A5 hold, the posterior does find theta*, and yet the argmax is wrong at x_test = x.

    The token x is emitted only by state A, which answers y1, and by state B, which answers y2. A prompt example starts
    in (A, B) with probabilities (.010, .005), a segment after a delimiter with (.005, .010). The total variation of
    the start laws is .0081 < Delta(x)/4, but x is rare under both: normalising by p_prompt(x) = .015 magnifies the
    difference, and the answer flips. Printed, repaired and sharp conditions all hold here for theta (it starts
    documents in C almost never), so the failure is Lemma 1's alone and refutes Theorem 1 a second time.

    Source: docs/theory/counterexample.md (Lemma 1), completed to an instance with every assumption.

    Returns:
        The instance; at x_test = x the prompt law answers y1 and the limit of the predictor answers y2.
    """
    restart = [0.005, 0.010, 0.9819, 0.0005, 0.0006, 0.002]
    towards_y1 = [0.0002, 0.0002, 0.0002, 0.997, 0.0004, 0.002]
    towards_y2 = [0.0002, 0.0002, 0.0002, 0.0004, 0.997, 0.002]
    onwards = [0.01, 0.01, 0.9, 0.05, 0.028, 0.002]
    true = [towards_y1, towards_y2, onwards, onwards, onwards, restart]
    wrong_start = [0.24, 0.24, 0.00002, 0.25898, 0.259, 0.002]
    wrong = [*[[0.24, 0.24, 0.0002, 0.2588, 0.259, 0.002]] * 5, wrong_start]
    emission = np.eye(5)[[0, 0, 1, 2, 3, 4]]
    mixture = MixtureOfHMMs([0.5, 0.5], [restart, wrong_start], [true, wrong], emission, delimiter=4)
    prompt = PromptLaw.of(mixture, [0.010, 0.005, 0.985, 0.0, 0.0, 0.0], 0, k=2)
    statement = "Lemma 1: A3 makes the argmax under the pretraining filter equal to the argmax under p_prompt"
    states = ("A", "B", "C", "Y1", "Y2", "d")
    return Counterexample(
        name="lemma-1-counterexample",
        statement=statement,
        mixture=mixture,
        prompt=prompt,
        true_concept=0,
        concept=1,
        x_test=(0,),
        states=states,
        tokens=("x", "c", "y1", "y2", "d"),
    )


class FailingBound(NamedTuple):
    """A lower bound claimed for p(O | h, theta*) and the example and state where it is false.

    Attributes:
        example: (k,) tokens O.
        state: index of h.
        probability: p(O | h, theta*) with h the state that emits O[1].
        claimed: c6^k c5^2, which the printed step puts below it.
    """

    example: tuple[int, ...]
    state: int
    probability: float
    claimed: float


def printed_proposition_2() -> tuple[Counterexample, tuple[FailingBound, ...]]:
    """The step p(O_i | h) > c6^k c5^2 of Proposition 2 is false, in two ways, where A1-A5 hold.

    First, h need not be able to emit O_i[1]: then the left side is 0. Second, even where it is, a path of k states
    takes k - 1 transitions, so nothing better than c5^(k-1) can be claimed, and for k = 4 the path a a a a attains it.
    What is true, and used by ``theory.statements.repaired``: p(x_test | S_n, theta*) >= (c5 c6)^(k-1) for n >= 1.

    Returns:
        The instance of ``printed_theorem_1`` with k = 4, and one failing (O, h) for each of the two ways.
    """
    base = printed_theorem_1()
    hmm = base.prompt.hmm
    c5, c6, k = float(np.min(hmm.transition)), float(np.max(hmm.emission, 0).min()), 4
    prompt = PromptLaw(hmm, base.prompt.start, k, base.prompt.delimiter)
    statement = "Proposition 2: p(O_i | h, theta*) > c6^k c5^2 for every example O_i and state h"
    instance = base._replace(name="proposition-2", statement=statement, prompt=prompt, x_test=(0, 1, 0))
    failing = []
    for example, state in (((1, 0, 1, 0), 0), ((0, 0, 0, 0), 0)):
        probability = float(example_given_state(hmm.transition, hmm.emission, example)[state])
        failing.append(FailingBound(example, state, probability, c6**k * c5**2))
    return instance, tuple(failing)


def example_given_state(transition: Array, emission: Array, tokens: tuple[int, ...]) -> Float[np.ndarray, "H"]:
    """(H,) p(o_1..o_m | h_1 = h) for every h, by the backward recursion

    beta_m(h) = 1,  beta_t(h) = sum_h' p(h'|h) p(o_{t+1}|h') beta_{t+1}(h'),  p(o_1..o_m | h) = p(o_1|h) beta_1(h).

    Args:
        transition: (H, H) the kernel.
        emission: (H, V) the emission.
        tokens: o_1..o_m; 1 for every state where there are none.

    Returns:
        (H,) float64 probabilities.
    """
    kernel, emits = np.asarray(transition, dtype=np.float64), np.asarray(emission, dtype=np.float64)
    beta = np.ones(kernel.shape[0])
    for token in tokens[:0:-1]:
        beta = kernel @ (emits[:, token] * beta)
    return emits[:, tokens[0]] * beta if tokens else beta
