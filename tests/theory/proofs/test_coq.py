"""The proofs in theory/proofs/coq: no holes, nothing but the reals' axioms, and planted errors that Coq refuses.

``make proofs`` checks all of them; here only as much is compiled as an error needs to show.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "theory" / "proofs" / "coq"
CHAIN = ("Sums", "Models", "Forward", "Assembled", "Expectations", "Moments")
"""The files of the assembled inequality and of F1, each resting on those before it."""

REALS_OWN = {
    "ClassicalDedekindReals.sig_forall_dec",
    "ClassicalDedekindReals.sig_not_dec",
    "Classical_Prop.classic",
    "FunctionalExtensionality.functional_extensionality_dep",
}


def test_the_project_lists_every_file():
    listed = {line for line in (FOLDER / "_CoqProject").read_text().split() if line.endswith(".v")}
    assert listed | {"Audit.v"} == {path.name for path in FOLDER.glob("*.v")}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.v")), ids=lambda path: path.name)
def test_no_holes(path):
    holes = r"\b(Admitted|admit|give_up|Axioms?|Parameters?|Conjecture|Unset Guard Checking)\b"
    text = re.sub(r"\(\*.*?\*\)", "", path.read_text(), flags=re.S)
    assert not re.findall(holes, text if path.name != "Audit.v" else text.replace("Print Assumptions", ""))
    assert len(path.read_text().splitlines()) <= 320


def test_only_the_axioms_of_the_reals_are_used():
    """On the committed list; ``make proofs`` prints it afresh and compares."""
    text = (FOLDER / "assumptions.txt").read_text()
    blocks = [block.split("\n", 2) for block in text.split("== ")[1:]]
    audited = re.findall(r"Print Assumptions ([\w.]+)\.", (FOLDER / "Audit.v").read_text())
    assert [heading.split(" ")[0] for heading, *_ in blocks] == audited
    assert all(word == "Axioms:" for _, word, _ in blocks)
    for _, _, axioms in blocks:
        assert set(re.findall(r"^([\w.]+)", axioms, flags=re.M)) <= REALS_OWN


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    """A copy in which the chain is compiled, as it is."""
    if not shutil.which("coqc"):
        if "REQUIRE_COQ" in os.environ:  # as .ci/run sets it: there the proofs are never left unchecked
            pytest.fail("coqc is not installed")
        pytest.skip("coqc is not installed (apt-get install coq libcoq-interval libcoq-coquelicot)")
    folder = tmp_path_factory.mktemp("coq")
    for name in CHAIN:
        shutil.copy(FOLDER / f"{name}.v", folder)
        done = coqc(folder, name)
        assert done.returncode == 0, done.stderr
    return folder


def coqc(folder: Path, name: str) -> subprocess.CompletedProcess:
    command = ["coqc", "-q", "-Q", ".", "IB", f"{name}.v"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("changed", "swaps", "refused"),
    [
        pytest.param("Models", {"O ++ [delim]": "O"}, "Assembled", id="drop the delimiter"),
        pytest.param(
            "Assembled",
            {
                "* (c1 * rho) ^ (n - 1) * Π": "* (c2 * rho) ^ (n - 1) * Π",
                "<= (c2 * R_theta) ^ (n - 1)": "<= (c1 * R_theta) ^ (n - 1)",
            },
            "Assembled",
            id="swap c1 and c2 in the assembled inequality",
        ),
        pytest.param(
            "Moments",
            {"R := c2 * R_theta / (c1 * rho).": "R := c1 * R_theta / (c2 * rho)."},
            "Moments",
            id="swap c1 and c2 in B",
        ),
        pytest.param(
            "Models",
            {"c1 <= transition theta h d;": "transition theta h d <= c1;"},
            "Assembled",
            id="c1 from above",
        ),
        pytest.param(
            "Assembled",
            {"(c5 * c6) ^ length x\n       * (c1": "(c5 * c6) ^ (length x - 1)\n       * (c1"},
            "Assembled",
            id="one step too few in the last segment",
        ),
    ],
)
def test_a_planted_error_is_refused(compiled, tmp_path, changed, swaps, refused):
    folder = shutil.copytree(compiled, tmp_path / "coq")
    source = folder / f"{changed}.v"
    text = source.read_text()
    for old, new in swaps.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    source.write_text(text)
    for name in CHAIN[CHAIN.index(changed) :]:
        done = coqc(folder, name)
        if name == refused:
            assert done.returncode != 0
            assert f'File "./{refused}.v"' in done.stderr
            assert "inconsistent" not in done.stderr  # that would be a stale file, not the error
            return
        assert done.returncode == 0, done.stderr
