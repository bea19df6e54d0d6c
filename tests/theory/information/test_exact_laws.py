"""The filter in fractions, by hand; what is not a short decimal decides nothing."""

from fractions import Fraction

import numpy as np
import pytest

from implicit_bayes.theory import HMM
from implicit_bayes.theory.information.exact_laws import UndecidedError, exact_law, hear, onward, reachable_laws, spoken

TENTH = Fraction(1, 10)


def test_two_steps_by_hand():
    """Start (.4, .6), rows (.3, .7) and (.5, .5), p(token 0) = .9 and .2."""
    law = exact_law(HMM(np.array([0.4, 0.6]), np.array([[0.3, 0.7], [0.5, 0.5]]), np.array([[0.9, 0.1], [0.2, 0.8]])))
    heard = hear(law.start, law.emission, 0)
    assert heard == (36 * TENTH**2, 12 * TENTH**2)
    ahead = onward(heard, sum(heard), law.transition)
    assert ahead == (Fraction(3, 4) * 3 * TENTH + Fraction(1, 8), Fraction(3, 4) * 7 * TENTH + Fraction(1, 8))
    assert sum(ahead) == 1 and reachable_laws(law, 0) == {law.start}
    assert ahead in reachable_laws(law, 1) and len(reachable_laws(law, 1)) == 2


def test_what_is_spoken_by_hand():
    """From (.4, .6) and p(token 0) = .9 and .2: .36 + .12, in fractions."""
    emission = ((9 * TENTH, TENTH), (2 * TENTH, 8 * TENTH))
    assert spoken((4 * TENTH, 6 * TENTH), emission) == (Fraction(48, 100), Fraction(52, 100))


def test_a_third_decides_nothing():
    with pytest.raises(UndecidedError):
        exact_law(HMM(np.full(3, 1 / 3), np.eye(3), np.eye(3)))
