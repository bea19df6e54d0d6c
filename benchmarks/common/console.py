"""A console on which words from outside are words, and on which no number is ever cut.

Names and paths are printed as they are: no markup, no emoji codes, control characters as escapes, and what the
terminal's encoding lacks in letters that it has. A table that is wider than the terminal is split between its columns,
each part with the columns that tell its rows apart, or stacked row by row.
"""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

from implicit_bayes.simulators.stored import printable

WIDTH = 118
"""Columns used when the output is not a terminal and COLUMNS says nothing."""
NARROWEST = 20
WORDS = 16
"""Columns that prose needs at least; what is longer than FIGURES is prose and may be wrapped."""
FIGURES = 36
PADDING = 3
"""Columns between two columns of a table, its line included."""
LETTERS = {
    "θ": "theta", "Σ": "sum ", "ε": "eps", "Δ": "Delta", "Ω": "Omega", "∞": "inf", "±": "+/-", "–": "-", "−": "-",
    "—": "-", "…": "...", "‖": "||", "≥": ">=", "≤": "<=", "²": "^2", "×": "x", "→": "->", "’": "'", "“": '"', "”": '"',
}  # fmt: skip


class Console(RichConsole):
    """Rich's console for words from outside; see the module.

    Args:
        file: where to print; standard output by default.
        width: in columns; by default the terminal's, or COLUMNS, or WIDTH in a pipe.
    """

    def __init__(self, file: IO[str] | None = None, width: int | None = None):
        super().__init__(file=file, width=_width(file) if width is None else width, highlight=False, markup=False,
                         emoji=False)  # fmt: skip

    def print(self, *objects: Any, **settings: Any) -> None:
        """Print words, styled Text and tables."""
        for each in objects:
            if isinstance(each, Table):
                for part in fitted(_read(each, self.clean), max(self.width, NARROWEST)):
                    super().print(part, **({"soft_wrap": True} if isinstance(part, Text) else settings))
            else:
                super().print(self._words(each), **settings)

    def clean(self, words: str) -> str:
        """Words without control characters, in letters that the output has."""
        return in_letters(printable(words), self.encoding)

    def _words(self, each: Any) -> Text:
        if not isinstance(each, Text):
            return Text(self.clean(str(each)))
        clean = self.clean(each.plain)
        return each if clean == each.plain else Text(clean)

    def on_broken_pipe(self) -> None:
        """Leave what to do to whoever runs the program."""
        raise BrokenPipeError


def _width(file: IO[str] | None) -> int | None:
    stream = sys.stdout if file is None else file
    terminal = stream is not None and not isinstance(stream, io.StringIO) and stream.isatty()
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked) > 0:
        return max(NARROWEST, int(asked))
    return None if terminal else WIDTH


def in_letters(words: str, encoding: str) -> str:
    """Words in characters of an encoding: θ is theta where there is no θ, and ? stands for what has no such name."""
    try:
        words.encode(encoding)
        return words
    except (UnicodeEncodeError, LookupError):
        named = "".join(c if _has(encoding, c) else LETTERS.get(c, c) for c in words)
        return named.encode("ascii" if not _known(encoding) else encoding, "replace").decode(encoding, "replace")


def _known(encoding: str) -> bool:
    try:
        return bool("".encode(encoding) == b"")
    except LookupError:
        return False


def _has(encoding: str, character: str) -> bool:
    try:
        return bool(character.encode(encoding))
    except (UnicodeEncodeError, LookupError):
        return False


class Row(NamedTuple):
    """cells: words.   style: of the row.   ends: whether a line is drawn below it."""

    cells: tuple[str, ...]
    style: Any
    ends: bool


class Sheet(NamedTuple):
    """A table as words: title, column headers and rows."""

    title: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, i: int) -> list[str]:
        """The cells of a column."""
        return [row.cells[i] for row in self.rows]


