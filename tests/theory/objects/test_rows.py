"""Rows: what is drawn by inversion, which rows are equal, parts of one size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from implicit_bayes.theory.objects import rows


@given(
    law=arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.sampled_from([0.0, 1e-300, 0.1, 0.7])),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_the_drawn_outcome_is_the_one_whose_slice_of_the_mass_holds_u(law, uniform):
    law = law[law.sum(-1) > 0]
    drawn = rows.draw_index(law.cumsum(-1), np.full(len(law), uniform))
    for row, index in zip(law, drawn, strict=True):
        assert row[index] > 0
        below, wanted = row[:index].sum(), uniform * row.sum()
        assert below <= wanted + 1e-15 and wanted <= below + row[index] + 1e-15


def test_outcomes_are_drawn_as_often_as_their_law_says():
    law = np.array([0.0, 0.5, 0.0, 0.125, 0.375, 0.0])
    grid = (np.arange(1000) + 0.5) / 1000  # every u once: the shares are the law
    drawn = rows.draw_index(np.broadcast_to(law.cumsum(), (1000, 6)), grid)
    np.testing.assert_array_equal(np.bincount(drawn, minlength=6), 1000 * law)


@pytest.mark.parametrize("collide", [False, True])
@given(
    values=arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.sampled_from([0.0, -0.0, 0.25, 1.0]))
)
def test_distinct_rows_are_numpys_also_where_their_sums_meet(collide, values):
    with pytest.MonkeyPatch.context() as patch:
        if collide:  # with equal weights, rows that are permutations of one another meet
            patch.setattr(rows, "_weights", lambda size: np.ones(size, np.uint64))
        first, inverse = rows.distinct_rows(values)
    np.testing.assert_array_equal(values[first][inverse], values)
    assert len(first) == len(np.unique(values, axis=0))


@pytest.mark.parametrize(("count", "size"), [(0, 3), (1, 3), (3, 3), (7, 3), (6, 3)])
def test_equal_parts_hold_every_row_once_and_have_one_shape(count, size):
    table = np.arange(2 * count).reshape(count, 2)
    parts = list(rows.equal_parts(table, size))
    assert {len(part) for part, _ in parts} == ({size} if count else {0})
    np.testing.assert_array_equal(np.concatenate([part[:real] for part, real in parts]), table)
    for part, real in parts:
        assert (part[real:] == part[real - 1 : real]).all()
