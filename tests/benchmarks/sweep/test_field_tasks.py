"""The tasks of the field's questions: what they store has the form that ``read`` is tested on."""

import numpy as np
import pytest
from experiment_results import Rules, dataset

from implicit_bayes.benchmarks.experiments.diversity import training
from implicit_bayes.benchmarks.experiments.geometry import MIXTURE, PROCESS
from implicit_bayes.benchmarks.experiments.learners import Learner, Measure, Named
from implicit_bayes.benchmarks.experiments.learners import training as taught
from implicit_bayes.benchmarks.experiments.scales import TINY
from implicit_bayes.benchmarks.sweep.cells import Store
from implicit_bayes.benchmarks.sweep.field_tasks import STATIC
from implicit_bayes.benchmarks.sweep.run import run_serial
from implicit_bayes.benchmarks.sweep.tasks import TASKS, cell


def form(data):
    return {name: (data[name].dims, data[name].dtype.kind) for name in data.variables}


def test_switching_without_models(tmp_path):
    config = {"instance": MIXTURE, "probabilities": [0.0, 0.2], "documents": 6, "length": 40, "seed": 0}
    asked = cell("switching", config | {"trained": [], "named": []})
    found = TASKS["switching"].run(asked, Store(tmp_path))
    assert form(found) == form(dataset("switching", asked, Rules()))
    excess = found.excess.sel(predictor=STATIC, side="value").values
    assert excess[0] == pytest.approx(0.0, abs=1e-12), "without switches both are the same law"
    assert excess[1] > 0.1 and found["count"].sel(probability=0.0).values.sum() == 0


def test_entropies_are_nan_beyond_the_budget(tmp_path):
    found = TASKS["entropies"].run(cell("entropies", {"specs": ["mess3", "even"], "length": 12}), Store(tmp_path))
    assert np.isnan(found.myopic.sel(process="mess3").values[-1])
    assert found.rate_low.sel(process="even") == pytest.approx(2 / 3)
    assert np.isfinite(found.myopic.sel(process="even").values).all()


@pytest.mark.slow
def test_geometry_and_intervention_on_small_trainings(tmp_path):
    """Trained long enough that the belief is there; the numbers themselves are the experiment's."""
    store, measure = Store(tmp_path), Measure(3, 1, 8, 4, 32)
    learners = (Learner("LSTM", "lstm", "tiny", 150_000, {"width": 32}, 1),)
    for spec in (PROCESS, MIXTURE):
        named = Named(("LSTM",), tuple(taught(each, spec, measure) for each in learners))
        moves = {"instance": spec, "documents": 200, "length": 16, "seed": 0}
        cells = [cell("intervention", moves | named.config, named.cells)]
        if spec == PROCESS:
            config = moves | {"documents": 60, "points": 50, "skip": 4}
            cells.append(cell("geometry", config | named.config, named.cells))
        assert run_serial(cells, store) == []
        for each in cells:
            assert form(store.read(each)) == form(dataset(each.task, each, Rules()))
        share = store.read(cells[0]).share.sel(model="LSTM", side="value")
        assert float(share.sel(direction="probe")) > 0.5 > float(share.sel(direction="random"))
        if spec == PROCESS:
            estimates = store.read(cells[-1]).estimates.sel(model="LSTM", side="value")
            assert float(estimates.sel(estimate="r2")) > 0.95 > float(estimates.sel(estimate="last_token"))


def test_diversity_has_the_form(tmp_path):
    asked = training(TINY, 4)
    found = TASKS["diversity"].run(asked, Store(tmp_path))
    assert form(found) == form(dataset("diversity-4", asked, Rules()))
    assert found.sizes["point"] == asked.config["points"]
    last = found.standing.isel(point=-1)
    assert (last.sel(measure="residual").values >= -1e-12).all()
    own = last.sel(split="known", measure="over_memorising", side="value")
    assert float(own) > 0, "nothing beats the law of its own documents"
