"""Tables on which no number is ever cut, however narrow the terminal is.

A table that is wider than the terminal is split between its columns, each part with the columns that tell its rows
apart, or stacked row by row.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rich.style import StyleType
from rich.table import Table
from rich.text import Text

WORDS = 16
"""Columns that prose needs at least; what is longer than FIGURES is prose and may be wrapped."""
FIGURES = 36
PADDING = 3
"""Columns between two columns of a table, its line included."""


class Row(NamedTuple):
    """One row of a table that is to be printed.

    Attributes:
        cells: words.
        style: of the row.
        ends: whether a line is drawn below it.
    """

    cells: tuple[str, ...]
    style: StyleType | None
    ends: bool


class Sheet(NamedTuple):
    """A table as words: title, column headers and rows.

    Attributes:
        title: above the table; empty for none.
        header: of each column.
        rows: the cells, in the order of the columns.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, i: int) -> list[str]:
        """The cells of a column.

        Returns:
            One cell for each row.
        """
        return [row.cells[i] for row in self.rows]


def read(table: Table, clean: Callable[[str], str]) -> Sheet:
    """A table of rich's as words.

    Args:
        table: cells are words or Text.
        clean: what makes words fit to be printed.

    Returns:
        Sheet: title, headers and rows as plain words, styles kept by row.
    """

    def words(cell: object) -> str:
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

    Yields:
        Tables of rich's, none wider than ``width``, or one text of rows.
    """
    columns = range(len(sheet.header))
    least = [_least(sheet, i) for i in columns]
    if _needs(least) <= width:
        yield from _table(sheet, list(columns), least, width, sheet.title)
        return
    keys = _keys(sheet)
    rest = [i for i in columns if i not in keys]
    if not keys or not rest or _needs([least[i] for i in keys] + [max(least[i] for i in rest)]) > width:
        yield _stacked(sheet, keys or [0], width)
        return
    title, group = sheet.title, list(keys)
    for i in rest:
        if _needs([least[j] for j in [*group, i]]) > width:
            yield from _table(sheet, group, [least[j] for j in group], width, title)
            title, group = "(continued)", list(keys)
        group.append(i)
    yield from _table(sheet, group, [least[j] for j in group], width, title)


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
    """The first columns that tell the rows apart, three at most, or none that do.

    An empty cell repeats the one above it, and an indented one is about the last that is not.
    """
    filled: list[list[str]] = []
    heads = [""] * len(sheet.header)
    for row in sheet.rows:
        above = filled[-1] if filled else [""] * len(row.cells)
        heads = [cell if cell and cell[0] != " " else head for cell, head in zip(row.cells, heads, strict=True)]
        told = [f"{head}/{cell}" if cell[:1] == " " else cell for cell, head in zip(row.cells, heads, strict=True)]
        filled.append([cell or before for cell, before in zip(told, above, strict=True)])
    for count in range(1, min(3, len(sheet.header)) + 1):
        if len({tuple(row[:count]) for row in filled}) == len(filled):
            return list(range(count))
    return []


def _table(sheet: Sheet, columns: list[int], least: list[int], width: int, title: str) -> Iterator[Table | Text]:
    """A title, and some of the columns; room that is left goes to those that can use it, the narrowest first."""
    wanted = [max([len(sheet.header[i]), *map(len, sheet.column(i))]) for i in columns]
    widths, room = list(least), width - _needs(least)
    for place in sorted(range(len(columns)), key=lambda place: wanted[place]):
        more = min(room, max(0, wanted[place] - widths[place]))
        widths[place], room = widths[place] + more, room - more
    if title:
        yield Text(title, "italic")
    table = Table()
    for place, i in enumerate(columns):
        table.add_column(sheet.header[i], width=widths[place], overflow="fold")
    for row in sheet.rows:
        table.add_row(*(row.cells[i] for i in columns), style=row.style, end_section=row.ends)
    yield table


def _stacked(sheet: Sheet, keys: list[int], width: int) -> Text:
    """Every row as lines of ``header: cell``, its keys first; a cell that fits beside no other has its own line."""
    lines = [Text(sheet.title, "italic")] if sheet.title else []
    for row in sheet.rows:
        lines += [Text(line, "bold") for line in _packed([row.cells[i] for i in keys if row.cells[i]], width)]
        for i, (head, cell) in enumerate(zip(sheet.header, row.cells, strict=True)):
            if i not in keys and cell:
                whole = f"  {head}: {cell}" if head else f"  {cell}"
                lines += map(Text, [whole] if len(whole) <= width or not head else [f"  {head}:", f"    {cell}"])
    return Text("\n").join(lines)


def _packed(cells: Sequence[str], width: int) -> list[str]:
    """Cells side by side, in as many lines as they need; "-" where there are none."""
    lines = [cells[0] if cells else "-"]
    for cell in cells[1:]:
        beside = f"{lines[-1]}  {cell}"
        if len(beside) <= width:
            lines[-1] = beside
        else:
            lines.append(cell)
    return lines
