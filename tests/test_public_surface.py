"""What ``import implicit_bayes`` gives: frozen, documented, typed, lazy, and hidden by nobody's own folders."""

import ast
import doctest
import inspect
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import implicit_bayes

ROOT = Path(__file__).resolve().parents[1]

SURFACE = {
    *("HMM", "MixtureOfHMMs", "PromptLaw", "ModelError", "stationary_law"),
    *("filter_mixture", "filter_concepts", "filter_stream", "state_beliefs", "log_evidence", "log_probability"),
    *("ConceptFilter", "MixtureFilter"),
    *("kl_sum", "log_likelihood_rate", "log_likelihood_rates"),
    *("check_assumptions", "check_conditions", "evaluate_theorems", "certify", "search"),
    *("MixtureOfHMMsDistribution", "as_distribution", "generative_program"),
    *("from_dynamax", "from_hmmlearn", "from_pomegranate", "to_dynamax", "to_hmmlearn", "to_pomegranate"),
    *("Instance", "load_instance", "save_instance", "sample_documents", "sample_prompts"),
    *("LanguageModel", "NetworkModel", "TorchModel", "HuggingFaceModel", "find_model", "train"),
    *("verify", "Verification", "gap", "Gap"),
    *("check_instance", "check_language_model", "parametrize_with_checks"),
}
"""A name that goes, comes or is renamed is a decision for the changelog, not an accident."""


def test_the_surface_is_frozen():
    assert set(implicit_bayes.__all__) == SURFACE


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_every_name_exists_and_is_documented(name):
    found = getattr(implicit_bayes, name)
    assert found.__module__.startswith("implicit_bayes.")
    words = inspect.getdoc(found) or ""
    assert len(words.split()) >= 5, f"{name} has no docstring worth reading"


def test_the_example_of_the_package_is_right():
    failed, tried = doctest.testmod(implicit_bayes)
    assert tried and not failed


def test_nothing_is_imported_before_it_is_used():
    code = "import json, sys, implicit_bayes; implicit_bayes.__version__; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"numpy", "jax", "scipy", "matplotlib", "xarray"} & {m.split(".")[0] for m in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the unpacked wheel and a stranger's packages ``lm`` and ``benchmarks`` beside it."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    copy = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "-zco", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.exists():
            target.write_bytes(source.read_bytes())
    subprocess.run(build, check=True, cwd=copy, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name in ("lm", "benchmarks", "theory"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("OWNER = 'a stranger'\n")
    return folder


def test_the_wheel_lives_beside_packages_that_own_lm_and_benchmarks(installed, tmp_path):
    """Theirs stay theirs and ours ours, from a folder where a user has an ``lm`` of their own as well."""
    (tmp_path / "lm.py").write_text("OWNER = 'a user'\n")
    (tmp_path / "script.py").write_text(
        "import lm, benchmarks, theory, implicit_bayes\n"
        "from implicit_bayes.lm.presets import preset\n"
        "from implicit_bayes.benchmarks.cli import commands\n"
        "print(lm.OWNER, '|', benchmarks.OWNER, '|', theory.OWNER, '|', implicit_bayes.__file__)\n"
        "print(implicit_bayes.HMM.__module__)\n"
    )
    environment = {"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    owners, module = done.stdout.splitlines()
    assert owners.split(" | ") == ["a user", "a stranger", "a stranger", str(installed / "implicit_bayes/__init__.py")]
    assert module == "implicit_bayes.theory.objects.models"


def test_the_wheel_holds_every_tracked_file_and_the_types(installed):
    folders = ["theory", "simulators", "lm", "benchmarks"]
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    missing = [name for name in listed.split("\n") if name and not (installed / "implicit_bayes" / name).exists()]
    assert not [name for name in missing if (ROOT / name).exists()]
    assert (installed / "implicit_bayes" / "py.typed").exists()
    assert (installed / "implicit_bayes" / "__init__.pyi").exists()


def undocumented(path: Path) -> list[str]:
    """Public modules, classes, functions and methods of a source that have no docstring."""
    tree = ast.parse(path.read_text())
    found = [] if ast.get_docstring(tree) or not tree.body else [path.stem]
    todo: list[tuple[str, ast.Module | ast.ClassDef]] = [("", tree)]
    while todo:
        prefix, node = todo.pop()
        for each in node.body:
            if isinstance(each, ast.FunctionDef | ast.ClassDef) and not each.name.startswith("_"):
                found += [] if ast.get_docstring(each) else [f"{prefix}{each.name}"]
                todo += [(f"{prefix}{each.name}.", each)] if isinstance(each, ast.ClassDef) else []
    return found


@pytest.mark.parametrize("room", ["theory", "simulators", "lm", "benchmarks"])
def test_everything_public_is_documented(room):
    """Coverage of 100%: what the reference of the site shows has words."""
    found = {str(path.relative_to(ROOT)): undocumented(path) for path in sorted((ROOT / room).rglob("*.py"))}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_missing_docstring_is_noticed(tmp_path):
    source = tmp_path / "module.py"
    source.write_text('"""Words."""\nclass A:\n    """Words."""\n    def b(self): ...\n    def _c(self): ...\n')
    assert undocumented(source) == ["A.b"]


ONE_LINERS = {"log_evidence", "log_probability"}
"""Their docstring is a sentence with every argument in it, and says whose arguments they are."""


@pytest.mark.parametrize("name", sorted(SURFACE - ONE_LINERS - {"ModelError"}))
def test_every_argument_and_field_of_the_surface_is_explained(name):
    """In its docstring or its constructor's, a line each (``draws, warmup: per chain`` explains two)."""
    found = getattr(implicit_bayes, name)
    words = f"{inspect.getdoc(found)}\n{inspect.getdoc(getattr(found, '__init__', None)) or ''}"
    lines = re.findall(r"(?:^|; ) *([\w*, ]+):", words, flags=re.M)
    explained = {part for line in lines for part in re.split(r"[,\s*]+", line)}
    names = set(inspect.signature(found).parameters) - {"self", "args", "kwargs"}
    assert names - explained == set()
