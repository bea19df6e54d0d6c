"""The regular instance: small, positive, written in short decimals, and inside every assumption of the paper.

Seven states with identity emission; state 0 is the delimiter. Concept c (shift r = c + 1) moves a word state
h in 1..6 to the one r places on (cyclically), 95% of the time, else to a uniform word; every state goes on to the
delimiter with probability 0.1:

    p(0 | h) = .1,   p(h + r | h) = .9 (.95 + .05 / 6) = .8625,   p(other word | h) = .9 * .05 / 6 = .0075

After a delimiter all concepts follow the same peaked law, which the prompt start law repeats without its
delimiter. So:

- A1 by construction. A2: p(d | h, theta) = .1 for every theta, so c1 and c2 are .1 in the limit; c3 = c4 = .1.
- A3: TV(p_prompt, p(h | d)) = .1; Delta(x) is .7625 where x ends in a word and .6 - .1 = .5 where it ends in the
  delimiter, so Delta / 4 is .125 at the least.
- A5: c5 = .0075, c8 = .1, c6 = 1 (in the limit); the prior is uniform.
- Condition 1 for every pair of concepts and every k >= 2. sum KL_j is KL(p_prompt || start) = .8034 nats plus at
  least 3.65 for every further token; the printed bound is log(1 / c8) = log 10 = 2.3026, the repaired one
  .8034 + a_theta = 3.1060 with R = .6 / .15 and rho = .06 / .15.

Source: section 2 of Xie et al. 2022 for the assumptions; the instance is this project's.
"""

import numpy as np

from implicit_bayes.theory.objects.models import MixtureOfHMMs

WORDS = 6
SHIFTS = (1, 2, 3, 4, 5)
DELIMITER_SHARE = 0.1
SHIFTED = 0.8625
OTHER = 0.0075
AFTER_DELIMITER = (0.1, 0.6, 0.06, 0.06, 0.06, 0.06, 0.06)
DOCUMENT_START = (0.1, 0.15, 0.15, 0.15, 0.15, 0.15, 0.15)
PROMPT_START = (0.0, 0.7, 0.06, 0.06, 0.06, 0.06, 0.06)


def regular() -> tuple[MixtureOfHMMs, np.ndarray]:
    """The regular mixture and its prompt start law.

    Returns:
        The mixture: 5 concepts, 7 states, 7 tokens, uniform prior, identity emission, delimiter 0. Every entry is
        the float64 nearest to a decimal of at most four places (the prior's to .2).
        (7,) p_prompt(h), the same for every true concept.
    """
    states = WORDS + 1
    kernels = np.stack([_kernel(shift) for shift in SHIFTS])
    prior = np.full(len(SHIFTS), 0.2)
    initial = np.tile(DOCUMENT_START, (len(SHIFTS), 1))
    return MixtureOfHMMs(prior, initial, kernels, np.eye(states), 0), np.array(PROMPT_START)


def _kernel(shift: int) -> np.ndarray:
    """(7, 7) the kernel of one concept."""
    kernel = np.full((WORDS + 1, WORDS + 1), OTHER)
    kernel[:, 0] = DELIMITER_SHARE
    kernel[0] = AFTER_DELIMITER
    for word in range(WORDS):
        kernel[1 + word, 1 + (word + shift) % WORDS] = SHIFTED
    return kernel
