"""A training as on a machine with JAX, Equinox and optax only: one go, and one that is stopped twice and goes on.

``python bare.py SCRATCH``: everything else that this project asks for cannot be imported here.
"""

import json
import sys
from pathlib import Path

ABSENT = ["arviz", "beartype", "dask", "distributed", "dynamax", "flint", "funsor", "h5netcdf", "h5py", "hmmlearn",
          "hypothesis", "jinja2", "matplotlib", "msgspec", "numba", "numpyro", "orbax", "pandas", "pomegranate",
          "pytest", "rich", "sklearn", "threadpoolctl", "torch", "transformers", "tyro", "xarray"]  # fmt: skip


class Bare:
    """A finder to which these packages are not installed."""

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in ABSENT else self.finder.find_spec(name, path, target)


def main(scratch: Path) -> None:
    sys.meta_path[:] = map(Bare, sys.meta_path)
    from implicit_bayes.benchmarks.paper_scale import __main__ as program
    from implicit_bayes.benchmarks.paper_scale import training

    program.REHEARSAL = program.REHEARSAL._replace(ks=(3,), ns=(0, 2))
    size = [
        "--rehearse", "--sizes", "paper-4l", "--prompts", "4", "--documents", "2", "--dispatch", "2", "--every", "4",
        "--tokens", "3072", "--yardsticks", str(scratch / "yardsticks.npz"),
    ]  # fmt: skip
    programs: dict[int, object] = {}
    compile_once = training.Training._compile

    def compiled(self, count, *arguments):  # the second training's program is the first one's
        if count not in programs:
            programs[count] = compile_once(self, count, *arguments)
        return programs[count]

    training.Training._compile = compiled
    assert program.main([*size, "--out", str(scratch / "one"), "--states", str(scratch / "states-one")]) == 0
    asked = []

    class Short:
        """Allows a training to begin, then one dispatch, four, or as many as it wants."""

        def __init__(self, minutes):
            self.left = [2, 5, 99][len(asked)]
            asked.append(minutes)

        def allows(self, seconds):
            self.left -= 1
            return self.left >= 0

    program.Budget = Short
    steps = []
    for _ in range(3):
        assert program.main([*size, "--minutes", "9", "--out", str(scratch / "cut")]) == 0
        run = json.loads((scratch / "cut" / "run.json").read_text())
        steps.append(run["trainings"]["paper-4l"]["steps"])
    print("steps", json.dumps(steps))
    print("minutes", json.dumps(asked))
    print("imported", json.dumps(sorted(name for name in sys.modules if name.split(".")[0] in ABSENT)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
