"""Each deliberate error makes its test fail, and tests/README.md lists them all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutants.run import copy_tree
from mutations import MUTATIONS

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_line_stands_where_the_list_says(mutation):
    assert (ROOT / mutation.file).read_text().count(mutation.before) == 1
    file, name = mutation.test.split("::")
    assert f"def {name}(" in (ROOT / file).read_text()


def test_the_readme_lists_every_mutation_with_its_test():
    table = (ROOT / "tests" / "README.md").read_text()
    for mutation in MUTATIONS:
        assert f"| {mutation.name} | `{mutation.file}` | `{mutation.test.removeprefix('tests/')}` |" in table


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_error_is_caught(mutation, tmp_path):
    copy_tree(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutation.test]

    def run() -> subprocess.CompletedProcess:
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    path = tmp_path / mutation.file
    text = path.read_text()
    path.write_text(text.replace(mutation.before, mutation.after))
    broken = run()
    assert broken.returncode == 1, broken.stdout
    path.write_text(text)
    assert run().returncode == 0
