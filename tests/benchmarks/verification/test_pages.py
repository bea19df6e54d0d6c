"""The pages of verify, compare and gap: complete, legible on a telephone, and silent where there is nothing to draw."""

import html
import json
from functools import partial

import numpy as np
import pytest
import xarray as xr
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.gap import figures as gap_figures
from implicit_bayes.benchmarks.report.panels import Drawing, Panel, compose, draw_all, on_page
from implicit_bayes.benchmarks.verification import compare_page, enough_figures, figures
from implicit_bayes.benchmarks.verification.page import IN_WORDS, alike, read
from implicit_bayes.benchmarks.verification.sentences import summary
from implicit_bayes.simulators.instances import load_instance

SMALL = ["--prompts", "30", "--n", "0", "2", "--documents", "4", "--length", "20"]
MINE = "tests/cases/two_start_laws.npz"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """printed-counterexample and an own .npz, side by side, with a model."""
    out = tmp_path_factory.mktemp("pages") / "both"
    flags = ["--epsilon", "0.01", "--model", "bayes", "--model-prompts", "5", "--out", str(out)]
    assert cli.run(["verify", "printed-counterexample", "--compare", MINE, *SMALL, *flags]) == 0
    return out


@pytest.fixture(scope="module")
def gapped(tmp_path_factory):
    out = tmp_path_factory.mktemp("pages") / "gap"
    assert cli.run(["gap", "bayes", "bayes(0.2)", "--instance", "regular", "--k", "3", *SMALL, "--out", str(out)]) == 0
    return out


def test_the_page_of_an_instance_says_everything_that_the_screen_does(compared):
    page = html.unescape((compared / "printed-counterexample" / "report.html").read_text())
    stored = json.loads((compared / "printed-counterexample" / "results.json").read_text())
    assert "Theorem 1, as printed, is contradicted" in page
    assert all(words in page for words in IN_WORDS.values())
    assert all(row["reason"] in page for row in stored["theorems"])
    assert "Certificate" not in page
    assert "implied posterior: TV from the exact one" in page  # the models' gap table
    assert "None of the 30 prompts for each k is impossible" in page
    assert not (compared / "printed-counterexample" / "undefined.png").exists()
    assert "implicit-bayes verify printed-counterexample --n 0 2 --prompts 30" in page


def test_captions_name_the_axis_that_is_drawn(compared):
    page = (compared / "printed-counterexample" / "report.html").read_text()
    assert "by the number of examples n, for each example length k" in page
    assert "against the example length k" in page
    assert "Error of each predictor at the largest n, by predictor" in page


def test_what_an_npz_leaves_out_is_stated(compared, tmp_path):
    with np.load(MINE, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files if name not in ("prompt_starts", "true_concept", "k")}
    np.savez(tmp_path / "bare.npz", **arrays)
    said = load_instance(str(tmp_path / "bare.npz")).description
    for words in ("no prompt_start: examples start as", "no true_concept: every concept", "no k: example lengths 3, 5"):
        assert words in said
    full = load_instance(MINE).description
    assert full == f"read from {MINE}"
    assert full in (compared / "two_start_laws" / "report.html").read_text()


def test_compare_writes_a_page_that_compares(compared, capsys):
    page = (compared / "report.html").read_text()
    assert "Side by side: printed-counterexample and two_start_laws" in page
    assert "A3 holds for printed-counterexample; fails for two_start_laws." in page
    assert "implicit-bayes verify printed-counterexample --n 0 2" in page and f"--compare {MINE}" in page
    (compared / "report.html").unlink()
    assert cli.run(["report", str(compared)]) == 0
    assert (compared / "report.html").read_text() == page


def test_comparing_keeps_what_was_promised_apart_and_shows_intervals(compared):
    for applies, conclusion, words in (
        (True, "fails", "applies; its conclusion fails"),
        (False, "fails", "does not apply; its conclusion is false here"),
        (False, "undetermined", "does not apply; its conclusion is undetermined"),
        ("undetermined", "holds", "may apply; its conclusion is true here"),
    ):
        assert compare_page._of_theorem({"applies": applies, "conclusion": conclusion}) == words
    page = html.unescape((compared / "report.html").read_text())
    assert 'data-name="" class="named"' not in page  # "= A1" on a telephone
    assert 'data-name="k" class="named"' in html.unescape((compared / "two_start_laws" / "report.html").read_text())
    every = {name: read(compared / name) for name in ("printed-counterexample", "two_start_laws")}
    for panel in compare_page.picture(every).panels:
        axis = Figure().subplots()
        panel.draw(axis)
        bars = [each.has_yerr for each in axis.containers if isinstance(each, ErrorbarContainer)]
        assert bars and all(bars), panel.title
    assert [len(found) for found in compare_page._rates(every["two_start_laws"])] == [4] * 9


