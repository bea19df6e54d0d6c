"""The command line that made a result, in words that a shell reads back as the same arguments."""

import inspect
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from implicit_bayes.simulators.json_types import JsonMapping

PROGRAM = "implicit-bayes"
PLACES = ("out", "json")
"""Flags that say where results go: the numbers do not depend on them."""


def command_line(command: Callable[..., object], given: JsonMapping, without: Sequence[str] = PLACES) -> str:
    """The shell command that calls a subcommand with these arguments.

    Positional arguments come first, then every flag whose value is not its default, so that a list of values never
    swallows a positional argument.

    Args:
        command: a subcommand of ``benchmarks.cli.commands``, called what it is called in the shell.
        given: its arguments by name; names that it does not have are ignored, missing ones are at their defaults.
        without: arguments left out, by default those that name outputs.

    Returns:
        A line quoted for a shell.
    """
    positional: list[str] = []
    flags: list[str] = []
    for name, parameter in inspect.signature(command).parameters.items():
        value = given.get(name, parameter.default)
        if name in without:
            continue
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            positional += _words(value)
        elif isinstance(value, bool):
            flags += [f"--{name.replace('_', '-')}"] if value and not parameter.default else []
        elif value != parameter.default:
            flags += [f"--{name.replace('_', '-')}", *_words(value)]
    return shlex.join([PROGRAM, command.__name__, *positional, *flags])


def with_out(command: str, directory: str | Path) -> str:
    """The same command, writing to a directory; nothing for a result that no command made.

    Args:
        command: as it was typed, or "".
        directory: DIR; quoted for the shell.

    Returns:
        A command for a shell, or "".
    """
    return f"{command} --out {shlex.quote(str(directory))}" if command else ""


def _words(value: object) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, (tuple, list)) else [str(value)]
