"""Numbers that the conditions, theorems and bounds are worked out with, held to their values.

A change of one of them moves stored results (what is drawn, and what counts as equal), or how much time and memory is
spent: it is made here too, on purpose.
"""

import pytest

from implicit_bayes.theory.statements import (
    assumptions,
    bounds,
    conclusions,
    conditions,
    finite_sample,
    finite_sample_odds,
    finite_sample_search,
    fisher,
    input_margins,
    limits,
    merged_beliefs,
    merged_inputs,
    rate_order,
    risk,
    signals,
    top_margins,
)

NUMBERS = [
    (assumptions, dict(LOOKED_AT=1 << 29)),
    (bounds, dict(_BISECTIONS=64, TIED=1e-12)),
    (conclusions, dict(BOUND_ROUNDING=1e-12, SLOW=0.02)),
    (conditions, dict(BUDGET=200_000, RATE_ACCURACY=10)),
    (
        finite_sample,
        dict(DELTAS=(0.1, 0.01, 0.001), MOST_AT_ONCE=2_000_000, FEW_INPUTS=64, FEW_EDGES=200_000, LARGEST_N=2**30),
    ),
    (finite_sample_odds, dict(TIE=1e-12, MOST_NATS=1e6, CLASSES=200_000)),
    (finite_sample_search, dict(LARGEST_S=1024.0, ROUNDING=1e-14, UNREACHABLE=-1e-9, CLOSE=1e-9, MOST_STEPS=100)),
    (fisher, dict(SINGULAR=1e-12)),
    (input_margins, dict(BUDGET=200_000, SAMPLED_TESTS=2000)),
    (limits, dict(SAMPLED_TESTS=200, EVERY_TEST=100_000_000, NUMBERS=1 << 23, EXACT_TESTS=400, EPSILON=2.0**-52)),
    (merged_beliefs, dict(TOGETHER=1 << 22, LOOKED_AT=1 << 12)),
    (merged_inputs, dict(CLASSES=2_000_000)),
    (rate_order, dict(RATE_ROUNDING=1e-11)),
    (
        risk,
        dict(
            SHOTS=(0, 1, 2, 4, 8, 16, 32, 64, 128, 256),
            LEVEL=0.99,
            LEAST_PROMPTS=8,
            NUMBERS=1 << 25,
            ENUMERATION_BUDGET=8_000_000,
        ),
    ),
    (signals, dict(ENCLOSED_SHARE=64, ENCLOSED_WIDTH=0.01, WIDEST=1.0)),
    (top_margins, dict(NUMBERS=1 << 23)),
]


@pytest.mark.parametrize(("module", "numbers"), NUMBERS, ids=[module.__name__.split(".")[-1] for module, _ in NUMBERS])
def test_numbers_are_changed_on_purpose(module, numbers):
    assert {name: getattr(module, name) for name in numbers} == numbers
