"""The machine that plants errors: its operators, its sample, its judge, and the list of explained survivors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutants.entered import named
from mutants.inplace import changed_code, put
from mutants.operators import mutants_at, operators, places
from mutants.plan import ROOT, its_tests, modules
from mutants.run import choose, drawn, interleaved, sample
from mutants.score import explanations, score

TOY = '''"""A toy: 1 + 1."""
LEAST: int | None = 3


def clip(low: "a + b", high: int | None) -> int | None:
    """Half of 4."""
    if low < high and not high == 7:
        return min(low, high) - LEAST
    return max(high, low=2) * 2


def pairs(a, b):
    return list(zip(a, b, strict=True))
'''


def test_mutants_change_the_program_and_nothing_else():
    found = mutants_at("toy.py", TOY, places(TOY))
    changes = {(mutant.before, mutant.after) for mutant in found}
    assert ("LEAST: int | None = 3", "LEAST: int | None = 4") in changes
    assert ("return min(low, high) - LEAST", "return max(low, high) - LEAST") in changes
    assert ("return min(low, high) - LEAST", "return min(low, high) + LEAST") in changes
    assert ("if low < high and not high == 7:", "if low <= high and not high == 7:") in changes
    assert ("if low < high and not high == 7:", "if low < high or not high == 7:") in changes
    assert ("return max(high, low=2) * 2", "return max(low, low=2) * 2") in changes
    assert not any("high=2" in after for _, after in changes), "the name of an argument is not a use"
    assert not any("1 - 1" in mutant.source or "Half of 5" in mutant.source for mutant in found)
    assert all('low: "a + b", high: int | None' in mutant.source for mutant in found)
    assert all("strict=True" in mutant.source for mutant in found), "an assertion that holds is missed by no test"
    assert {mutant.function for mutant in found} == {"", "clip"}
    assert len({mutant.source for mutant in found}) == len(found)
    for mutant in found:
        compile(mutant.source, "toy.py", "exec")


def test_no_operator_is_left_that_any_test_would_catch():
    names = " ".join(operators())
    assert "LShift" not in names
    assert "Exception" not in names


def test_a_larger_sample_has_the_smaller_one():
    file = "benchmarks/common/intervals.py"
    small, large = sample(file, 0.1, 3), sample(file, 0.3, 3)
    assert small == large[: len(small)]
    assert len(large) > 2 * len(small) > 0
    assert sample(file, 0.1, 4) != small
    columns = [list("aaaa"), list("bb"), []]
    assert "".join(interleaved(columns)) in ("aabaab", "abaaba")


def test_places_are_drawn_alike_from_all_modules():
    """Sixty of two modules: of the one that has ten times the places more, of either some."""
    few, more = (drawn(("gap/loss.py", "gap/laws.py"), count, 2) for count in (20, 60))
    assert few == more[:20] and len(more) == 60
    assert drawn(("gap/loss.py", "gap/laws.py"), 20, 3) != few
    counts = [sum(mutant.file.endswith(name) for mutant in more) for name in ("loss.py", "laws.py")]
    sizes = [len(places((ROOT / "benchmarks/gap" / name).read_text())) for name in ("loss.py", "laws.py")]
    assert abs(counts[0] / 60 - sizes[0] / sum(sizes)) < 0.25 and min(counts) > 0


def test_every_module_has_its_tests():
    assert len(modules()) > 25
    assert modules(("gap/loss",)) == ["benchmarks/gap/loss.py"]
    for file in modules():
        assert (ROOT / file).is_file()
        assert its_tests(file)
        assert all((ROOT / test).exists() for test in its_tests(file)), file


def test_explained_survivors_are_still_there():
    for key, why in explanations().items():
        file, change = key.split(": ", 1)
        text = " ".join((ROOT / file).read_text().split())
        before, _ = change.split(" -> ", 1)
        assert before in text, f"{file} no longer has {before!r}: take it off the list"
        assert len(why) > 20


def test_tests_that_enter_the_function_come_first_and_cheapest():
    tests = {
        "slow": {"seconds": 9.0, "functions": ["m.py::f"]}, "quick": {"seconds": 1.0, "functions": ["m.py::f"]},
        "long": {"seconds": 99.0, "functions": ["m.py::f"]}, "other": {"seconds": 0.1, "functions": []},
    }  # fmt: skip
    (mutant,) = mutants_at("m.py", "def f():\n    return 1 < 2\n", [("ReplaceComparisonOperator_Lt_Gt", 0)])
    first, rest, seconds = choose(mutant, tests)
    assert first == ["quick", "slow"]
    assert rest == ["long", "other"]
    assert seconds == pytest.approx(109.1)


def test_files_are_named_however_they_were_reached():
    assert named("/x/implicit_bayes/theory/statements/bounds.py") == "theory/statements/bounds.py"
    assert named("/x/tests/theory/test_x.py") is None


def judged(tree: Path, body: str, limit: float = 20.0) -> str:
    """What the pool makes of a test."""
    (tree / "tests").mkdir(exist_ok=True)
    (tree / "tests" / "test_toy.py").write_text(body)
    (tree / "pytest.ini").write_text("[pytest]\nmarkers = slow: x\n")
    code = (
        "import sys, pathlib; from mutants.pool import run_tests;"
        f"print(run_tests(pathlib.Path({str(tree)!r}), ['tests/test_toy.py'], {limit}).outcome)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


OUTCOMES = {
    "killed": "def test_x():\n    assert 1 == 2\n",
    "survived": "def test_x():\n    assert 1 == 1\n",
    "killed by import": "import no_such_module\n",
    "timeout": "def test_x():\n    while True:\n        pass\n",
    "error": "x = 1\n",
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcomes(name, tmp_path):
    assert judged(tmp_path, OUTCOMES[name], 1.0 if name == "timeout" else 20.0) == name.split(" ")[0]


PLACED = """
LIMIT = 3
class Pair:
    def least(self, x=1): return [y < x for y in range(LIMIT)]
