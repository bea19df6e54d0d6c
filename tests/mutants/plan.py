"""Which modules are mutated, and which test files must notice."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

STATEMENTS, INFORMATION, PROOFS, GAP = (
    f"tests/{room}/test_" for room in ("theory/statements", "theory/information", "theory/proofs", "benchmarks/gap")
)
BY_HAND = GAP + "measures_by_hand.py", GAP + "gap_by_hand.py"
COMMON, CURVES = (
    tuple(f"tests/benchmarks/{name}.py" for name in names)
    for names in (
        ("common/test_intervals", "common/test_intervals_by_hand"),
        ("predictors/test_curves", "predictors/test_parts_by_hand"),
    )
)
TESTS: dict[str, tuple[str, ...]] = {
    "theory/statements": ("tests/theory/statements", "tests/theory/proofs/test_counterexamples.py"),
    "theory/information/beliefs.py": (STATEMENTS + "assumptions.py", INFORMATION + "rates_by_hand.py"),
    "theory/information/estimates.py": (
        INFORMATION + "estimates.py",
        INFORMATION + "limits_of_work_by_hand.py",
        STATEMENTS + "conditions.py",
        INFORMATION + "sampled_means.py",
    ),
    "theory/information/exact_laws.py": (
        INFORMATION + "exact_laws.py",
        INFORMATION + "parts_by_hand.py",
        STATEMENTS + "condition_cases.py",
        STATEMENTS + "assumptions.py",
    ),
    "theory/information/log_sums.py": (
        INFORMATION + "parts_by_hand.py",
        INFORMATION + "equality.py",
        STATEMENTS + "condition_cases.py",
        "tests/theory/proofs/test_certify.py",
    ),
    "theory/information": ("tests/theory/information",),
    "theory/proofs": ("tests/theory/proofs",),
    "benchmarks/gap/bayesianity.py": (GAP + "implied.py", GAP + "implied_by_hand.py", *BY_HAND),
    "benchmarks/gap/implied.py": (GAP + "implied.py", GAP + "implied_by_hand.py", *BY_HAND),
    "benchmarks/gap/implied_documents.py": (GAP + "implied.py", GAP + "implied_by_hand.py", *BY_HAND),
    "benchmarks/gap/context.py": (GAP + "gap.py", GAP + "loss_by_hand.py", *BY_HAND),
    "benchmarks/gap/laws.py": (GAP + "loss.py", GAP + "loss_by_hand.py", *BY_HAND),
    "benchmarks/gap/loss.py": (GAP + "loss.py", GAP + "loss_by_hand.py", *BY_HAND),
    "benchmarks/gap/probes.py": (GAP + "gap.py", GAP + "probes_by_hand.py", *BY_HAND),
    "benchmarks/gap/scaling_laws.py": (GAP + "gap.py", GAP + "probes_by_hand.py", *BY_HAND),
    "benchmarks/common/intervals.py": COMMON,
    "benchmarks/common/differences.py": COMMON,
    "benchmarks/predictors/curves.py": CURVES,
    "benchmarks/predictors/paired.py": CURVES,
    "benchmarks/predictors/prompt_aware.py": CURVES,
    "simulators/ginc.py": ("tests/simulators/test_ginc.py",),
    "simulators/sampler.py": ("tests/simulators/test_sampler.py",),
}
"""Folder or module -> test files or folders; a module's own entry comes before its folder's."""


def modules(patterns: tuple[str, ...] = ()) -> list[str]:
    """The files that are mutated, those whose path contains one of the patterns."""
    found = []
    for target in TESTS:
        path = ROOT / target
        each = [path] if path.is_file() else sorted(path.glob("*.py"))
        found += [str(file.relative_to(ROOT)) for file in each if file.stat().st_size]
    chosen = dict.fromkeys(found)
    return [file for file in chosen if not patterns or any(pattern in file for pattern in patterns)]


def its_tests(file: str) -> tuple[str, ...]:
    """Test files and folders that belong to a module."""
    return TESTS.get(file) or TESTS[str(Path(file).parent)]
