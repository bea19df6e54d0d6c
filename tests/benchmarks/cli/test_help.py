"""``--help`` and ``--version``: a screen of plain text, every argument explained, no default of None."""

import inspect

import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.cli import help_text

SCREEN = 48
"""Lines of a screen, of 80 columns."""


def shown(capsys, *arguments):
    assert cli.run(arguments) == 0
    return capsys.readouterr().out


def test_the_program_and_every_subcommand_fit_a_screen(capsys):
    for arguments in (["--help"], [], *([name, "--help"] for name in cli.COMMANDS)):
        lines = shown(capsys, *arguments).splitlines()
        assert len(lines) <= (24 if arguments in (["--help"], []) else SCREEN), arguments
        assert all(len(line) <= 80 for line in lines if "implicit-bayes " not in line), arguments  # commands to paste
        assert "None" not in "".join(lines) and "default: )" not in "".join(lines)


def test_every_argument_is_explained_with_its_default_and_its_choices(capsys):
    for name, command in cli.COMMANDS.items():
        text = shown(capsys, name, "-h")
        for argument, parameter in inspect.signature(command).parameters.items():
            if parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
                assert f"  --{argument.rstrip('_').replace('_', '-')}" in text, (name, argument)
    verify = " ".join(shown(capsys, "verify", "--help").split())
    assert "--prompts INT prompts for each k. [1000]" in verify
    assert "[1e-08 0.0001 0.01]" in verify
    assert "{lstm|transformer}" in shown(capsys, "train", "--help")


def test_an_argument_without_words_is_an_error():
    def command(out: int = 0) -> None:
        """Does.

        Try:
          implicit-bayes command

        Args:
            other: a number.
        """

    with pytest.raises(KeyError):
        help_text.of_command(command)


def test_version(capsys):
    assert shown(capsys, "--version").split() == ["implicit-bayes", cli.version()]
