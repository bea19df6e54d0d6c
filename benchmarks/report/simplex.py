"""Beliefs over three states in a triangle, coloured by what they are in the first panel."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from implicit_bayes.benchmarks.report.findings import Picture, Point

HEIGHT = np.sqrt(3.0) / 2.0
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, HEIGHT]])
TONES = np.array([[0.835, 0.369, 0.0], [0.0, 0.447, 0.698], [0.0, 0.62, 0.451]])
"""Of the three corners (Okabe and Ito's vermilion, blue and green); a belief has the mixture of them."""


def colours(points: Sequence[Point]) -> np.ndarray:
    """(P, 3) red, green and blue of points in the triangle; those outside it have the nearest edge's.

    Returns:
        (P, 3) in [0, 1].
    """
    xy = np.array([[point.x, point.y] for point in points])
    top = xy[:, 1] / HEIGHT
    right = xy[:, 0] - top / 2.0
    belief = np.clip(np.stack([1.0 - right - top, right, top], -1), 0.0, None)
    return belief / belief.sum(-1, keepdims=True) @ TONES


def draw_simplex(axis: Axes, picture: Picture, panel: str) -> None:
    """One panel: the triangle of all beliefs over three states, and the picture's points in it.

    Args:
        axis: drawn on.
        picture: of kind simplex; the points of its first panel give the colours.
        panel: which one.
    """
    first = [point for point in picture.points if point.panel == picture.points[0].panel]
    here = [point for point in picture.points if point.panel == panel]
    outline = np.concatenate([CORNERS, CORNERS[:1]])
    axis.plot(*outline.T, color="#888888", lw=0.8, zorder=1)
    axis.scatter([p.x for p in here], [p.y for p in here], s=5.0, c=colours(first), lw=0, rasterized=True, zorder=2)
    axis.set(title=panel, aspect="equal", xlim=(-0.08, 1.08), ylim=(-0.08, 0.95), xticks=(), yticks=())
    axis.grid(False)
    axis.spines[:].set_visible(False)
    for name, (x, y) in zip(("state 0", "state 1", "state 2"), CORNERS, strict=True):
        axis.annotate(name, (x, y), (0, 4 if y else -4), textcoords="offset points", ha="center", fontsize=8,
                      va="bottom" if y else "top", color="#333333")  # fmt: skip
