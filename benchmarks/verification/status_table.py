"""The table of every statement: formula, function, test, and what it comes to on four instances.

Written to docs/statements.md by ``implicit-bayes statements``; ``--check`` compares instead of writing, for CI.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from implicit_bayes.benchmarks.verification.enough import worst_rows
from implicit_bayes.benchmarks.verification.evaluate import Statements, check_statements
from implicit_bayes.benchmarks.verification.verify import prompt_laws
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory.statements.assumptions import Assumption, check_assumptions, worst_case
from implicit_bayes.theory.statements.finite_sample_table import FiniteSample

INSTANCES = {"ginc": 10, "ginc-paper": 5, "regular": 5, "printed-counterexample": 2}
"""The four instances and the example length at which each is judged."""

AT_N = 8
"""Number of examples at which the bounds of finite n are shown."""


class Statement(NamedTuple):
    """One row of the table of statements.

    Attributes:
        name: of the statement.
        formula: what it says.
        function: that evaluates it.
        test: that would fail if it were wrong.
        status: reads what it comes to off an instance's assumptions and statements.
    """

    name: str
    formula: str
    function: str
    test: str
    status: Callable[[list[Assumption], Statements], str]


def _assumption(index: int) -> Callable[[list[Assumption], Statements], str]:
    return lambda assumptions, _: _word(assumptions[index].holds)


def _condition(version: str) -> Callable[[list[Assumption], Statements], str]:
    def status(_: list[Assumption], found: Statements) -> str:
        rows = [getattr(row, f"{version}_holds") for row in found.conditions if row.k == found.theorem_k]
        if all(row is True for row in rows):
            return "holds"
        return "fails" if any(row is False for row in rows) else "undetermined"

    return status


def _theorem(name: str, version: str) -> Callable[[list[Assumption], Statements], str]:
    def status(_: list[Assumption], found: Statements) -> str:
        row = next(row for row in found.theorems if (row.name, row.version) == (name, version))
        return f"{'applies' if row.applies else 'does not apply'}; {row.in_words}"

    return status


def _finite(words: Callable[[list[FiniteSample]], str], versions: Sequence[str]) -> Callable[..., str]:
    """Of the version with the largest exponent, the rows of every theta*; a bound with exponent 0 says nothing."""

    def status(_: list[Assumption], found: Statements) -> str:
        by = {v: [row for row in found.finite if (row.version, row.k) == (v, found.theorem_k)] for v in versions}
        exponents = {v: min((row.exponent for row in rows), default=0.0) for v, rows in by.items()}
        best = max(versions, key=exponents.__getitem__)
        sampled = any(row.method != "exact" for row in by[best])
        return "says nothing" if sampled or not exponents[best] else f"{words(by[best])} ({best})"

    return status


def _word(holds: bool | str) -> str:
    return holds if isinstance(holds, str) else ("holds" if holds else "fails")


STATEMENTS = (
    Statement(
        "A1, delimiter states",
        "p(delimiter\\|d,θ) = 1; no other state emits it",
        "theory.statements.assumptions.delimiter_purity",
        "statements/test_assumptions.py::test_a1_names_the_impure_state",
        _assumption(0),
    ),
    Statement(
        "A2, delimiter bounds",
        "p(d\\|h,θ) < c2, p(d\\|h,θ*) > c1 > 0, p(d\\|θ) in [c3, c4]",
        "theory.statements.assumptions.delimiter_bounds",
        "statements/test_assumptions.py::test_a2_takes_c1_from_theta_star_and_c2_from_the_others",
        _assumption(1),
    ),
    Statement(
        "A3, start shift",
        "max_d TV(p_prompt(h), p(h\\|d,θ*)) < Δ(x)/4 for every x_test",
        "theory.statements.assumptions.start_shift",
        "statements/test_assumptions.py::test_printed_counterexample_satisfies_all_five",
        _assumption(2),
    ),
    Statement(
        "A4, well-specified",
        "θ* in Θ",
        "theory.statements.assumptions.well_specified",
        "statements/test_assumptions.py::test_a4_fails_for_a_foreign_concept_or_one_of_prior_zero",
        _assumption(3),
    ),
    Statement(
        "A5, regularity",
        "p(h'\\|h,θ*) > c5, max_h p(o\\|h) > c6, p(h\\|θ*) ≥ c8, all positive",
        "theory.statements.assumptions.regularity",
        "statements/test_assumptions.py::test_a5_needs_every_start_every_token_and_every_concept",
        _assumption(4),
    ),
    Statement(
        "Condition 1, printed",
        "Σ KL_j > log(1/c8) + 2 log(c2/c1) + log(c4/c3)",
        "theory.statements.conditions.check_conditions",
        "statements/test_conditions.py::test_printed_counterexample",
        _condition("printed"),
    ),
    Statement(
        "Condition, repaired",
        "Σ KL_j > KL(p_prompt(O) ‖ p(O\\|θ*)) + log(c2/c1) + a_θ",
        "theory.statements.repaired.assembled_bound",
        "statements/test_repaired.py::test_assembled_inequality_for_n_up_to_8",
        _condition("repaired"),
    ),
    Statement(
        "Condition, sharp",
        "lim r_n(θ) < 0",
        "theory.information.rates.log_likelihood_rates",
        "information/test_rates.py::test_closed_form_equals_enumeration",
        _condition("sharp"),
    ),
    Statement(
        "Theorem 1, printed",
        "A1–A5 and Condition 1 give f_n → argmax p_prompt",
        "theory.statements.theorems.evaluate_theorems",
        "statements/test_theorems.py::test_the_printed_theorem_1_applies_and_fails_on_its_counterexample",
        _theorem("1", "printed"),
    ),
    Statement(
        "Theorem 1, repaired",
        "the same from the repaired condition and Lemma 1",
        "theory.statements.theorems.evaluate_theorems",
        "statements/test_theorems.py::test_every_version_of_theorem_1_applies_and_holds_on_a_regular_instance",
        _theorem("1", "repaired"),
    ),
    Statement(
        "Theorem 1, sharp",
        "the same from rates below 0",
        "theory.statements.conclusions.conclude_theorem_1",
        "statements/test_theorems.py::test_repaired_and_sharp_versions_do_not_apply_there",
        _theorem("1", "sharp"),
    ),
    Statement(
        "Theorem 2, printed",
        "continuous Θ: excess risk ≤ g⁻¹(γ sup_B ε/(k−1))",
        "theory.statements.theorem_2.evaluate_theorem_2",
        "statements/test_fisher.py::test_theorem_2_evaluated",
        _theorem("2", "printed"),
    ),
    Statement(
        "Theorem 3, printed",
        "test length uniform on 2..k: excess risk ≤ g⁻¹(sup_B ε/(k−1))",
        "theory.statements.theorems.evaluate_theorems",
        "statements/test_theorems.py::test_theorem_3_printed_bound_where_it_says_something",
        _theorem("3", "printed"),
    ),
    Statement(
        "Theorem 3, sharp",
        "the same with the divergence itself",
        "theory.statements.theorems.evaluate_theorems",
        "statements/test_theorems.py::test_sharp_theorem_3_is_the_divergence_from_the_restart_law",
        _theorem("3", "sharp"),
    ),
    Statement(
        "F1, lost weight at n",
        "E[1 − w_n(θ*)] ≤ Σ_θ min over 0 ≤ s ≤ 1 of E odds_n(θ)^s",
        "theory.statements.finite_sample.weight_bound",
        "statements/test_finite_sample.py::test_bounds_are_never_below_the_truth",
        _finite(lambda rows: f"≤ {max(row.weight_bound[0] for row in rows):.1g} at n = {AT_N}", ("sharp", "repaired")),
    ),
    Statement(
        "F2, error at n",
        "P(f_n(x) ≠ y_test) ≤ P(Δ*(x) ≤ 0) + E_x Σ_θ min over s ≥ 0 of ((C − 1)/Δ*(x))^s E[odds_n(θ)^s\\|x]",
        "theory.statements.finite_sample.error_bound",
        "statements/test_finite_sample.py::test_bounds_are_never_below_the_truth",
        _finite(
            lambda rows: (
                f"≤ {max(row.error_bound[0] for row in rows):.1g} at n = {AT_N}; "
                f"n(0.01) = {worst_rows(rows)[0].n_enough['0.01']}"
            ),
            ("sharp", "repaired"),
        ),
    ),
    Statement(
        "F3, exponent",
        "lim (1/n) log P(odds_n(θ) ≥ 1) = log inf over s ≥ 0 of M_θ(s)",
        "theory.statements.finite_sample_search.exponent",
        "statements/test_finite_sample_enough.py::test_the_exponent_is_the_slope_of_the_exact_error",
        _finite(lambda rows: f"{min(row.exponent for row in rows):.4f} nats an example", ("sharp",)),
    ),
)


MACHINE_CHECKED = {
    "A1, delimiter states": "`PrintedCounterexample.a1`, `Regular.a1`",
    "A2, delimiter bounds": "`PrintedCounterexample.a2`",
    "A3, start shift": "`PrintedCounterexample.a3`",
    "A4, well-specified": "`PrintedCounterexample.a4`",
    "A5, regularity": "`PrintedCounterexample.a5`",
    "Condition 1, printed": "`PrintedCounterexample.condition_1`",
    "Condition, repaired": "`Assembled.assembled_inequality`, `Moments.moment_bound`, `Rates.posterior_concentrates`; "
    "`Regular.condition` (k = 2)",
    "Condition, sharp": "`Sharp.sharp_moments`, `Sharp.expected_log_ratio` (one delimiter state); "
    "`PrintedCounterexample.rate_is_positive`",
    "Theorem 1, printed": "false: `PrintedCounterexample.printed_theorem_1_is_false`, "
    "`Lemma1Counterexample.printed_lemma_1_is_false`",
    "Theorem 1, repaired": "`Theorem1.repaired_theorem_1`; `Regular.regular_learns` (k = 2)",
    "Theorem 1, sharp": "`Theorem1.sharp_theorem_1` (one delimiter state)",
    "F1, lost weight at n": "`Moments.moment_bound` (repaired)",
}
"""By statement, what Coq has checked of it: FILE.THEOREM in theory/proofs/coq. A row that is absent is not checked."""


def evaluate(name: str, k: int, seed: int = 0) -> list[str]:
    """The status of every statement on one instance at one k.

    Args:
        name: of the instance.
        k: example length.
        seed: of what is sampled.

    Returns:
        In the order of ``STATEMENTS``.
    """
    instance = load_instance(name)
    laws = prompt_laws(instance, [k])
    reports = [check_assumptions(instance.mixture, law) for law in laws.values()]
    every = [row for report in reports for row in report]
    found = check_statements(instance, [k], every, seed, False, (AT_N,), lambda words, total: lambda done: None)
    merged = worst_case(reports, list(laws))
    return [statement.status(merged, found) for statement in STATEMENTS]


def table(columns: Mapping[str, Sequence[str]]) -> str:
    """The page, from the statuses of each instance (in the order of STATEMENTS).

    Returns:
        Markdown of docs/statements.md.
    """
    lines = [
        "# Statements",
        "",
        "Made by `implicit-bayes statements --out docs/statements.md`; CI makes it again and compares. A status is",
        "over every true concept, alternative and prompt start law of the instance, at the k in its column. For a",
        "theorem: whether its hypotheses are shown to hold, then whether its conclusion is true of exact Bayes.",
        "*Machine-checked* names what Coq has proved of it, in [proofs.md](proofs.md) in words: of an assumption or a",
        "condition, that it holds on that instance; of a theorem, the theorem itself or its refutation. F1 to F3 are",
        "Theorem 1 at finite n ([theory](theory/finite_n.md)): of the sharp or the repaired version, at the worst true",
        "concept, whichever says more.",
        "",
    ]
    titles = ["statement", "formula", "function", "test (tests/theory/)", "machine-checked"]
    titles += [f"`{name}`, k = {INSTANCES[name]}" for name in columns]
    lines += [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for i, row in enumerate(STATEMENTS):
        cells = [
            row.name,
            row.formula,
            f"`{row.function}`",
            f"`{row.test}`",
            MACHINE_CHECKED.get(row.name, "–"),
            *(column[i] for column in columns.values()),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
