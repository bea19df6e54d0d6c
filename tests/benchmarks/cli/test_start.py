"""What is loaded before there is anything to do: help, errors and refusals wait for no library that they do not use.

Modules are counted, not seconds: the same on every machine. (In CPU time on the machine where the bounds were set:
help and errors of arguments a tenth of a second, a file that is refused a quarter, an instance that is refused 0.8.)
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import json, sys
from implicit_bayes.benchmarks.cli.commands import run
status = run(sys.argv[1:], keep=True)
print(json.dumps([status, sorted(sys.modules)]))
"""
NUMERIC = {"numpy", "scipy", "jax", "equinox", "numba", "xarray", "matplotlib", "h5py", "rich", "pandas", "sklearn"}
SLOW = NUMERIC - {"numpy", "jax", "equinox"} | {"scipy", "optax", "orbax", "numpyro", "torch", "dask"}


def loaded(*arguments: str, program: str = PROGRAM) -> tuple[int, set[str]]:
    """Exit status of a command and the modules that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    status, names = json.loads(done.stdout.splitlines()[-1])
    return status, set(names)


def packages(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["verify", "--help"], 0),
        (["train", "--help"], 0),
        (["verify", "ginc", "--prompts", "many"], 2),
        (["gap", "--no-such-flag"], 2),
        (["very", "ginc"], 2),
    ],
)
def test_help_and_errors_of_arguments_load_no_numbers(arguments, status):
    found, names = loaded(*arguments)
    assert found == status
    assert not packages(names) & NUMERIC
    assert len(names) < 400


def test_a_file_that_is_no_instance_is_refused_before_jax(tmp_path):
    for name, write in {
        "damaged": lambda path: path.write_bytes(b"PK\3\4" + bytes(range(200))),
        "missing": lambda path: None,
        "poor": lambda path: np.savez(path, prior=np.ones(1)),
        "hostile": lambda path: np.savez(
            path, **dict.fromkeys(("prior", "initial", "transition", "emission"), np.array([{}])), delimiter=0
        ),
    }.items():
        write(tmp_path / f"{name}.npz")
        for command in (["verify"], ["gap", "bayes", "--instance"], ["check", "--instance"]):
            status, names = loaded(*command, str(tmp_path / f"{name}.npz"))
            assert status == 2, (name, command)
            assert not packages(names) & (NUMERIC - {"numpy"}), (name, command)


def test_an_instance_that_is_refused_loads_what_makes_instances_and_no_more(tmp_path):
    kernel = [[[0.5, 0.4], [0.5, 0.5]]]
    np.savez(
        tmp_path / "off.npz", prior=[1.0], initial=[[0.5, 0.5]], transition=kernel, emission=np.eye(2), delimiter=0
    )
    for spec in (str(tmp_path / "off.npz"), "no-such-name"):
        status, names = loaded("verify", spec)
        assert status == 2
        assert not packages(names) & SLOW


def test_importing_theory_loads_nothing_of_it():
    program = "import json, sys, implicit_bayes.theory; print(json.dumps([0, sorted(sys.modules)]))"
    _, names = loaded(program=program)
    assert not packages(names) & NUMERIC
    program = (
        "import json, sys; from implicit_bayes.theory import ModelError; print(json.dumps([0, sorted(sys.modules)]))"
    )
    _, names = loaded(program=program)
    assert not packages(names) & (NUMERIC - {"numpy"})


WHOLE = """
import json, sys
from implicit_bayes.benchmarks.cli.process import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    print(json.dumps([stop.code, sorted(name for name, module in sys.modules.items() if module is not None)]))
"""


def test_a_verification_without_a_model_loads_nothing_of_training_and_no_dask(tmp_path):
    """xarray asks for Dask wherever there is one, at its first array."""
    few = ["--prompts", "3", "--documents", "3", "--length", "8", "--n", "0", "1", "--out", str(tmp_path / "here")]
    status, names = loaded("verify", "regular", *few, program=WHOLE)
    assert status == 0
    assert {"xarray", "matplotlib", "h5py"} <= packages(names)
    assert not packages(names) & {
        "dask",
        "distributed",
        "optax",
        "orbax",
        "numpyro",
        "sklearn",
        "torch",
        "transformers",
    }
    assert len(names) < 2100


def test_a_verification_of_a_model_may_load_what_its_factory_needs(tmp_path):
    (tmp_path / "made.py").write_text("import dask\n\n\ndef model():\n    raise SystemExit(41)\n")
    status, _ = loaded("verify", "regular", "--model", f"{tmp_path / 'made.py'}:model", program=WHOLE)
    assert status == 41
