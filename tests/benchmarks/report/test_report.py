"""The report page in a real browser: it asks for nothing, complains of nothing, sorts, and shows its figures."""

import json
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.common.words import cpu_time, sizes
from implicit_bayes.benchmarks.report import build as report
from implicit_bayes.benchmarks.report import findings, panels, pictures
from implicit_bayes.benchmarks.report.findings import Axes, Findings, Mark, Picture, Point, Table
from implicit_bayes.benchmarks.report.house import house_style
from implicit_bayes.benchmarks.report.page import sort_key
from implicit_bayes.theory import ModelError

ABOUT = {"command": "implicit-bayes reproduce all --preset tiny --seed 0 --out here", "preset": "tiny", "seed": 0,
         "failed": 0}  # fmt: skip


def example(name: str = "curves") -> Findings:
    """Findings with everything that a page can hold, markup in words included."""
    points = tuple(
        Point(f"k = {k}", series, float(n), 50.0 + n, 45.0 + n, 55.0 + n, 100)
        for k in (3, 5) for series in ("exact Bayes", "LSTM (ours)", "published LSTM (28M)") for n in (0, 1, 4)
    )  # fmt: skip
    marks = (Mark("k = 5", 1.0, "printed holds"),)
    axes = Axes("examples, n", "accuracy, %", "category", (0, 103))
    picture = Picture(f"{name}-a", "A <title> & more", "A caption.", axes, points, marks)
    bars = Picture(f"{name}-b", "Bars", "Another.", axes._replace(kind="bars"), points)
    table = Table("Numbers", ("name", "value"), (("b", "10.5 ± 1"), ("a", "-2"), ("c", "∞"), ("d", "9")))
    return Findings(
        name, "A question", "The paper.", "Ours.", "It rises. So it does.", "rises", (picture, bars), (table,)
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    findings.store(folder, [example("curves"), example("dial")], ABOUT)
    report.write_report(folder)
    return folder


def test_findings_come_back_as_they_were(directory):
    stored, about = findings.load(directory)
    assert stored == [example("curves"), example("dial")]
    assert about == ABOUT
    lines = (directory / "results.csv").read_text().splitlines()
    assert lines[0] == "experiment,picture,panel,series,x,y,low,high,prompts"
    assert len(lines) == 1 + 4 * 18


def test_figures_are_drawn_again_from_what_is_stored(directory, tmp_path):
    shutil.copytree(directory, tmp_path / "again")
    assert cli.run(["figures", str(tmp_path / "again")]) == 0
    first = (tmp_path / "again" / "curves-a.svg").read_bytes()
    assert cli.run(["report", str(tmp_path / "again")]) == 0
    pictures.write(example("curves").pictures[0], tmp_path)
    assert (tmp_path / "curves-a.svg").read_bytes() == first
    assert (tmp_path / "again" / "curves-a.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_names_nothing_outside_itself(directory):
    page = (directory / "report.html").read_text()
    for words in ('src="http', "@import", "url(http", 'href="http', 'href="/', '<link rel="stylesheet'):
        assert words not in page
    assert "A &lt;title&gt; &amp; more" in page
    figure = page[page.index("<svg") : page.index("</svg>") + 6]
    ET.fromstring(figure)
    ids = [piece.split('"')[0] for piece in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_the_overview_opens_the_page_and_names_every_line(tmp_path):
    found = example("curves")
    top = found.pictures[0]._replace(name="in-context")
    lost = tuple(Point("V = 50", f"k = {k}", n, 10.0 * n, 0.0, 1.0, 100) for k in (3, 5) for n in (0.0, 1.0, 4.0))
    bottom = top._replace(name="no-posterior", points=lost, marks=())
    findings.store(tmp_path, [found._replace(pictures=(top, bottom))], ABOUT | {"cells": 3, "cpu_seconds": 90.0})
    assert cli.run(["figures", str(tmp_path)]) == 0
    assert (tmp_path / "overview.png").read_bytes().startswith(b"\x89PNG")
    drawn = (tmp_path / "overview.svg").read_text()
    assert all(f">{series}</text>" in drawn for series in ("exact Bayes", "LSTM (ours)", "published LSTM (28M)"))
    page = report.write_report(tmp_path).read_text()
    assert page.index('id="figure-overview"') < page.index('<section id="curves"')
    assert "3 cells, 90 CPU seconds" in page


@pytest.mark.parametrize(
    ("cell", "key"), [("63.2 ± 1.5", "63.2"), ("-2", "-2"), ("1,234", "1234"), ("∞", "1e999"), ("words", ""), (3, "3")]
)
def test_cells_are_sorted_by_the_number_they_begin_with(cell, key):
    assert sort_key(cell) == key


def test_a_directory_without_results_is_bad_input(tmp_path, capsys):
    assert cli.run(["report", str(tmp_path)]) == 2
    assert "holds no results" in capsys.readouterr().err
    (tmp_path / "findings.json").write_text("{}")
    with pytest.raises(ModelError, match="no readable findings"):
        report.write_report(tmp_path)


def test_verify_writes_a_report(tmp_path):
    small = ["--prompts", "5", "--n", "0", "2", "--documents", "2", "--length", "10", "--epsilon", "0.01"]
    assert cli.run(["verify", "printed-counterexample", *small, "--out", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    lines = (tmp_path / "results.csv").read_text().splitlines()
    assert lines[0].startswith("predictor,epsilon,k,n,accuracy")
    assert len(lines) == 1 + 3 * 2
    assert "What the theory says of printed-counterexample" in page
    drawn = {path.stem for path in tmp_path.glob("*.png")}
    assert {"curves", "conditions", "budget", "finite"} <= drawn
    assert page.count("<figure") >= len(drawn)


def test_the_page_in_a_browser(browser, directory):
    browser.get_log("performance")
    browser.set_window_size(1280, 900)
    browser.get((directory / "report.html").as_uri())
    assert browser.get_log("browser") == []
    asked = [
        message["params"]["request"]["url"]
        for message in (json.loads(row["message"])["message"] for row in browser.get_log("performance"))
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert asked, "the log of requests is empty, so nothing was shown"
    assert not [url for url in asked if not url.startswith(("file:", "data:", "chrome:", "about:"))]
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('figure svg')].map(s => [s.getBoundingClientRect().width,"
        " s.getBoundingClientRect().height, s.querySelector('title').textContent.length])"
    )
    assert len(sizes) == 2 * 2 * 2  # findings, pictures, panels
    assert np.min(np.array(sizes)[:, :2]) > 50
    assert np.min(np.array(sizes)[:, 2]) > 10


def test_tables_sort_by_number_and_by_word(browser, directory):
    browser.get((directory / "report.html").as_uri())

    def column(i: int) -> list[str]:
        return browser.execute_script(
            "const t = [...document.querySelectorAll('#curves table')][0];"
            f"return [...t.tBodies[0].rows].map(r => r.cells[{i}].textContent)"
        )

    def click(i: int) -> None:
        browser.execute_script(f"document.querySelectorAll('#curves table th button')[{i}].click()")

    assert column(0) == ["b", "a", "c", "d"]
    click(1)
    assert column(1) == ["-2", "9", "10.5 ± 1", "∞"]
    click(1)
    assert column(1) == ["∞", "10.5 ± 1", "9", "-2"]
    click(0)
    assert column(0) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_never_wider_than_the_screen(browser, directory, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get((directory / "report.html").as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_one_sign_that_means_two_things_is_named_by_its_panel():
    def panel(title, *labels):
        def draw(axis):
            for i, label in enumerate(labels):
                axis.plot([0, 1], [i, i], marker=panels.MARKERS[i], color=f"C{i}", label=label)

        return panels.Panel(title, draw)

    _, keys = panels.on_page(panels.Drawing((panel("A", "one", "two"), panel("B", "three")), "c"))
    assert [(key.words, key.panel) for key in keys] == [("one", "A"), ("two", "A"), ("three", "B")]
    with house_style():
        figure = panels.compose(panels.Drawing((panel("A", "one", "two"), panel("B", "three")), "c"))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["A:", "one", "two", "B:", "three"]
    _, keys = panels.on_page(panels.Drawing((panel("A", "one", "two"), panel("B", "one")), "c"))
    assert [(key.words, key.panel) for key in keys] == [("one", ""), ("two", "")]


def test_numbers_agree_with_their_nouns():
    assert sizes(1, 2, 50_257) == "1 concept, 2 states, 50,257 tokens"
    assert [cpu_time(seconds) for seconds in (6.4, 120, 3000)] == [
        "6 CPU seconds",
        "2 CPU minutes",
        "50 CPU minutes",
    ]
