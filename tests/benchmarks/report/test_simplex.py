"""The picture of beliefs: colours go by the first panel, no legend, and the page is told what there is."""

import numpy as np
import pytest

from implicit_bayes.benchmarks.experiments.geometry import corner
from implicit_bayes.benchmarks.report.build import alt_text
from implicit_bayes.benchmarks.report.findings import Axes, Picture, Point
from implicit_bayes.benchmarks.report.pictures import draw, keys, panels
from implicit_bayes.benchmarks.report.simplex import TONES, colours


def picture() -> Picture:
    beliefs = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.2, 0.3, 0.5]])
    points = [Point(panel, "belief", x, y + shift, y, y) for panel, shift in (("exact", 0.0), ("network", 0.02))
              for x, y in corner(beliefs).tolist()]  # fmt: skip
    return Picture("p", "Title", "Caption.", Axes("x", "y", kind="simplex"), tuple(points))


def test_colours_are_the_belief_mixed():
    found = colours(picture().points[:4])
    assert found[:3] == pytest.approx(TONES, abs=1e-12)
    assert found[3] == pytest.approx(np.array([0.2, 0.3, 0.5]) @ TONES, abs=1e-12)


def test_every_panel_has_the_first_ones_colours_and_no_legend():
    figure = draw(picture())
    dots = [axis.collections[0] for axis in figure.axes]
    assert len(dots) == 2 and not figure.legends and keys(picture()) == ()
    assert np.array_equal(dots[0].get_facecolors(), dots[1].get_facecolors())
    assert dots[0].get_offsets()[0][1] != dots[1].get_offsets()[0][1]


def test_panels_for_the_page_and_their_words():
    assert len(panels(picture())) == 2
    assert (
        alt_text(picture()) == "Title. 4 beliefs over three states as points of a triangle, in each of: exact, network."
    )
