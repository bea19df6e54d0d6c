"""Brute force over all prompts: exact moments of the odds, exact weights and errors of the in-context predictor.

Nothing here is shared with the code under test: plain forward recursions over every sequence of tokens.
"""

import itertools
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory import MixtureOfHMMs, PromptLaw

TIE = 1e-12


class AllPrompts(NamedTuple):
    """P prompts (S_n, x): their p_prompt-mass, p(S_n, x | theta_c), p(y | S_n, x, theta_c), p_prompt(y | x)."""

    tokens: np.ndarray
    mass_P: np.ndarray
    evidence_PxC: np.ndarray
    law_PxCxV: np.ndarray
    truth_PxV: np.ndarray


def forward(start_H, transition, emission, tokens_PxT):
    """(P, H) joint of the tokens and the *next* hidden state."""
    ahead = np.broadcast_to(start_H, (len(tokens_PxT), len(start_H)))
    for token_P in tokens_PxT.T:
        ahead = (ahead * emission.T[token_P]) @ transition
    return ahead


def all_prompts(mixture: MixtureOfHMMs, law: PromptLaw, n: int) -> AllPrompts:
    """Every prompt of n examples and x of positive mass."""
    k, vocabulary, arrays = law.length, mixture.n_tokens, (law.hmm.transition, law.hmm.emission)
    examples = np.array(list(itertools.product(range(vocabulary), repeat=k)))
    mass = forward(law.start, *arrays, examples).sum(-1)
    examples, mass = examples[mass > 0], mass[mass > 0]
    inputs = np.unique(examples[:, :-1], axis=0)
    x_mass = forward(law.start, *arrays, inputs).sum(-1)
    which = np.array(list(itertools.product(range(len(examples)), repeat=n)), dtype=np.int64).reshape(-1, n)
    closed = np.pad(examples, ((0, 0), (0, 1)), constant_values=mixture.delimiter)
    told = closed[which].reshape(len(which), n * (k + 1))
    tokens = np.concatenate([np.repeat(told, len(inputs), 0), np.tile(inputs, (len(told), 1))], 1)
    weight = (mass[which].prod(-1)[:, None] * x_mass).reshape(-1)
    emissions, evidence, laws = np.asarray(mixture.emissions), [], []
    for c in range(mixture.n_concepts):
        ahead = forward(mixture.initial[c], mixture.transition[c], emissions[c], tokens)
        p = ahead.sum(-1)
        evidence.append(p)
        laws.append(ahead @ emissions[c] / np.where(p > 0, p, 1.0)[:, None])
    truth = forward(law.start, *arrays, inputs)
    truth = truth @ law.hmm.emission / truth.sum(-1, keepdims=True)
    return AllPrompts(tokens, weight, np.stack(evidence, 1), np.stack(laws, 1), np.tile(truth, (len(told), 1)))


def log_odds(mixture, prompts: AllPrompts, concept: int, true: int) -> np.ndarray:
    """(P,) of log odds_n(theta); +inf where only theta allows the prompt (or neither does)."""
    ours, theirs = (prompts.evidence_PxC[:, c] * mixture.prior[c] for c in (concept, true))
    with np.errstate(divide="ignore"):
        return np.where(theirs > 0, np.log(ours) - np.log(np.where(theirs > 0, theirs, 1.0)), np.inf)


def exact_weight(mixture, prompts: AllPrompts, true: int) -> float:
    """E[1 - w_n(theta*)], as the weight of the others (1 - w would cancel); 1 where the posterior does not exist."""
    joint = prompts.evidence_PxC * mixture.prior
    total, others = joint.sum(-1), np.delete(joint, true, -1).sum(-1)
    return float(prompts.mass_P @ np.where(total > 0, others / np.where(total > 0, total, 1.0), 1.0))


def exact_error(mixture, prompts: AllPrompts) -> float:
    """P(f_n(x) is not an argmax of p_prompt(y|x)); an f_n that does not exist is wrong."""
    joint = prompts.evidence_PxC * mixture.prior
    mixed = np.einsum("pc,pcv->pv", joint, prompts.law_PxCxV)
    answer = mixed.argmax(-1)[:, None]
    short = prompts.truth_PxV.max(-1) - np.take_along_axis(prompts.truth_PxV, answer, 1)[:, 0]
    return float(prompts.mass_P @ ((short > TIE) | (mixed.sum(-1) == 0)))


def random_instance(seed: int, *, delimiters: int | None = None, zeros: bool | None = None):
    """A random mixture in which A1 holds, a prompt law and theta*; the corners come up often.

    Two or three concepts, two or three word tokens and the delimiter (emitted by one or two states), k = 2 or 3.
    ``zeros``: entries may be 0. Half of the draws are *near* instances: kernels close to one another, or peaked.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 3)) if delimiters is None else delimiters
    with_zeros = bool(rng.random() < 0.4) if zeros is None else zeros
    words, concepts = int(rng.integers(2, 4)), int(rng.choice([2, 2, 2, 3, 1]))
    tokens, states = words + 1, words + count
    identity = rng.random() < 0.6

    def laws(*shape):
        p = rng.dirichlet(np.full(shape[-1], rng.choice([0.3, 1.0, 5.0])), shape[:-1]) + 1e-3
        if with_zeros:
            p *= rng.random(p.shape) < 0.75
            p[..., 0] += p.sum(-1) == 0
        return p / p.sum(-1, keepdims=True)

    emission = np.zeros((states, tokens))
    emission[:words, :words] = np.eye(words) if identity else laws(words, words)
    emission[words:, words] = 1.0
    prior = laws(concepts) if rng.random() < 0.3 else np.full(concepts, 1 / concepts)
    initial, transition = laws(concepts, states), laws(concepts, states, states)
    if concepts > 1 and rng.random() < 0.2:
        initial[1], transition[1] = initial[0], transition[0]  # twins that no prompt tells apart
    if rng.random() < 0.5:
        initial[1:] = initial[0]
    mixture = MixtureOfHMMs(prior, initial, transition, emission, words)
    start = transition[0, words] if rng.random() < 0.5 else laws(states)
    k = 2 if words == 3 or rng.random() < 0.7 else 3
    return mixture, PromptLaw.of(mixture, start / start.sum(), 0, k)
