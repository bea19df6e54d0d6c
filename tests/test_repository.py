"""The repository keeps its promises: layers, no side effects on import, no pickles, pinned versions."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "implicit_bayes"
LAYERS = ("theory", "simulators", "lm", "benchmarks")
"""Lowest first: a package may import those before it, never those after it."""

PICKLERS = {"_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
LOCAL_RANDOM = {
    "numpy.random": {"BitGenerator", "Generator", "MT19937", "PCG64", "PCG64DXSM", "Philox", "RandomState"}
    | {"SFC64", "SeedSequence", "default_rng"},
    "random": {"Random", "SystemRandom"},
}
"""What may be used of the two libraries that also keep a global random state: objects with a state of their own."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONSTRAINTS = (ROOT / "constraints.txt").read_text().splitlines()
SOURCES = [path for package in LAYERS for path in sorted((ROOT / package).rglob("*.py"))]
SOURCES += sorted((ROOT / PACKAGE).glob("*.py"))


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Absolute names of the modules a source imports, those inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a chain of attributes, empty for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def upward_imports(package: str, tree: ast.AST) -> set[str]:
    """Imports of packages above ``package``."""
    above = tuple(f"{PACKAGE}.{name}" for name in LAYERS[LAYERS.index(package) + 1 :]) if package in LAYERS else ()
    return {name for name in imported_modules(tree) if f"{name}.".startswith(tuple(f"{a}." for a in above))}


def bare_imports(tree: ast.AST) -> set[str]:
    """Imports of a folder by its own name, which another package, or a folder beside a user's script, may own."""
    return {name for name in imported_modules(tree) if name.split(".")[0] in LAYERS}


def global_random(tree: ast.AST) -> set[str]:
    """Uses of the global random state of NumPy or of the standard library, by full name."""
    alias = {"np": "numpy"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            alias |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            alias |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    used = {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
    full = {".".join([alias[head], *rest]) for head, *rest in (name.split(".") for name in used) if head in alias}
    return {
        name
        for name in full
        for library, allowed in LOCAL_RANDOM.items()
        if name.startswith(f"{library}.") and name.removeprefix(f"{library}.").split(".")[0] not in allowed
    }


def pickling(tree: ast.AST) -> set[str]:
    """Ways a source could write or read a pickle."""
    found = {name for name in imported_modules(tree) if name.split(".")[0] in PICKLERS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "to_pickle"):
            found.add(node.attr)
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            safe = isinstance(node.value, ast.Constant) and node.value.value is False
            found |= set() if safe else {f"allow_pickle={ast.unparse(node.value)}"}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_keeps_the_rules(path):
    tree = ast.parse(path.read_text(), str(path))
    assert not upward_imports(path.relative_to(ROOT).parts[0], tree)
    assert not bare_imports(tree)
    assert not global_random(tree)
    assert not pickling(tree)


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (lambda tree: upward_imports("theory", tree), "from implicit_bayes.simulators.ginc import load"),
        (lambda tree: upward_imports("theory", tree), "from implicit_bayes import lm"),
        (lambda tree: upward_imports("lm", tree), "def f():\n    import implicit_bayes.benchmarks.cli.commands"),
        (bare_imports, "from theory import HMM"),
        (bare_imports, "import lm.train"),
        (
            lambda tree: upward_imports("theory", tree),
            "import importlib\nimportlib.import_module('implicit_bayes.lm.train')",
        ),
        (global_random, "import numpy as np\nnp.random.seed(0)"),
        (global_random, "from numpy import random\nrandom.rand(3)"),
        (global_random, "from numpy.random import shuffle\nshuffle(x)"),
        (global_random, "import random\nrandom.shuffle(x)"),
        (pickling, "import pickle"),
        (pickling, "np.load(path, allow_pickle=True)"),
        (pickling, "np.load(path, allow_pickle=flag)"),
    ],
)
def test_rules_catch_what_they_forbid(check, source):
    assert check(ast.parse(source))


def test_rules_let_pass_what_is_allowed():
    tree = ast.parse(
        "import jax, random\nimport numpy as np\nfrom implicit_bayes.theory import HMM\n"
        "jax.random.uniform(key)\nrandom.Random(0).shuffle(x)\nnp.random.RandomState(0).rand(3)\n"
        "np.random.default_rng(0).random(3)\nnp.load(path, allow_pickle=False)"
    )
    assert not (upward_imports("lm", tree) | bare_imports(tree) | global_random(tree) | pickling(tree))


def test_the_contract_names_the_layers():
    contract = PROJECT["tool"]["importlinter"]["contracts"][0]
    assert contract["type"] == "layers"
    assert contract["containers"] == [PACKAGE]
    assert tuple(reversed(contract["layers"])) == LAYERS


