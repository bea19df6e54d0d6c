"""The recorded command: quoted for a shell, with everything that the numbers depend on, and true."""

import shlex

from hypothesis import given
from hypothesis import strategies as st

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.common.made_by import command_line

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).filter(lambda x: x[0] != "-")


@given(TEXT, st.lists(st.integers(2, 99), max_size=3), st.lists(TEXT, max_size=2), st.booleans())
def test_a_shell_reads_back_what_was_asked(instance, k, models, certify):
    """Whatever quotes, dollars and newlines a path holds; nothing at its default is repeated."""
    asked = {"instance": instance, "k": tuple(k), "model": tuple(models), "certify": certify, "out": "elsewhere"}
    words = shlex.split(command_line(cli.verify, asked))
    expected = ["implicit-bayes", "verify", instance]
    expected += ["--k", *map(str, k)] if k else []
    expected += ["--model", *models] if models != ["shipped"] else []
    expected += ["--certify"] if certify else []
    assert words == expected
