"""A missing optional package: one line with its name, before the work, and what to type here."""

import sys

import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.common import extras
from implicit_bayes.theory import ModelError

CASES = {
    "flint": ["verify", "printed-counterexample", "--certify"],
    "tensorboardX": ["train", "--tensorboard", "--out", "DIR/run"],
    "distributed": ["reproduce", "dial", "--scheduler", "tcp://127.0.0.1:9", "--out", "DIR"],
    "dask_jobqueue": ["reproduce", "dial", "--slurm", "--out", "DIR"],
    "transformers": ["gap", "DIR/hf.py:make", "--instance", "regular"],
}


@pytest.mark.parametrize("module", CASES)
def test_a_missing_extra_is_one_line_before_the_work(module, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "hf.py").write_text("import transformers\n")
    extra, package = extras.PACKAGES[module]
    assert cli.run([word.replace("DIR", str(tmp_path)) for word in CASES[module]]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert f"needs {package}, of the extra {extra!r}" in said.err and "install" in said.err
    assert not (tmp_path / "run").exists()


def test_an_import_that_was_not_foreseen_is_one_line_too(monkeypatch, capsys):
    def broken(*_):
        raise ModuleNotFoundError("No module named 'pomegranate.hmm'", name="pomegranate.hmm")

    monkeypatch.setattr("implicit_bayes.benchmarks.cli.jobs.search", broken)
    assert cli.run(["search"]) == 2
    assert "needs pomegranate, of the extra 'reference'" in capsys.readouterr().err


def test_an_import_error_in_our_own_words_is_traced_to_its_cause():
    ours = ImportError("the benchmark needs it")
    ours.__cause__ = ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
    assert extras.absent(ours) == "torch"
    assert extras.absent(ImportError("something else")) is None


def test_other_import_errors_are_no_missing_extra(monkeypatch):
    def broken(*_):
        raise ModuleNotFoundError("No module named 'nobody'", name="nobody")

    monkeypatch.setattr("implicit_bayes.benchmarks.cli.jobs.search", broken)
    with pytest.raises(ModuleNotFoundError):
        cli.run(["search"])


def test_every_package_is_of_the_extra_that_pyproject_lists_it_under():
    for extra, package in extras.PACKAGES.values():
        assert any(each.lower().startswith(package.lower()) for each in extras.requirements(extra)), package


@pytest.mark.parametrize(
    ("receipt", "end"),
    [
        ('{ name = "implicit-bayes", editable = "/my code" }', "--editable '/my code'"),
        ('{ name = "implicit-bayes", directory = "/code" }', " /code"),
        ('{ name = "implicit-bayes", git = "https://x.org/y" }', " git+https://x.org/y"),
        ('{ name = "implicit-bayes" }', " implicit-bayes"),
        ("nonsense", " implicit-bayes"),
    ],
)
def test_uv_tool_users_are_told_what_works_for_them(receipt, end, tmp_path, monkeypatch):
    (tmp_path / "uv-receipt.toml").write_text(f"[tool]\nrequirements = [{receipt}]\n")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    told = extras.remedy("certify")
    assert told.startswith("uv tool install --with 'python-flint") and told.endswith(end)


def test_an_environment_without_pip_is_told_uv_pip(monkeypatch):
    monkeypatch.setitem(sys.modules, "pip", None)
    assert extras.remedy("certify").startswith(f"uv pip install --python {sys.executable} ")


def test_need_is_silent_where_the_package_is_there():
    assert extras.need("numba", "x") is None
    with pytest.raises(KeyError):
        extras.need("nobody", "x")
    with pytest.raises(ModelError, match="needs dask"):
        raise ModelError(extras.missing("dask"))
