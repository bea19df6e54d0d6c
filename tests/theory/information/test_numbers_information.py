"""Numbers that divergences, rates and moments are worked out with, held to their values.

A change of one of them moves stored results (what is drawn, and what counts as equal), or how much time and memory is
spent: it is made here too, on purpose.
"""

import pytest

from implicit_bayes.theory.information import (
    arithmetic,
    bracket,
    equality,
    ergodic_mixtures,
    estimates,
    exact_laws,
    expansion,
    likelihood_moments,
    log_sums,
    moment_graphs,
    prefixes,
    process_entropies,
    rates,
    sampled_bracket,
    sampled_means,
    sampling,
    scores,
    simulated_rates,
    support_walk,
)

NUMBERS = [
    (arithmetic, dict(UNIT=2.0**-53)),
    (bracket, dict(ENTRIES=400_000, MOST_EXAMPLES=64, NARROW=1e-11)),
    (equality, dict(MAX_STATES=16, BLOCK=1 << 20, CLOSE=1e-9)),
    (ergodic_mixtures, dict(TOLERANCE=1e-10, DEPENDENT=1e-7)),
    (estimates, dict(COVERAGE=0.95)),
    (exact_laws, dict(MAX_FILTERS=400)),
    (expansion, dict(HEAD_SHARE=64, PAIRS=1 << 20, AHEAD=1 << 27, LEVELS=2)),
    (likelihood_moments, dict(AT_ONCE=1 << 17)),
    (log_sums, dict(DIGITS=(50, 200, 800), MAX_TERMS=500)),
    (moment_graphs, dict(BUDGET=200_000, PAIRS=2_000_000, SAMPLES=8192, FEWEST=256, FAINTEST=1e-290)),
    (prefixes, dict(FLOPS=250_000, CACHE=1 << 28, LARGEST=1 << 31)),
    (process_entropies, dict(DECIMALS=13)),
    (rates, dict(WITNESSES=(16, 8), SETTLED=1e-9)),
    (sampled_bracket, dict(PILOT=768, LEAST=1536, MOST=98_304, BLOCKS=32, COUNTED=2, FAR=0.1, CHUNK_NUMBERS=4_000_000)),
    (sampled_means, dict(SLACK=1e-12)),
    (sampling, dict(PILOT=1024, NUMBERS=1 << 23, LEAST=2048, MOST=65_536, MARGIN=1.2)),
    (scores, dict(BUDGET=2_000_000, ACCURACY=0.01, CHUNK=4096, WORK=1 << 33, FEWEST=256)),
    (simulated_rates, dict(CHAINS=32, EXAMPLES=128, BURN_IN=16, TOKENS=2048, TOKENS_BURN_IN=256)),
    (support_walk, dict(MAX_SETS=200_000, MAX_NUMBERS=1 << 27, AT_ONCE=1 << 21)),
]


@pytest.mark.parametrize(("module", "numbers"), NUMBERS, ids=[module.__name__.split(".")[-1] for module, _ in NUMBERS])
def test_numbers_are_changed_on_purpose(module, numbers):
    assert {name: getattr(module, name) for name in numbers} == numbers