def _read(table: Table, clean: Any) -> Sheet:
    def words(cell: Any) -> str:
        return clean(cell.plain if isinstance(cell, Text) else str(cell))

    columns = [[words(cell) for cell in column.cells] for column in table.columns]
    rows = tuple(
        Row(tuple(cells), row.style, row.end_section)
        for cells, row in zip(zip(*columns, strict=True), table.rows, strict=True)
    )
    title = words(table.title) if table.title is not None else ""
    return Sheet(title, tuple(words(column.header) for column in table.columns), rows)


def fitted(sheet: Sheet, width: int) -> Iterator[Table | Text]:
    """The table as one that fits, as several that do, or row by row.

    Args:
        sheet: the table.
        width: of the terminal, in columns.
    """
    columns = range(len(sheet.header))
    least = [_least(sheet, i) for i in columns]
    if _needs(least) <= width:
        yield _table(sheet, list(columns), least, width, sheet.title)
        return
    keys = _keys(sheet)
    rest = [i for i in columns if i not in keys]
    if not rest or _needs([least[i] for i in keys] + [max(least[i] for i in rest)]) > width:
        yield _stacked(sheet, keys)
        return
    title, group = sheet.title, list(keys)
    for i in rest:
        if _needs([least[j] for j in [*group, i]]) > width:
            yield _table(sheet, group, [least[j] for j in group], width, title)
            title, group = f"{sheet.title} (continued)".strip(), list(keys)
        group.append(i)
    yield _table(sheet, group, [least[j] for j in group], width, title)


def _needs(least: Sequence[int]) -> int:
    return sum(least) + PADDING * len(least) + 1


def _least(sheet: Sheet, i: int) -> int:
    """Columns below which a figure would be broken, or prose be unreadable."""
    cells = sheet.column(i)
    longest = max(map(len, cells), default=0)
    head = max(map(len, sheet.header[i].split()), default=0)
    if longest <= FIGURES:
        return max(longest, head, 1)
    words = max((len(word) for cell in cells for word in cell.split()), default=0)
    return max(WORDS, head, words if words <= FIGURES else WORDS)


def _keys(sheet: Sheet) -> list[int]:
    """The first columns that tell the rows apart, three at most; an empty cell repeats the one above it."""
    filled: list[list[str]] = []
    for row in sheet.rows:
        above = filled[-1] if filled else [""] * len(row.cells)
        filled.append([cell or before for cell, before in zip(row.cells, above, strict=True)])
    for count in range(1, min(3, len(sheet.header)) + 1):
        if len({tuple(row[:count]) for row in filled}) == len(filled):
            return list(range(count))
    return [0]


def _table(sheet: Sheet, columns: list[int], least: list[int], width: int, title: str) -> Table:
    """A table of some of the columns, the room that is left given to those that can use it, the narrowest first."""
    wanted = [max([len(sheet.header[i]), *map(len, sheet.column(i))]) for i in columns]
    widths, room = list(least), width - _needs(least)
    for place in sorted(range(len(columns)), key=lambda place: wanted[place]):
        more = min(room, max(0, wanted[place] - widths[place]))
        widths[place], room = widths[place] + more, room - more
    table = Table(title=title or None, title_justify="left")
    for place, i in enumerate(columns):
        table.add_column(sheet.header[i], width=widths[place], overflow="fold")
    for row in sheet.rows:
        table.add_row(*(row.cells[i] for i in columns), style=row.style, end_section=row.ends)
    return table


def _stacked(sheet: Sheet, keys: list[int]) -> Text:
    """Every row as lines of ``header: cell``, its keys first."""
    lines = [Text(sheet.title, "italic")] if sheet.title else []
    for row in sheet.rows:
        lines.append(Text("  ".join(row.cells[i] for i in keys).strip() or "-", "bold"))
        named = zip(sheet.header, row.cells, strict=True)
        lines += [Text(f"  {head}: {cell}") for i, (head, cell) in enumerate(named) if i not in keys and cell]
    return Text("\n").join(lines)
