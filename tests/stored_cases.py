"""The inputs of tests/cases by name."""

from pathlib import Path

from implicit_bayes.simulators.instances import load_instance


def case_of(name):
    """The stored instance; tests/cases/README.md says what is right for it."""
    return load_instance(str(Path(__file__).parent / "cases" / f"{name}.npz"))
