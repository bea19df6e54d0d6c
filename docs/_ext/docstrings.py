"""Docstrings are written for people who read source; here their formulas become literal blocks and their names links.

An indented block below a blank line is a formula or code and becomes a literal block; a hanging indent is none. Outside
of literals, characters that reStructuredText would take for markup (``|``, ``*``, a final ``_``) are escaped. A literal
that is a name of the public surface becomes a link to it. Fields of named tuples that have no words of their own are
left to their Attributes section.
"""

import re
from typing import Any

from sphinx.application import Sphinx

SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Yields|Note|Example|Examples|Warning|Warns):$")
LITERAL = re.compile(r"(``.+?``)")


def escaped(line: str, public: frozenset[str]) -> str:
    """A line with markup escaped outside of literals, and public names linked."""
    parts = LITERAL.split(line)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            part = re.sub(r"([|*\\])", r"\\\1", part)
            part = re.sub(r"(?<=\w)_(?!\w)", r"\\_", part)
            parts[i] = re.sub(r"(?<!`)`(?!`)", r"\\`", part)
        elif (name := part.strip("`")) in public:
            parts[i] = f":py:obj:`{name} <implicit_bayes.{name}>`"
    return "".join(parts)


def readable(lines: list[str], public: frozenset[str]) -> list[str]:
    """Lines of a docstring as reStructuredText that means what the source shows.

    Args:
        lines: of a docstring, without common indentation.
        public: names that are linked.

    Returns:
        Lines for napoleon.
    """
    found: list[str] = []
    section = literal = False
    for i, line in enumerate(lines):
        indented = line.startswith("    ")
        if line and not indented:
            section, literal = bool(SECTION.match(line)), False
        elif indented and not section and not literal and i and not lines[i - 1].strip():
            literal = True
            found += ["::", ""]
        if indented and not section and not literal:
            line = line.strip()  # a hanging indent
        found.append(line if literal or SECTION.match(line) else escaped(line, public))
    return found


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    import implicit_bayes

    if what in ("attribute", "property") and lines and lines[0].startswith("Alias for field number"):
        lines[:] = []
        return
    lines[:] = readable(lines, frozenset(implicit_bayes.__all__))


def _skip(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Fields of named tuples say only that they are fields."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Before napoleon, whose handlers have the default priority of 500."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True}
