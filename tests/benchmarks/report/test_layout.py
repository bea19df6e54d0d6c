"""Where panels stand: nothing is cut off or lies on anything else; what is not one grid is left to matplotlib."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from implicit_bayes.benchmarks.report import layout
from implicit_bayes.benchmarks.report.house import caption, house_style, literal, settle
from implicit_bayes.benchmarks.report.layout import titles
from implicit_bayes.benchmarks.report.panels import PAGE_PANEL, Drawing, Panel, compose


def plain(axes):
    axes.plot([0, 1], [0, 1], marker="o", label="a line")
    axes.set(xlabel="examples in the prompt, n", ylabel="accuracy, %")


def logs(axes):
    axes.plot([1, 2, 64], [1e-7, 1e-3, 1.0], label="a bound of some length")
    axes.set(xscale="log", yscale="log", xlabel="n", ylabel="probability of a wrong answer")


def leaning(axes):
    axes.bar(range(5), [1, 2, 3, 4, 5e-7], label="bars")
    axes.set_xticks(range(5), [f"a model with a long name {i}" for i in range(5)], rotation=30, ha="right", fontsize=9)


def tiny(axes):
    axes.plot([0, 1], [1e-9, 1.0001e-9])  # a factor above the axis
    axes.set(ylabel="a label that is higher than the axes")


KINDS = (plain, logs, leaning, tiny)
TITLES = ("short", "a title that goes on beyond the right end of its panel", "two\nlines", "$names$ hold dollars")


def drawing(panels, columns=4, shift=0):
    chosen = [Panel(TITLES[i % 4], KINDS[(i + shift) % 4]) for i in range(panels)]
    return Drawing(tuple(chosen), "A caption of several lines. " * 12, columns=columns)


def words_of(figure):
    """Every text that is drawn; ticks out of range are not."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += [*titles(axes), *axes.texts]
        for at, axis in enumerate((axes.xaxis, axes.yaxis) if axes.axison else ()):
            low, high = sorted(axis.get_view_interval())
            found += [each for each in axis.get_ticklabels(which="both") if low <= each.get_position()[at] <= high]
            found += [axis.label, axis.get_offset_text()]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def parts(figure):
    """Boxes that may not touch: of every panel with its words, of the legend and of the caption."""
    renderer = figure.canvas.get_renderer()
    boxes = [axes.get_tightbbox(renderer, for_layout_only=True) for axes in figure.axes if axes.axison]
    return boxes + [each.get_window_extent(renderer) for each in (*figure.legends, *figure.texts)]


def drawn(figure):
    FigureCanvasAgg(figure)  # becomes the figure's
    box = settle(figure)
    assert figure.get_layout_engine() is None
    figure.canvas.draw()
    return box


def check(figure, box):
    """All words lie in the box, within half of the room that a file has around it, and no two parts on each other."""
    renderer = figure.canvas.get_renderer()
    for text in words_of(figure):
        x0, y0, x1, y1 = text.get_window_extent(renderer).extents / figure.dpi
        assert min(x0 - box.x0, y0 - box.y0, box.x1 - x1, box.y1 - y1) > -0.05, text
    for one, other in combinations(parts(figure), 2):
        inside = np.minimum(one.max, other.max) - np.maximum(one.min, other.min)
        assert inside.min() < 0.03 * figure.dpi, (one, other)


CASES = [(1, 4, 0), (1, 4, 1), (2, 4, 0), (2, 4, 2), (4, 4, 0), (4, 4, 3), (5, 4, 1), (4, 1, 0), (6, 3, 2)]


@pytest.mark.parametrize("case", CASES)
def test_all_words_are_in_the_file_and_none_on_others(case):
    with house_style():
        figure = compose(drawing(*case))
        assert layout.is_simple(figure)
        check(figure, drawn(figure))


def test_a_panel_of_a_page():
    for kind in KINDS:
        with house_style():
            figure = Figure(figsize=PAGE_PANEL)
            kind(figure.subplots())
            check(figure, drawn(figure))


@pytest.mark.parametrize("broken", ["margins", "caption", "title"])
def test_the_check_sees_broken_margins(broken, monkeypatch):
    """Panels without room for their words, a caption or a title that nobody measured."""
    place = layout._place
    if broken == "margins":
        monkeypatch.setattr(
            layout, "_place", lambda figure, beyond, *ends: place(figure, [b / 2 for b in beyond], *ends)
        )
    elif broken == "caption":
        monkeypatch.setattr(layout, "_place", lambda figure, beyond, up, down: place(figure, beyond, up, 0.0))
    else:
        monkeypatch.setattr(layout, "titles", lambda axes: [])
    with house_style():
        figure = compose(drawing(2))
        box = drawn(figure)
        with pytest.raises(AssertionError):
            check(figure, box)