def outer(a):
    def inner(): return a + 1
    return inner()
half = lambda z: z / 2
"""


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [("y < x", "y <= x", {"Pair.least"}), ("a + 1", "a - 1", {"outer"}), ("LIMIT = 3", "LIMIT = 4", None),
     ("x=1", "x=2", None), ("z / 2", "z * 2", None)],
)  # fmt: skip
def test_what_only_changes_functions_is_planted_in_place(before, after, names):
    found = changed_code("toy.py", PLACED, PLACED.replace(before, after))
    assert found is None if names is None else set(found) == names


def test_a_planted_function_is_the_mutant_wherever_it_was_imported_to():
    """A module of a package's name that nobody else has; a name that is not there is told."""
    source = "def f(x):\n    return x + 1\n"
    there: dict = {}
    exec(compile(source, "/x/implicit_bayes/theory/toy.py", "exec"), there)
    kept = there["f"]
    assert put("theory/toy.py", changed_code("toy.py", source, source.replace("+", "-")))
    assert kept(1) == 0
    assert not put("theory/other.py", changed_code("toy.py", source, source.replace("+", "-")))


def test_the_score_counts_what_is_dead_and_what_is_explained():
    def row(outcome, key="a"):
        return {"outcome": outcome, "key": key, "file": "f", "line": 1}

    found = score([row("killed"), row("timeout"), row("survived"), row("error")])
    assert (found.killed, found.run, len(found.left), found.errors) == (2, 3, 1, 1)
    assert found.low < 2 / 3 < found.high
    assert "killed 2 of 3" in found.words
    some = next(iter(explanations()), None)
    if some:
        assert len(score([row("survived", some)]).equivalent) == 1


def test_the_command_lists_its_flags():
    done = subprocess.run(
        [sys.executable, "-m", "mutants", "--help"], cwd=ROOT / "tests", capture_output=True, text=True, check=True
    )
    assert "--share" in done.stdout
