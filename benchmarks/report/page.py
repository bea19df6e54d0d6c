"""A report page: sections of words, figures and tables, rendered as one self-contained HTML file.

Nothing is fetched: style, script, figures (inline SVG) and data (data: URIs) are in the file, and its content security
policy forbids all else.
"""

import base64
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from implicit_bayes.benchmarks.report.findings import as_csv
from implicit_bayes.benchmarks.report.panels import Key
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.stored import read_text


class PageFigure(NamedTuple):
    """A figure of one or more panels.

    Attributes:
        name: unique on the page.
        title: above it.
        svgs: a panel each, as matplotlib writes it.
        alt: what a person who cannot see it should know.
        caption: below it.
        command: that makes it, or empty.
        seed: of the numbers, in words.
        data: CSV text.
        file: name of the download.
        key: the legend, where the panels have none of their own.
        note: what is not drawn and why; a figure without panels is that alone.
    """

    name: str
    title: str
    svgs: tuple[str, ...]
    alt: str
    caption: str
    command: str
    seed: str
    data: str
    file: str
    key: tuple[Key, ...] = ()
    note: str = ""


class PageTable(NamedTuple):
    """A table that can be sorted by any column.

    Attributes:
        title: above it.
        header: a word for each column.
        rows: cells, words or numbers.
        folded: whether it is shown only when it is opened.
        stacked: whether a row is a block on narrow screens.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    folded: bool = False
    stacked: bool = True

    @property
    def download(self) -> str:
        """The table as a data: URI."""
        return data_uri(as_csv(self.header, self.rows))


class Section(NamedTuple):
    """A section of a page: words, figures, tables.

    Attributes:
        name: anchor.
        title: above it.
        lead: what was asked, in pairs of a word and a sentence.
        verdict: the answer.
        figures: in order.
        tables: in order.
    """

    name: str
    title: str
    lead: tuple[tuple[str, str], ...]
    verdict: str
    figures: tuple[PageFigure, ...]
    tables: tuple[PageTable, ...]


class Page(NamedTuple):
    """A whole page, before it is HTML.

    Attributes:
        title: of the page.
        subtitle: a sentence or two below it.
        summary: what a person should understand in a minute, as a word or two and a sentence.
        at_a_glance: a table of it.
        facts: command, seed, ….
        sections: in order.
        files: (name, URI) downloads of everything.
        cover: figures of the summary.
    """

    title: str
    subtitle: str
    summary: tuple[tuple[str, str], ...]
    at_a_glance: PageTable
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    files: tuple[tuple[str, str], ...]
    cover: tuple[PageFigure, ...] = ()


def data_uri(text: str, kind: str = "text/csv") -> str:
    """A text as a data: URI.

    Args:
        text: the content.
        kind: its media type.

    Returns:
        The text, base64-encoded, with its type in front.
    """
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def inline(figure: PageFigure, panel: int = 0) -> str:
    """A panel's SVG made fit for a page: no prologue, no fixed size, unique ids, the figure's alternative text (the
    first panel's; the others are parts of it), and the page's own colours for what matplotlib draws in black, white
    and grey.

    Args:
        figure: of the page.
        panel: index of the panel.

    Returns:
        An <svg> element.
    """
    svg = figure.svgs[panel]
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    prefix = re.sub(r"[^a-zA-Z0-9]+", "-", figure.name) + (f"-{panel}" if panel else "")
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'(xlink:href="|href=")#([^"]+)"', rf'\1#{prefix}-\2"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    for colour, name in (("#ffffff", "--paper"), ("#000000", "--ink"), ("#dddddd", "--grid"), ("#333333", "--ink"),
                         ("#444444", "--soft"), ("#555555", "--soft")):  # fmt: skip
        svg = svg.replace(f"fill: {colour}", f"fill: var({name})").replace(f"stroke: {colour}", f"stroke: var({name})")
    head, rest = svg[: svg.index(">") + 1], svg[svg.index(">") + 1 :]
    width = re.search(r'\swidth="([\d.]+)pt"', head)
    natural = f' style="max-width: {float(width[1]) * 1.6:.0f}px"' if width else ""
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    label = f'role="img" aria-labelledby="{prefix}-alt"'
    alt = figure.alt if not panel else f"{figure.title}, panel {panel + 1}"
    return head.replace("<svg", f"<svg {label}{natural}", 1) + f'<title id="{prefix}-alt">{_escape(alt)}</title>' + rest


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def sort_key(cell: object) -> str:
    """What a column is sorted by: the first number in a cell, if it begins with one.

    Returns:
        A number as text; "1e999" for infinity, "" for words.
    """
    words = str(cell).replace("−", "-").replace(",", "").strip()
    if words.startswith(("∞", "inf")):
        return "1e999"
    if words.startswith(("-∞", "-inf")):
        return "-1e999"
    match = re.match(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", words)
    return match[0] if match else ""


def render(page: Page) -> str:
    """The page as HTML.

    Returns:
        One file that needs no other: figures are inside it, and everything from a file is escaped.
    """
    import jinja2
    from markupsafe import Markup

    source = (resources.files("implicit_bayes.benchmarks") / "templates" / "report.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["sort_key"] = sort_key
    environment.filters["data_uri"] = data_uri
    environment.filters["inline"] = lambda figure, panel: Markup(inline(figure, panel))
    return environment.from_string(source).render(page=page)


def write_page(page: Page, path: Path) -> Path:
    """Write the page, whole or not at all.

    Args:
        page: what to write.
        path: of the HTML file.

    Returns:
        ``path``.
    """
    with written_aside(path) as file:
        file.write(render(page).encode("utf-8", "backslashreplace").decode("utf-8"))
    return path


def whole_files(directory: Path, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Text files of DIR as downloads, where they exist.

    Args:
        directory: DIR.
        names: of CSV and JSON files.

    Returns:
        (name, data: URI) of those that exist.

    Raises:
        ModelError: one cannot be read.
    """
    kinds = {".csv": "text/csv", ".json": "application/json"}
    return tuple(
        (name, data_uri(read_text(directory / name, "run the command that made it again"), kinds[Path(name).suffix]))
        for name in names if (directory / name).is_file()
    )  # fmt: skip