@pytest.mark.parametrize("case", CASES[:6])
def test_panels_stand_where_constrained_layout_puts_them(case):
    """Within 0.05 inches: what leans out of a panel does so the more the narrower it is, and is measured once here."""
    with house_style():
        ours, theirs = compose(drawing(*case)), compose(drawing(*case))
        settle(ours)
        theirs.get_layout_engine().execute(literal(theirs))
        for axes in theirs.axes:
            layout.clear_titles(axes, layout.ruler(theirs.dpi))
        theirs.get_layout_engine().execute(theirs)
        for one, other in zip(ours.axes, theirs.axes, strict=True):
            size = np.tile(ours.get_size_inches(), 2)
            np.testing.assert_allclose(
                one.get_position().extents * size, other.get_position().extents * size, rtol=0, atol=0.05
            )


def test_labels_stay_beside_their_ticks_at_any_resolution():
    with house_style():
        figure = compose(drawing(2, shift=1))
        drawn(figure)
        for dpi in (50, 110, 320):
            figure.set_dpi(dpi)
            renderer = FigureCanvasAgg(figure).get_renderer()
            figure.canvas.draw()
            for axes in figure.axes:
                words = axes.xaxis.label.get_window_extent(renderer)
                ticks = min(each.get_window_extent(renderer).y0 for each in axes.get_xticklabels())
                if axes.xaxis.label.get_text():
                    assert 1 / 72 < (ticks - words.y1) / dpi < 7 / 72


def test_a_title_stands_above_what_is_on_top_of_its_axes():
    with house_style():
        figure = Figure(figsize=(3.0, 2.0))
        axes = figure.subplots()
        tiny(axes)
        axes.set_title("two\nlines")
        drawn(figure)
        renderer = figure.canvas.get_renderer()
        title = titles(axes)[0].get_window_extent(renderer)
        factor = axes.yaxis.get_offset_text()
        assert factor.get_text()
        assert title.y0 > factor.get_window_extent(renderer).y1 > axes.bbox.y1


def others():
    """Figures that are not one grid of panels."""
    nested, spanning, ringed, square, extra = (Figure(figsize=(6.0, 3.0)) for _ in range(5))
    nested.subfigures(1, 2)[0].subplots()
    spanning.subplot_mosaic("AB;CC")
    axes = ringed.subplots()
    ringed.colorbar(axes.imshow(np.eye(2)), ax=axes)
    square.subplots().set_aspect("equal")
    extra.subplots()
    extra.suptitle("above")
    return {"nested": nested, "spanning": spanning, "colour bar": ringed, "square": square, "title": extra}


def test_what_is_not_one_grid_is_left_to_matplotlib(monkeypatch):
    executed, execute = [], ConstrainedLayoutEngine.execute
    monkeypatch.setattr(
        ConstrainedLayoutEngine, "execute", lambda self, fig: executed.append(fig) or execute(self, fig)
    )
    with house_style():
        for name, figure in others().items():
            assert not layout.is_simple(figure), name
            box = drawn(figure)
            assert executed[-1] is figure
            for text in words_of(figure):
                assert box.padded(0.02).contains(*text.get_window_extent().max / figure.dpi), (name, text)


def test_a_title_of_two_lines_makes_room_in_other_grids_too():
    """The house style says that titles stand at 1, so nothing raises them but us."""
    with house_style():
        figure = Figure(figsize=(6.0, 5.0))
        for axes in figure.subplot_mosaic("AB;CC").values():
            tiny(axes)
            axes.set_title("two\nlines")
        check(figure, drawn(figure))
        for axes in figure.axes:
            title = titles(axes)[0].get_window_extent()
            assert title.y0 > axes.yaxis.get_offset_text().get_window_extent().y1 > axes.bbox.y1


def test_words_that_leave_no_room_are_drawn_all_the_same():
    with house_style():
        figure = compose(drawing(4)._replace(caption="words " * 4000))
        box = drawn(figure)
        assert np.isfinite(box.extents).all()
        assert box.height > figure.get_figheight()


def test_panels_of_a_column_share_their_sides():
    with house_style():
        figure = caption(compose(drawing(4, columns=2)), "A caption.")
        drawn(figure)
        edges = [axes.get_position().extents for axes in figure.axes]
        for one, other in ((0, 2), (1, 3)):
            assert edges[one][[0, 2]] == pytest.approx(edges[other][[0, 2]])
        widths = [edge[2] - edge[0] for edge in edges]
        assert all(one == pytest.approx(other) for one, other in pairwise(widths))