IMPORT_ALL = """
import importlib, json, pkgutil, random, sys
import jax, numpy as np
import rich.style  # draws one number of the global stream itself, the first time it is imported

class Core:  # a finder to which the extras are not installed
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in EXTRAS else self.finder.find_spec(name, path, target)

def state():
    settings = {name: repr(value) for name, value in jax.config.values.items()}
    settings["enable_x64 in force"] = repr(jax.config.jax_enable_x64)
    return settings, repr(np.random.get_state(legacy=False)), repr(random.getstate())

EXTRAS, LAYERS = json.loads(sys.argv[1]), json.loads(sys.argv[2])
np.set_printoptions(threshold=sys.maxsize)
sys.meta_path[:] = map(Core, sys.meta_path)
before = state()
needs_extra, stray_output = {}, []
for name in LAYERS:
    package = importlib.import_module(f"implicit_bayes.{name}")
    for module in pkgutil.walk_packages(package.__path__, f"implicit_bayes.{name}."):
        if module.name.split(".")[-1] == "__main__":
            continue
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            if "implicit-bayes[" in str(error):  # it says which extra to install
                continue
            if (error.name or "").split(".")[0] not in EXTRAS:
                raise
            needs_extra[module.name] = error.name
after = state()
changed = {name: [before[0].get(name), now] for name, now in after[0].items() if before[0].get(name) != now}
print("report", json.dumps({
    "changed": changed,
    "x64": bool(jax.config.jax_enable_x64),
    "numpy_random_kept": before[1] == after[1],
    "random_kept": before[2] == after[2],
    "needs_extra": needs_extra,
}))
"""

EXTRA_MODULES = [
    *("arviz_base", "arviz_stats", "beartype", "dask", "dask_jobqueue", "distributed", "dynamax", "flint"),
    *("hmmlearn", "hypothesis"),
    *("numba", "pomegranate", "pytest", "torch", "transformers"),
]


@pytest.fixture(scope="module")
def imported() -> dict:
    """What a fresh interpreter says after it imported every module without the extras."""
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps(EXTRA_MODULES), json.dumps(LAYERS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("report "), f"a module prints when it is imported: {done.stdout[:200]}"
    return json.loads(done.stdout.removeprefix("report "))


def test_import_changes_no_jax_setting(imported):
    assert imported["changed"] == {}
    assert imported["x64"] is False


def test_import_touches_no_global_random_state(imported):
    assert imported["numpy_random_kept"]
    assert imported["random_kept"]


def test_the_core_needs_no_extra(imported):
    assert not imported["needs_extra"], "import an extra where it is used, or name the extra in the ImportError"


def test_constraints_are_pins_only():
    pin = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][a-z0-9.]*")
    assert not [line for line in CONSTRAINTS if not pin.fullmatch(line)]
    names = [line.split("==")[0] for line in CONSTRAINTS]
    assert names == sorted(set(names))


def test_every_dependency_is_pinned_within_its_bounds():
    pins = dict(line.split("==") for line in CONSTRAINTS)
    project = PROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (Requirement(text) for group in groups for text in group):
        name = canonicalize_name(requirement.name)
        if name == project["name"]:
            continue
        assert name in pins, f"{name} is not pinned in constraints.txt"
        assert requirement.specifier.contains(pins[name], prereleases=True), f"{requirement} excludes {pins[name]}"


def test_dependencies_of_the_core_are_pinned_to_the_last():
    """The closure, as far as the packages installed here declare it."""
    from importlib.metadata import PackageNotFoundError, requires

    pins = {line.split("==")[0] for line in CONSTRAINTS}
    todo = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    seen: set[str] = set()
    while todo:
        name = canonicalize_name(todo.pop().name)
        if name in seen:
            continue
        seen.add(name)
        try:
            declared = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:
            continue
        todo += [r for r in declared if r.marker is None or r.marker.evaluate({"extra": ""})]
    assert len(seen) > len(PROJECT["project"]["dependencies"])
    assert not seen - pins


def test_no_recipe_hides_a_failure():
    for path in (ROOT / "Makefile", ROOT / ".ci" / "run"):
        assert not re.search(r"\|\|\s*(true|:)", path.read_text()), path
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_no_lock_and_no_pickled_file():
    assert not (ROOT / "uv.lock").exists()
    bad = {".pkl", ".pickle", ".pt", ".pth", ".joblib"}
    assert not [path for package in LAYERS for path in (ROOT / package).rglob("*") if path.suffix in bad]
