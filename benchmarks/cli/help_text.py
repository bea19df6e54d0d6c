"""``--help``: a screen of plain text for each subcommand, from its signature and docstring."""

import inspect
import re
import textwrap
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

WIDTH = 80
COLUMN = 24
"""Where the words begin that explain a flag."""


def overview(commands: Mapping[str, Callable[..., object]], description: str) -> str:
    """What ``implicit-bayes --help`` shows: every subcommand with its first paragraph.

    Args:
        commands: subcommands by name.
        description: of the program, a paragraph and how to start.

    Returns:
        Text that ends with a newline.
    """
    rows = [_row(name, _first(command), 14) for name, command in commands.items()]
    usage = "usage: implicit-bayes SUBCOMMAND …     (each has --help with examples)"
    words = "\n".join(textwrap.fill(each, WIDTH) for each in description.strip().split("\n\n"))
    return "\n".join([usage, "", words, "", *rows, "  --version   Print the version.", ""])


def _first(command: Callable[..., object]) -> str:
    """The first sentence of a docstring, without what follows a colon."""
    return re.split(r"(?<=[.])\s|: ", " ".join(_parts(command)[0].split("\n\n")[0].split()))[0].rstrip(".") + "."


def of_command(command: Callable[..., object]) -> str:
    """What ``implicit-bayes SUBCOMMAND --help`` shows: usage, purpose, every argument with its default, examples.

    Args:
        command: a subcommand whose docstring explains every argument under Args and ends its text with Try.

    Returns:
        Text that ends with a newline.
    """
    text, examples, words = _parts(command)
    hints = get_type_hints(command, include_extras=True)
    rows, positional = [], []
    for name, parameter in inspect.signature(command).parameters.items():
        shown, choices = _metavar(name, hints[name])
        default = _default(parameter.default, words[name])
        explained = f"{words[name]}{f' {{{choices}}}' if choices else ''}{default}"
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            positional.append(shown if parameter.default is inspect.Parameter.empty else f"[{shown}]")
            rows.append(_row(shown, explained, COLUMN))
        else:
            rows.append(_row(f"--{name.rstrip('_').replace('_', '-')} {shown}".rstrip(), explained, COLUMN))
    usage = " ".join(["usage: implicit-bayes", command.__name__, *positional, "[flags]"])
    paragraphs = [textwrap.fill(" ".join(each.split()), WIDTH) for each in text.split("\n\n")]
    return "\n".join([usage, "", "\n".join(paragraphs), "", *rows, "", "Try:", *examples, ""])


def _row(name: str, words: str, column: int) -> str:
    lines = textwrap.wrap(words, WIDTH - column, break_on_hyphens=False)
    head = f"  {name}".ljust(column)
    if len(head) > column or not head.endswith(" "):
        return "\n".join([head.rstrip(), *(" " * column + line for line in lines)])
    return "\n".join([head + lines[0], *(" " * column + line for line in lines[1:])])


def _parts(command: Callable[..., object]) -> tuple[str, list[str], dict[str, str]]:
    """The docstring's text, its example lines, and the words of every argument."""
    document = inspect.getdoc(command) or ""
    head, _, below = document.partition("\nArgs:\n")
    text, _, examples = head.partition("\nTry:\n")
    words: dict[str, str] = {}
    for line in below.splitlines():
        match = re.match(r"    (\w+): (.*)", line)
        if match:
            words[match[1]] = match[2]
        elif words and line.strip():
            words[list(words)[-1]] += " " + line.strip()
    return text.strip(), [line for line in examples.splitlines() if line.strip()], words


KINDS = {"int": "INT", "float": "FLOAT", "str": "NAME"}


def _metavar(name: str, hint: object) -> tuple[str, str]:
    """What stands for a value, and the choices where there are only so many."""
    named = next((each.metavar for each in getattr(hint, "__metadata__", ()) if getattr(each, "metavar", None)), None)
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (types.UnionType, Union):
        hint = next(each for each in get_args(hint) if each is not types.NoneType)
    if get_origin(hint) is Literal:
        return named or name.upper(), "|".join(map(str, get_args(hint)))
    if hint is bool:
        return "", ""
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        return named or f"{inner.__name__.upper()} …", ""
    return named or KINDS.get(getattr(hint, "__name__", ""), name.upper()), ""


def _default(value: object, words: str) -> str:
    """The default in brackets, where it is one that a reader can use and the words do not name it."""
    if value is inspect.Parameter.empty or value is None or value is False or value == () or "default" in words:
        return ""
    return f" [{' '.join(f'{each:g}' if isinstance(each, float) else str(each) for each in value)}]" if isinstance(
        value, tuple) else f" [{value}]"  # fmt: skip
