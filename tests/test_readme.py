"""The Python of README.md runs as it is pasted."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)


def test_there_are_examples():
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("code", [b for b in BLOCKS if "gap(" not in b])
def test_an_example_runs_when_pasted(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "-inf" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("code", [b for b in BLOCKS if "gap(" in b])
def test_an_example_that_asks_a_model_runs_when_pasted(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "regular" in capsys.readouterr().out