@pytest.mark.parametrize("name", ["..", "../../etc", "/etc", "a/b", ""])
def test_a_stored_folder_is_a_name_and_no_path(name, tmp_path, capsys):
    (tmp_path / "compare.json").write_text(json.dumps({"command": "", "folders": [name]}))
    assert cli.run(["report", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_gap_writes_a_page(gapped):
    page = html.unescape((gapped / "report.html").read_text())
    assert "How Bayesian are they? Language models on regular" in page
    assert "bayes is nearest to exact Bayes" in page and "bayes(0.2) loses" in page
    assert "implicit-bayes gap bayes 'bayes(0.2)' --instance regular --k 3" in page
    assert "No divergence at all: bayes." in page
    assert cli.run(["report", str(gapped)]) == 0
    assert html.unescape((gapped / "report.html").read_text()) == page


def test_where_beliefs_and_orders_change_nothing_there_are_sentences():
    """Bars of 9e-32, and an axis of 0.04 around no number at all, were drawn of rounding."""
    values = {"martingale": [np.nan, np.nan], "order_possible": [3e-32, 1e-19], "order_bayes": [9e-32, 9e-32]}
    values |= {"martingale_low": values["martingale"], "martingale_high": values["martingale"], "ville_log_max": [0, 1]}
    settings = {"ville_threshold": 8.0, "instance": "i", "setting_documents": 3, "setting_length": 9}
    results = xr.Dataset({name: ("model", value) for name, value in values.items()}, {"model": ["a", "b"]}, settings)
    drawn = gap_figures.bayesianity(results)
    assert [panel.title for panel in drawn.panels] == ["Largest log M"]
    assert "no martingale gap to show" in drawn.note and "order of the examples changes no probability" in drawn.note
    results["martingale"][:], results["order_possible"][:] = [1e-16, 1e-3], [3e-32, 0.1]
    drawn = gap_figures.bayesianity(results)
    assert [panel.title for panel in drawn.panels] == ["Martingale gap", "Variance over orders", "Largest log M"]
    axis = Figure().subplots()
    drawn.panels[1].draw(axis)
    assert [bar.get_height() for bar in axis.patches] == [0.0, 0.1, 0.0, 0.0]
    results["martingale"][:] = 1e-16
    assert gap_figures.bayesianity(results).note == "No implied posterior drifts under its own predictions."


@pytest.mark.parametrize("which", ["printed-counterexample", "two_start_laws", "", "gap"])
def test_pages_are_legible_on_a_telephone_without_scroll_boxes(which, compared, gapped, browser):
    page = (gapped if which == "gap" else compared / which) / "report.html"
    size = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    boxes, smallest, count = browser.execute_script(
        "const wide = [...document.querySelectorAll('.scroll,.canvas')].filter(e => e.scrollWidth > e.clientWidth+1);"
        "const texts = [...document.querySelectorAll('figure svg text, figcaption, td, li')]"
        "  .filter(t => t.getBoundingClientRect().height > 0);"
        "const scale = m => m ? Math.hypot(m.a, m.b) : 1;"  # of turned text too
        "const high = t => parseFloat(getComputedStyle(t).fontSize) * scale(t.getScreenCTM && t.getScreenCTM());"
        "return [wide.length, Math.min(...texts.map(high)), texts.length]"
    )
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert count > 20
    assert boxes == 0
    assert smallest >= 10


def results(**changes) -> xr.Dataset:
    """A stored verification of one k, four n and the exact predictor, with whatever an example needs changed."""
    counts = {"correct": [90, 80, 20, 1], "undefined": [0, 10, 70, 98], "prompts": [100] * 4} | changes
    data = xr.Dataset({name: (("predictor", "k", "n"), [[row]]) for name, row in counts.items()},
                      {"predictor": ["exact"], "k": [3], "n": [0, 1, 4, 8]}, {"instance": "mine"})  # fmt: skip
    defined = data.prompts - data.undefined
    data["accuracy"], data["undefined_share"] = data.correct / defined, data.undefined / data.prompts
    return data


def bars(**parts) -> xr.Dataset:
    """A stored budget at k = 3 and 5."""
    names = ("signal", "eps_start", "eps_delim_printed", "start_kl", "eps_delim_repaired")
    data = xr.Dataset({f"budget_{name}": ("budget", parts.get(name, [1.0, 2.0])) for name in names})
    data["budget_k"], data["budget_tv"] = ("budget", [3, 5]), ("budget", parts.get("tv", [0.1, 0.1]))
    data["budget_margin"] = (("budget", "x_test"), parts.get("margin", [[0.2, 0.3]] * 2))
    data["budget_x_test"] = (("budget", "x_test"), [["0", "1"]] * 2)
    return data.assign_attrs(instance="mine")


def test_no_interval_of_a_few_prompts_rules_the_axis():
    """At n = 8 two prompts are defined: a hollow mark, no band, and words that say so."""
    drawing = figures.curves(results())
    (axis, *_) = compose(drawing).axes
    band = axis.collections[0].get_paths()[0].vertices
    assert band[:, 0].max() == 2 and np.ptp(band[:, 1]) < 60
    hollow = [line for line in axis.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xdata().tolist() for line in hollow] == [[3]]
    assert "hollow: fewer than 20" in drawing.caption
    assert "hollow" not in figures.curves(results(undefined=[0] * 4)).caption


def test_where_nothing_is_undefined_there_is_a_sentence_and_no_line(tmp_path):
    drawing = figures.undefined_share(results(undefined=[0] * 4))
    assert not drawing.panels and "None of the 100 prompts" in drawing.note
    (tmp_path / "undefined.png").write_text("drawn by an earlier run")
    assert draw_all(results(undefined=[0] * 4), tmp_path, {"undefined": figures.undefined_share}) == []
    assert not (tmp_path / "undefined.png").exists()
    assert len(figures.undefined_share(results()).panels) == 1


def test_infinity_has_no_height():
    """Bars are as high as their numbers; what is infinite, or stands on what is, gets a sign and no bar."""
    inf = float("inf")
    drawing = figures.budget(bars(signal=[inf, 2.0], eps_start=[1.0, inf], eps_delim_printed=[inf, 3.0]))
    axis = compose(drawing).axes[0]
    heights = {c.get_label(): [p.get_height() for p in c.patches] for c in axis.containers}
    assert heights["signal ΣKL"] == pytest.approx([np.nan, 2.0], nan_ok=True)
    assert heights["ε_start"] == pytest.approx([1.0, np.nan], nan_ok=True)
    assert "ε_delim printed" not in heights and "at every k: ε_delim printed." in drawing.note
    signs = [(text.get_text(), *text.xy) for text in axis.texts]
    assert sorted(signs) == [("∞", pytest.approx(-0.28), 0.0), ("∞", 0.0, 1.0), ("∞", 1.0, 0.0)]


def test_a_budget_without_a_number_is_a_sentence():
    nothing = dict.fromkeys(
        ("signal", "eps_start", "eps_delim_printed", "start_kl", "eps_delim_repaired"), [np.inf] * 2
    )
    drawing = figures.budget(bars(**nothing, tv=[1.0, 1.0], margin=[[1e-6, 1e-5]] * 2))
    assert drawing.panels == ()
    assert "infinite at every k" in drawing.note and "A3 at k = 5" in drawing.note
    assert on_page(drawing) == ((), ())


def test_panels_of_one_figure_have_the_same_k_axis():
    fill = {"correct": 1, "undefined": 0, "prompts": 1, "accuracy": 1.0, "undefined_share": 0.0}
    data = results().isel(n=[0]).reindex(k=[3, 5], fill_value=fill).assign_attrs(instance="mine")
    numbers = {"k": ("condition", [2, 3, 9]), "level": ("condition", [0.99] * 3)}
    for version in ("printed", "repaired", "sharp"):
        room = np.array([1.0, 2.0, 3.0]) if version != "repaired" else np.full(3, -np.inf)
        numbers |= {f"{version}_room{end}": ("condition", room) for end in ("", "_low", "_high")}
        numbers[f"{version}_order"] = ("condition", room)
    data = data.assign({f"condition_{name}": row for name, row in numbers.items()})
    drawing = figures.conditions(data)
    left, right = compose(drawing).axes
    assert left.get_xlim() == right.get_xlim() and list(left.get_xticks()) == [2, 3, 5, 9]
    assert "infinite at every k: repaired" in drawing.note


STORED = {
    "assumptions": [{"name": f"A{i}", "holds": True} for i in range(1, 6)],
    "critical_k": {"printed": 3, "repaired": 3, "sharp": 3},
    "conditions": [{"k": 3}],
    "theorems": [{"name": "1", "version": "printed", "applies": True, "conclusion": "holds", "k": 3}],
    "curves": [{"predictor": "exact", "epsilon": None, "k": 3, "n": n, "accuracy": 0.5, "undefined_share": 0.0,
                "defined": 10, "prompts": 10}
               for n in (0, 4)],
    "bayes": {"cross_entropy": 1.0, "standard_error": "inf", "low": "-inf", "high": "inf"},
}  # fmt: skip


def test_the_summary_is_led_by_what_is_striking():
    assert summary(STORED)[0].startswith("Everything that the theory asks for holds here")
    fails = [{**STORED["theorems"][0], "conclusion": "fails"}]
    assert summary(STORED | {"theorems": fails})[0].startswith("Theorem 1, as printed, is contradicted: at k = 3")
    lost = [row | {"undefined_share": 0.25 * row["n"]} for row in STORED["curves"]]
    assert summary(STORED | {"curves": lost})[0].startswith(
        "The Bayes answer does not exist for any prompt at k = 3 and n = 4"
    )
    cells = [{"predictor": "prompt-aware", "epsilon": None}, {"predictor": "smoothed", "epsilon": 0.01}]
    rows = [STORED["curves"][1] | {"accuracy": None, "undefined_share": 1.0}]
    rows += [STORED["curves"][1] | cell for cell in cells]
    assert "With 4 examples of 3 tokens no prompt has a posterior, smoothed Bayes is right on 50.0% of all 10 and " in (
        " ".join(summary(STORED | {"curves": rows}))
    )
    models = [{"model": name, "excess": 0.5, "low": 0.25, "high": 0.75} for name in ("a", "b")]
    assert "The language model a loses 0.5000" in " ".join(summary(STORED | {"models": models[:1]}))
    assert "Of the language models a loses 0.5000" in " ".join(summary(STORED | {"models": models}))
    some = [row | {"holds": row["name"] != "A3"} for row in STORED["assumptions"]]
    assert summary(STORED | {"assumptions": some})[0] == "Of the assumptions A1, A2, A4 and A5 hold; A3 fails."
    for lines in (summary(STORED), summary(STORED | {"critical_k": dict.fromkeys(("printed", "repaired", "sharp"))})):
        assert all(line[0].isupper() and line.endswith(".") for line in lines)


def test_rows_that_say_the_same_become_one():
    rows = [(2, "0, 1", "yes"), (2, "0, 2", "yes"), (3, "0, 1", "yes"), (2, "1, 0", "no"), (2, "1, 2", "yes")]
    merged = alike(rows, 1)
    assert merged == ((2, "0, 1; 0, 2; 1, 2", "yes"), (3, "0, 1", "yes"), (2, "1, 0", "no"))


def test_where_nothing_costs_anything_there_are_sentences_and_no_panels():
    """One token for ever: no loss to stack, no concept to find out; bounds of 0 are named, not in the legend."""
    certain = results().assign(
        information_entropy=("prefix_length", np.zeros(3)), information_concept=("prefix_length", np.zeros(3)),
        information_prior=0.0,
    ).assign_coords(prefix_length=[0, 1, 8])  # fmt: skip
    drawing = enough_figures.information(certain)
    assert drawing.panels == () and "costs Bayes nothing" in drawing.note and "H(prior) = 0" in drawing.note
    doubtful = certain.assign(information_concept=("prefix_length", [0.0, 0.2, 0.6]), information_prior=0.7)
    assert len(enough_figures.information(doubtful).panels) == 2


def test_errors_near_zero_have_an_axis_of_their_own():
    many, few = (compose(Drawing((Panel("e", partial(figures._errors, stored, None)),), "c")).axes[0].get_xlim()
                 for stored in (results(), results(correct=[1, 1, 1, 9990], prompts=[10_000] * 4,
                                                   undefined=[0] * 4)))  # fmt: skip
    assert many[1] == 102 and 0.1 < few[1] < 1.1
