"""Deliberate errors, one line each, and the test that catches each: is the suite able to fail?

Run them with ``pytest -m slow tests/test_mutations.py`` (each test runs in a copy of the repository with one line
changed, and must fail there). The table in tests/README.md is this list.
"""

from mutation_lists import Mutation
from mutation_lists.measures import MEASURES
from mutation_lists.theory import THEORY

MUTATIONS: tuple[Mutation, ...] = (*THEORY, *MEASURES)
