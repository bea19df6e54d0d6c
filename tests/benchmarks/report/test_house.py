"""How figures are written."""

import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from implicit_bayes.benchmarks.report import house
from implicit_bayes.benchmarks.report.house import house_style, in_kinds
from implicit_bayes.benchmarks.report.layout import lay_out


@pytest.mark.parametrize("kinds", [("png",), ("png", "svg"), ("svg", "png", "svg")])
def test_a_figure_is_laid_out_once_for_all_its_files(kinds, monkeypatch):
    """matplotlib gives a figure its layout engine back after the first file that it writes."""
    laid_out = []
    monkeypatch.setattr(house, "lay_out", lambda figure: laid_out.append(figure) or lay_out(figure))
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda self, fig: laid_out.append(fig))
    with house_style():
        figure = Figure(figsize=(3.0, 2.0))
        figure.subplots().plot([0, 1], [0, 1], label="a")
        contents = in_kinds(figure, kinds)
    assert laid_out == [figure]
    assert contents["png"].startswith(b"\x89PNG") and ("svg" not in kinds or b"<svg" in contents["svg"])
