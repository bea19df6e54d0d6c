"""Mutants by machine: one operator changed in one place of a module, and the tests of that module must notice.

``make mutants`` (or ``python -m mutants`` in tests/) runs a seeded sample; see tests/README.md.
"""
