"""Deliberate errors, one line each, and the test that catches each: is the suite able to fail?

Run them with ``pytest -m slow tests/test_mutations.py`` (each test runs in a copy of the repository with one line
changed, and must fail there). The table in tests/README.md is this list.
"""

from mutation_lists import Mutation
from mutation_lists.filtering_and_information import FILTERING_AND_INFORMATION
from mutation_lists.measures import MEASURES
from mutation_lists.rates_and_conditions import RATES_AND_CONDITIONS
from mutation_lists.statements_and_proofs import STATEMENTS_AND_PROOFS

MUTATIONS: tuple[Mutation, ...] = (*FILTERING_AND_INFORMATION, *STATEMENTS_AND_PROOFS, *RATES_AND_CONDITIONS, *MEASURES)
