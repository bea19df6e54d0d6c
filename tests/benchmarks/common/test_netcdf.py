"""The file that ``dump`` writes holds all that xarray's own does."""

import io

import h5py
import numpy as np
import xarray as xr

from implicit_bayes.benchmarks.common.netcdf import dump


def dataset():
    """Words, numbers with and without gaps, scalars, units, dimensions with and without coordinates."""
    return xr.Dataset(
        {
            "accuracy": (("predictor", "k", "n"), np.arange(12.0).reshape(2, 3, 2) / 7, {"units": "share"}),
            "gaps": (("predictor",), [np.nan, np.inf]),
            "words": (("row",), ["Σ", "", "three"]),
            "count": ((), 3),
            "none": (("empty",), np.zeros(0)),
            "wide": (("n", "predictor"), np.arange(4).reshape(2, 2)),
        },
        coords={"predictor": ["exact", "smoothed"], "k": [3, 5, 8], "n": [0, 64], "epsilon": ("predictor", [0.1, 0.2])},
        attrs={"instance": "regular", "seed": 0, "setting_ks": [3, 5]},
    )


def contents(content):
    """Name -> shape, type, values and attributes of all that a file holds, in its order."""
    held = {}
    with h5py.File(io.BytesIO(content)) as file:
        for name, each in {"/": file, **file}.items():
            links = {"DIMENSION_LIST", "REFERENCE_LIST"}  # addresses in the file
            about = {key: value for key, value in each.attrs.items() if key not in links}
            held[name] = [(key, str(np.asarray(value).dtype), repr(value)) for key, value in about.items()]
            held[name] += [(key, len(each.attrs[key])) for key in links & set(each.attrs)]
            if isinstance(each, h5py.Dataset):
                held[name] += [each.shape, each.maxshape, str(each.dtype), repr(each[()])]
                held[name] += [[scale.name for scale in axis.values()] for axis in each.dims]
    return held


def test_the_file_holds_what_xarray_would_write():
    ours, theirs = io.BytesIO(), io.BytesIO()
    dump(dataset(), ours)
    dataset().to_netcdf(theirs, engine="h5netcdf")
    found, expected = contents(ours.getvalue()), contents(theirs.getvalue())
    assert list(found) == list(expected)
    assert found == expected
    assert len(found) > 10


def test_what_is_written_is_read_again(tmp_path):
    with (tmp_path / "results.nc").open("w+b") as file:
        dump(dataset(), file)
    with xr.open_dataset(tmp_path / "results.nc", engine="h5netcdf") as read:
        xr.testing.assert_identical(read.load(), dataset().load())


def test_a_variable_is_opened_few_times(monkeypatch):
    opened = []
    get = h5py.File.__getitem__
    monkeypatch.setattr(h5py.File, "__getitem__", lambda self, name: opened.append(name) or get(self, name))
    dump(dataset(), io.BytesIO())
    assert max(opened.count(name) for name in opened) <= 3  # a dimension's scale is made again once it has values
