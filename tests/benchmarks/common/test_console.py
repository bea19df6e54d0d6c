"""Words from outside are words, and no number is cut, at any width and in any encoding."""

import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from implicit_bayes.benchmarks.common.console import Console, in_letters
from implicit_bayes.benchmarks.common.tables import FIGURES
from implicit_bayes.simulators.stored import printable

numbers = st.one_of(
    st.floats(-1e6, 1e6).map(lambda x: f"{x:.4f} ± 0.0012"),
    st.integers().map(str),
    st.just("inf [-0.0139, +0.0201]"),
    st.just(""),
)
headers = st.sampled_from(["", "k", "θ*, θ", "rate [interval]", "accuracy, % of prompts"])
tables = st.integers(1, 9).flatmap(
    lambda columns: st.tuples(
        st.lists(headers, min_size=columns, max_size=columns),
        st.lists(st.lists(numbers, min_size=columns, max_size=columns), min_size=1, max_size=4),
    )
)  # fmt: skip


def shown(*objects, width=118, encoding="utf-8"):
    """What is printed, as text."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    Console(file, width).print(*objects)
    file.flush()
    return raw.getvalue().decode(encoding)


LONG = ["-100000.0000 ± 0.0012", "-200000.0000 ± 0.0012"]


@given(tables, st.sampled_from([20, 33, 40, 60, 80, 118]))
@example((["k", "", "rate [interval]", *"kkkk"], [[LONG[0]] * 3 + [""] * 4, [LONG[0]] * 2 + [LONG[1], *"0120"]]), 60)
@example((["accuracy, % of prompts"] * 3, [LONG[:1] * 3, [*LONG[:1] * 2, LONG[1]]]), 33)
def test_every_figure_stands_whole_on_one_line_and_every_line_fits(made, width):
    header, rows = made
    table = Table(*header, title="In-context accuracy")
    for row in rows:
        table.add_row(*row)
    text = shown(table, width=width)
    assert "…" not in text
    lines = text.splitlines()
    wanted = [cell for row in rows for cell in row if cell and len(cell) <= FIGURES]
    stacked = "━" not in text
    for cell in wanted:
        if not stacked or len(cell) <= width - 4:
            assert any(cell in line for line in lines), (cell, text)
    assert all(len(line) <= width for line in lines)


def test_rows_of_a_split_table_can_be_told_apart():
    table = Table("k", "predictor", *(f"n={n}" for n in range(9)))
    for k in ("3", "5"):
        for name in ("exact", "smoothed"):
            table.add_row(k, name, *["100.0±0.0"] * 9)
    text = shown(table, width=60)
    rows = [line for line in text.splitlines() if "100.0" in line]
    assert len(rows) > 4  # in parts
    assert all(re.search(r"[35].*(exact|smoothed)", line) for line in rows)


def test_indented_rows_are_about_the_row_above_and_tell_it_apart():
    """The in-context table at 40 columns had rows "3 | 95.0" and no predictor: "  95%" stands under every one."""
    table = Table("k", "predictor", "n=0", "n=1")
    for name in ("exact", "prompt-aware"):
        table.add_row("3", name, "100.0", "95.0")
        table.add_row("3", "  95%", "83.9–100.0", "76.4–99.1")
        table.add_row("", "  % undefined", "0.0", "0.0")
    text = shown(table, width=40)
    assert "━" in text and "(continued)" in text
    for line in text.splitlines():
        if any(number in line for number in ("95.0", "76.4")):
            assert any(name in line for name in ("exact", "prompt-aware", "95%"))


def test_rows_that_nothing_tells_apart_are_not_split():
    table = Table("k", "value", "error", "more")
    for _ in range(2):
        table.add_row("3", "1.2345678901", "0.1234567890", "1.1111111111")
    lines = shown(table, width=30).splitlines()
    assert lines == [
        "3",
        *(each := ["  value: 1.2345678901", "  error: 0.1234567890", "  more: 1.1111111111"]),
        "3",
        *each,
    ]


def test_a_column_without_a_name_is_stacked_without_a_colon():
    table = Table("check", "", "what was found")
    table.add_row("shape", "holds", "one law after every prefix, the empty one included, and more words than fit")
    assert shown(table, width=24).splitlines()[:3] == ["shape", "  holds", "  what was found:"]


def test_prose_is_wrapped_and_figures_are_not():
    table = Table("assumption", "constants", "witness")
    table.add_row("A2", "c1=0.0123  c2=0.5", "the smallest transition into a delimiter " * 4)
    text = shown(table, width=60)
    assert "c1=0.0123  c2=0.5" in text
    assert text.count("smallest") == 4


HOSTILE = ["dir[/old]/m", "[bold]b[/bold]", ":smile:", "[link=http://x]y[/link]", "<b>&amp;</b>", "$5_$10", "a\\[b]"]


@pytest.mark.parametrize("words", HOSTILE)
def test_markup_and_codes_are_words(words):
    assert words in shown(words)
    table = Table("name", "value", title=words)
    table.add_row(words, "1")
    assert shown(table).count(words) == 2
    assert words in shown(Text(words, "bold"))


def test_control_characters_are_escapes_and_move_no_cursor():
    text = shown("a\x1b[2Jb\x07c\x9bd\udcffe‮f")
    assert text == "a\\x1b[2Jb\\x07c\\x9bd\\udcffe\\u202ef\n"
    assert printable("two\nlines, ε") == "two\nlines, ε"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_what_the_encoding_lacks_is_spelt(encoding):
    text = shown("θ* and Σ KL ± 1, 漢", width=80, encoding=encoding)
    assert text.startswith("theta* and sum  KL")
    assert text.endswith("1, ?\n")
    table = Table("θ", title="ΣKL")
    table.add_row("−0.5")
    assert "-0.5" in shown(table, encoding=encoding)


def test_an_encoding_that_has_the_letters_keeps_them():
    assert in_letters("θ ± ∞", "utf-8") == "θ ± ∞"


def test_columns_of_the_environment_count(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert Console(io.StringIO()).width == 40
    monkeypatch.setenv("COLUMNS", "1")
    assert Console(io.StringIO()).width == 20
    monkeypatch.delenv("COLUMNS")
    assert Console(io.StringIO()).width == 118


def test_whoever_stops_reading_is_told_to_the_caller():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Console(Closed()).print("words")
