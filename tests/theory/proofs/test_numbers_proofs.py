"""Numbers that searches and certificates are worked out with, held to their values.

A change of one of them moves stored results (what is drawn, and what counts as equal), or how much time and memory is
spent: it is made here too, on purpose.
"""

from fractions import Fraction as F

import pytest

from implicit_bayes.theory.proofs import (
    certify_bracket,
    certify_finite,
    certify_moments,
    exact_sequences,
    exact_sums,
    search,
)

NUMBERS = [
    (certify_bracket, dict(MAX_BLOCKS=20_000)),
    (certify_finite, dict(SPACING=F(1, 10**6), LARGEST_S=256.0, LARGEST_N=4096, HUNDREDTH=F(1, 100))),
    (certify_moments, dict(MAX_MERGED=6_000)),
    (exact_sequences, dict(MAX_EXAMPLES=20_000)),
    (exact_sums, dict(MAX_PREFIXES=20_000)),
    (
        search,
        dict(
            GOAL=0.02,
            ROOM=1e-3,
            A3_SCALE=20.0,
            SHARPNESS=10.0,
            BATCH={"printed": 64, "repaired": 1024},
            STEPS={"printed": 600, "repaired": 120},
            LEARNING_RATE={"printed": 0.05, "repaired": 0.03},
        ),
    ),
]


@pytest.mark.parametrize(("module", "numbers"), NUMBERS, ids=[module.__name__.split(".")[-1] for module, _ in NUMBERS])
def test_numbers_are_changed_on_purpose(module, numbers):
    assert {name: getattr(module, name) for name in numbers} == numbers
