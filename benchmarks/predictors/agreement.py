"""Whether an answer is right: an argmax of p_prompt(y | x_test), and every one of them where several tokens tie."""

import numpy as np

from implicit_bayes.theory.statements.bounds import TIED, first_choice


def is_right(law: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether argmax_y law(y) is an argmax of the truth; the theorems' own meaning of a right answer.

    Tokens whose true probabilities differ by less than the rounding of float64 tie: which of them ``argmax`` names is
    an accident, of the filter's order of sums or of the tokens' order, and no answer is wrong for it. Where the
    predictor's own tokens tie its answer is the first of them, as in exact arithmetic, and not what rounding makes it.

    Args:
        law: (…, V) what a predictor says.
        truth: (…, V) p_prompt(y | x_test).

    Returns:
        (…,) booleans.
    """
    chosen = np.take_along_axis(truth, first_choice(law)[..., None], -1)[..., 0]
    return np.asarray(chosen >= truth.max(-1) * (1.0 - TIED))
