"""The limit of f_n by enumeration in exact fractions, one delimiter state, and random instances that reach the corners.

Nothing here uses the filter, the survivors, the rates or the limits of theory/: only the definitions of
docs/theory, sections 1 and 3.
"""

import itertools
import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw

TWENTIETHS = 20


class Exact(NamedTuple):
    """Ends of P(wrong) and of the excess risk, and whether the limit exists everywhere (ends then meet)."""

    wrong: tuple[Fraction, Fraction]
    excess: tuple[Fraction, Fraction]


def fractions(array):
    """Nested lists of the decimals that the entries print as."""
    array = np.asarray(array, dtype=np.float64)
    if array.ndim == 0:
        return Fraction(repr(float(array)))
    return [fractions(row) for row in array]


def joint(start, kernel, emission, tokens):
    """p(tokens, h_{m+1}) for the hidden state after them."""
    ahead = list(start)
    for token in tokens:
        heard = [p * emission[h][token] for h, p in enumerate(ahead)]
        ahead = [sum(p * kernel[h][g] for h, p in enumerate(heard) if p) for g in range(len(ahead))]
    return ahead


def probability(start, kernel, emission, tokens):
    return sum(joint(start, kernel, emission, tokens))


def answers(start, kernel, emission, x, tokens):
    """p(x, y) for every y."""
    ahead = joint(start, kernel, emission, x)
    return [sum(p * emission[h][y] for h, p in enumerate(ahead)) for y in range(tokens)]


def exact_limit(mixture: MixtureOfHMMs, law: PromptLaw, length: int | None = None) -> Exact:
    """Over first examples (they decide who survives) and x_test, x of ``length`` tokens (k - 1 if not given)."""
    (d,) = mixture.delimiter_states()
    tokens, delimiter, k = mixture.n_tokens, mixture.delimiter, law.length
    possible = [c for c in range(mixture.n_concepts) if mixture.prior[c] > 0]
    initial, kernels, emissions = (fractions(x) for x in (mixture.initial, mixture.transition, mixture.emissions))
    prompt = [fractions(x) for x in (law.start, law.hmm.transition, law.hmm.emission)]
    examples = [(o, p) for o in itertools.product(range(tokens), repeat=k) if (p := probability(*prompt, o))]
    later = {c: [probability(kernels[c][d], kernels[c], emissions[c], (*o, delimiter)) for o, _ in examples]
             for c in possible}  # fmt: skip
    lasting = [c for c in possible if all(later[c])]
    rate = {c: math.fsum(float(p) * math.log(q) for (_, p), q in zip(examples, later[c], strict=True))
            for c in lasting}  # fmt: skip
    total = [Fraction(0)] * 4
    tests = itertools.product(range(tokens), repeat=k - 1 if length is None else length)
    tests = [(x, p) for x in tests if (p := probability(*prompt, x))]
    mass = sum(p for _, p in examples)
    outcomes: dict[tuple[int, ...], Fraction] = {}
    for o, p in examples:
        alive = tuple(c for c in lasting if probability(initial[c], kernels[c], emissions[c], (*o, delimiter)))
        outcomes[alive] = outcomes.get(alive, Fraction(0)) + p / mass
    for alive, share in outcomes.items():
        for x, p in tests:
            truth = answers(*prompt, x, tokens)
            ends = _ends(alive, rate, truth, {c: answers(kernels[c][d], kernels[c], emissions[c], x, tokens)
                                              for c in alive})  # fmt: skip
            total = [t + share * p * e for t, e in zip(total, ends, strict=True)]
    scale = sum(p for _, p in tests)
    wrong_low, wrong_high, least, most = (t / scale for t in total)
    return Exact((wrong_low, wrong_high), (least, most))


def _ends(alive, rate, truth, laws):
    allowed = [c for c in alive if sum(laws[c])]
    scale, best = sum(truth), max(truth)
    if not allowed:
        return 1, 1, best / scale, best / scale
    top = max(rate[c] for c in allowed)
    left = [c for c in allowed if rate[c] > top - 1e-9]
    chosen = {y for c in left for y, q in enumerate(laws[c]) if q == max(laws[c])}
    excess = [(best - truth[y]) / scale for y in chosen]
    return min(e > 0 for e in excess), max(e > 0 for e in excess), min(excess), max(excess)


def random_law(rng: np.random.Generator, size: int, zeros: float, least: int = 0) -> np.ndarray:
    """A law of twentieths with many exact zeros and ties; ``least`` twentieths on the last entry."""
    keep = rng.random(size) > zeros
    keep[-1] |= least > 0
    keep[rng.integers(size)] |= not keep[:-1].any()
    parts = rng.multinomial(TWENTIETHS - least, keep / keep.sum())
    parts[-1] += least
    return parts / TWENTIETHS


def random_case(rng: np.random.Generator) -> tuple[MixtureOfHMMs, np.ndarray, int, int]:
    """A mixture with one delimiter state, (S, H) start laws, theta* and k: zero priors, zeros, copies and ties."""
    concepts, states, k = int(rng.integers(1, 4)), int(rng.integers(2, 5)), int(rng.integers(2, 4))
    zeros = rng.choice([0.0, 0.1, 0.3])
    initial = np.stack([random_law(rng, states, zeros) for _ in range(concepts)])
    kernel = np.stack([[random_law(rng, states, zeros, least=1) for _ in range(states)] for _ in range(concepts)])
    if concepts > 1 and rng.random() < 0.2:  # the same process after a delimiter, or altogether
        kernel[1] = kernel[0]
        if rng.random() < 0.5:
            initial[1] = initial[0]
    prior = random_law(rng, concepts, 0.4)
    emission = np.eye(states)
    if states > 2 and rng.random() < 0.3:
        emission = emission[[0, 0, *range(1, states - 1)]][:, : states - 1]
    starts = np.stack([random_law(rng, states, zeros) for _ in range(int(rng.integers(1, 3)))])
    if rng.random() < 0.2:
        starts[0] = kernel[0, -1]
    mixture = MixtureOfHMMs(prior, initial, kernel, emission, emission.shape[1] - 1)
    return mixture, starts, int(rng.integers(concepts)), k


def regular(shifts=(1, 3), smooth=0.15, peak=0.6):
    """Cyclic shifts over four words and a delimiter of probability .1 everywhere; the law after a delimiter is the
    start law of documents and prompts, peaked so that no x_test has a tie."""
    restart = np.full(5, 0.1)
    restart[0] = peak
    kernels = []
    for shift in shifts:
        words = (1 - smooth) * np.roll(np.eye(4), shift, axis=1) + smooth / 4
        kernels.append(np.vstack([np.hstack([0.9 * words, np.full((4, 1), 0.1)]), restart]))
    count = len(shifts)
    return MixtureOfHMMs(
        np.full(count, 1 / count), np.tile(restart, (count, 1)), kernels, np.eye(5), delimiter=4
    ), restart
