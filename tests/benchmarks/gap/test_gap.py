"""Probes, scaling laws, prompts and the whole gap, on small instances."""

import itertools
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gap_cases import network, small

from implicit_bayes.benchmarks.cli import commands as cli
from implicit_bayes.benchmarks.common import storage
from implicit_bayes.benchmarks.gap import figures as gap_figures
from implicit_bayes.benchmarks.gap import measure as gap
from implicit_bayes.benchmarks.gap import probes
from implicit_bayes.benchmarks.gap import store as gap_store
from implicit_bayes.benchmarks.gap.context import context_gap
from implicit_bayes.benchmarks.gap.loss import loss_gap
from implicit_bayes.benchmarks.gap.scaling_laws import bayesian, bounded_power, fit_laws, power
from implicit_bayes.benchmarks.predictors.models import MixtureModel, find_model, find_models
from implicit_bayes.benchmarks.report.house import house_style, settle
from implicit_bayes.benchmarks.report.panels import compose
from implicit_bayes.benchmarks.speed.one_pass import one_pass_speed
from implicit_bayes.simulators.instances import load_instance, save_instance
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import ModelError
from implicit_bayes.theory.filtering.state_beliefs import state_beliefs

NS = np.array([0, 1, 2, 4, 8, 16, 32, 64])


def test_state_beliefs_are_bayes_by_enumeration_of_paths():
    mixture, tokens = small().mixture, np.array([[1, 2, 0], [0, 0, 4]])
    found = state_beliefs(mixture, tokens)
    for b, document in enumerate(tokens):
        for t in range(1, 4):
            joint = np.zeros((3, 4))
            for c in range(3):
                for path in itertools.product(range(4), repeat=t):
                    mass = mixture.prior[c] * mixture.initial[c, path[0]] * mixture.emission[path[0], document[0]]
                    for i in range(1, t):
                        mass *= mixture.transition[c, path[i - 1], path[i]] * mixture.emission[path[i], document[i]]
                    joint[c, path[-1]] += mass
            np.testing.assert_allclose(found.law_BxTxH[b, t - 1], joint.sum(0) / joint.sum(), atol=1e-12)
            np.testing.assert_allclose(
                np.exp(found.log_posterior_BxTxC[b, t - 1]), joint.sum(1) / joint.sum(), atol=1e-12
            )


def test_impossible_prefixes_have_no_belief_and_no_nan():
    instance = load_instance("printed-counterexample")
    mixture = instance.mixture
    stuck = type(mixture)([1.0], [[1.0, 0.0]], [[[1.0, 0.0], [0.5, 0.5]]], np.eye(2), 1)
    found = state_beliefs(stuck, np.array([[0, 1, 0]]))
    assert found.defined_BxT.tolist() == [[True, False, False]]
    assert (found.law_BxTxH[0, 1:] == 0).all()
    assert not any(np.isnan(x).any() for x in found)


@pytest.fixture(scope="module")
def planted():
    """Documents, their exact beliefs, and a network whose \"activations\" are replaced by what a test likes."""
    instance = small(zeros=False)
    drawn = sample_documents(instance.mixture, jax.random.key(0), 60, 20)
    return probes.exact_beliefs(instance.mixture, drawn.tokens)


def test_a_layer_that_holds_the_beliefs_is_read_perfectly_and_noise_is_not(planted, monkeypatch):
    rng = np.random.default_rng(0)
    both = np.concatenate([planted.log_posterior_BxTxC, planted.state_BxTxH], -1)
    mixed = both @ rng.normal(size=(both.shape[-1], 16))
    noise = rng.normal(size=mixed.shape)
    answers = iter([[mixed, noise], [noise, noise]])  # of the trained network, then of the untrained one
    monkeypatch.setattr(probes, "activations", lambda *_: next(answers))
    rows = {(row.target, row.layer): row for row in probes.probe(network("lstm", 4, 0), planted, 0)}
    for target in probes.TARGETS:
        good, bad = rows[target, 1], rows[target, 2]
        assert good.r2.value > 0.98
        assert good.margin.low > 0.05  # the last token alone tells most of the state
        assert abs(good.shuffled.value) < 0.2
        assert bad.r2.value < 0.05
        assert bad.margin.high < 0.05
        assert good.r2.low <= good.r2.value <= good.r2.high


def test_an_untrained_network_has_no_margin_over_untrained_networks(planted):
    """Its control is drawn from the same law with another key: no margin to speak of, either way."""
    for row in probes.probe(network("transformer", 8, 1), planted, 0):
        assert row.margin.value < 0.1


def test_activations_are_those_after_each_token(planted):
    tokens, model = planted.tokens_BxT[:3], network("lstm", 4, 0)
    found = probes.activations(model, tokens)
    with jax.enable_x64(False):
        direct = model.network.activations(jnp.asarray(tokens))
    np.testing.assert_allclose(found[0], np.asarray(direct[0])[:, 1:], atol=1e-6)
    assert found[0].shape == (3, 20, 4)


@pytest.mark.parametrize(
    ("law", "parameters"),
    [(power, [1.2, 0.8, np.log(0.9)]), (bounded_power, [1.2, 0.8, np.log(1.5), np.log(4.0)]),
     (bayesian, [1.0, -2.0, -1.0, np.log(0.7)])],
)  # fmt: skip
def test_every_law_finds_itself_and_foretells_larger_n(law, parameters):
    rng = np.random.default_rng(0)
    loss = law(NS.astype(float), np.array(parameters)) + 0.05 * rng.normal(size=(400, 1))
    fits = {fit.law: fit for fit in fit_laws(NS, loss, 0)}
    name = {power: "power", bounded_power: "bounded power", bayesian: "Bayesian"}[law]
    assert fits[name].held_out_error[0] < 2e-3
    assert fits[name].held_out == (32, 64)
    for value, low, high in fits[name].parameters.values():
        assert np.isfinite([value, low, high]).all()


def test_what_is_held_out_does_not_move_the_fit():
    loss = power(NS.astype(float), np.array([1.2, 0.8, 0.0])) + 0.1 * np.random.default_rng(0).normal(size=(50, 8))
    other = loss.copy()
    other[:, -2:] += 1.0
    for one, two in zip(fit_laws(NS, loss, 0), fit_laws(NS, other, 0), strict=True):
        np.testing.assert_array_equal(one.curve_N, two.curve_N)
        assert two.held_out_error[0] > 0.8


def test_the_bayesian_law_is_the_loss_of_a_two_task_learner():
    """p(right | n) = sum_c r_c p_c^(n+1) / sum_c r_c p_c^n with b = 1."""
    r, p = np.array([0.3, 0.7]), np.array([0.8, 0.2])
    logit = lambda x: math.log(x / (1 - x))  # noqa: E731
    found = bayesian(np.arange(4.0), np.array([logit(0.8), logit(0.2), logit(0.3), 0.0]))
    expected = [-math.log((r * p ** (n + 1)).sum() / (r * p**n).sum()) for n in range(4)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_curves_that_cannot_be_fitted_have_no_fit():
    assert fit_laws(NS, np.full((5, 8), np.inf), 0) == []
    assert fit_laws(NS[:5], np.ones((5, 5)), 0) == []
    assert fit_laws(NS, np.ones((1, 8)), 0) == []


def test_prompts_are_split_by_whether_bayes_exists_and_log_loss_is_at_least_the_entropy():
    instance = small()
    model = network("lstm", 8, 0)
    found = context_gap(
        instance, [3], [0, 2, 6], prompts=150, seed=1, epsilons=[0.1],
        models=[model, MixtureModel("bayes", instance.mixture)],
    )  # fmt: skip
    np.testing.assert_array_equal(
        found.prompts.sel(split="possible", predictor="exact"), found.prompts.sel(split="all", predictor="exact")
    )
    assert not found.prompts.sel(split="impossible", predictor="exact").any()
    share = found.prompts.sel(split="impossible", predictor=model.name) / 150
    np.testing.assert_allclose(share, found.impossible_share)
    for name in ("accuracy", "log_loss", "calibration"):
        np.testing.assert_allclose(found[name].sel(predictor="bayes"), found[name].sel(predictor="exact"), atol=1e-12)
    everyone = found.log_loss.sel(split="all").dropna("predictor", how="all")
    full = found.prompts.sel(split="all") == 150
    assert (xr_where(everyone, full) >= found.entropy.values - 1e-9).all()
    one = found.prompt_loss.sel(predictor=model.name, k=3, n=2)
    assert float(one.mean()) == pytest.approx(float(found.log_loss.sel(predictor=model.name, split="all", k=3, n=2)))


def xr_where(values, mask):
    """Entries that count; the others are infinite."""
    return values.where(mask, np.inf).values


def test_one_pass_answers_as_each_n_alone():
    instance = small()
    found = one_pass_speed(instance, network("lstm", 4, 0), 3, 3, 20)
    assert found.agrees_to < 1e-5


@pytest.mark.slow
def test_one_pass_for_all_n_is_five_times_cheaper():
    instance = load_instance("ginc")
    assert one_pass_speed(instance, find_model("untrained", instance), 5, 32, 100).ratio >= 5


KEYS = {
    "model", "parameters", "excess_nats", "standard_error", "tokens", "ville_log_max", "ville_threshold", "curves",
    "implied_posterior_tv", "probe_r2", "martingale_gap", "calibration_error",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One gap of Bayes and an untrained network from the command line."""
    where = tmp_path_factory.mktemp("gap")
    path, out = where / "small.npz", where / "out"
    save_instance(small(zeros=False), path)
    arguments = ["gap", "bayes", "untrained", "--instance", str(path), "--k", "2", "--n", "0", "1", "2", "3", "4", "6"]
    arguments += ["--prompts", "40", "--documents", "12", "--length", "6", "--out", str(out)]
    assert cli.run([*arguments, "--json", str(out / "x.json")]) == 0
    return out


def test_gap_writes_figures_and_strict_json(folder):
    def refuse(word):
        raise AssertionError(f"bare {word} in the JSON")

    names = {path.name for path in folder.iterdir()}
    figures = {f"{name}.{kind}" for name in gap_figures.FIGURES for kind in ("png", "svg")}
    assert names == figures | {"gap.json", "gap.nc", "report.html", "x.json"}
    found = json.loads((folder / "x.json").read_text(), parse_constant=refuse)["models"]
    assert [each["model"] for each in found] == ["bayes", "untrained"]
    assert all(set(each) >= KEYS for each in found)
    assert "nan" not in (folder / "x.json").read_text()


def test_bayes_is_without_gap_and_an_untrained_network_is_not(folder):
    bayes, untrained = json.loads((folder / "x.json").read_text())["models"]
    for key in ("excess_nats", "implied_posterior_tv", "martingale_gap", "calibration_error"):
        assert abs(bayes[key]) <= (1e-9 if key in ("excess_nats", "calibration_error") else 1e-7)
    assert untrained["excess_nats"] > 0.01
    assert untrained["implied_posterior_tv"] > 0.05
    assert all(row["holds"] for each in (bayes, untrained) for row in each["laws"])
    assert bayes["probe_r2"] == {}
    assert set(untrained["probe_r2"]) == set(probes.TARGETS)
    keys = {"predictor", "epsilon", "k", "n", "accuracy", "standard_error", "undefined_share", "prompts"}
    assert all(keys <= set(row) for row in untrained["curves"])
    assert {row["predictor"] for row in untrained["curves"]} == {"exact", "smoothed", "prompt-aware", "untrained"}
    assert {row["predictor"] for row in bayes["scaling_laws"]} == {"exact", "smoothed(0.01)", "prompt-aware", "bayes"}


def test_figures_of_a_gap_redraw_from_its_file_alone(folder, tmp_path):
    storage.write_results(tmp_path / "gap.nc", storage.read_results(folder / "gap.nc"))
    assert cli.run(["figures", str(tmp_path)]) == 0
    for name in gap_figures.FIGURES:
        assert (tmp_path / f"{name}.svg").read_bytes() == (folder / f"{name}.svg").read_bytes()


def test_what_is_infinite_is_a_sign_and_no_bar(folder):
    """Nothing is drawn of no height or of one beyond the axis, and nothing warns (warnings are errors here)."""
    results = storage.read_results(folder / "gap.nc").load()
    for name in ("ville_log_max", "martingale", "order_possible"):
        results[name] = results[name] * 0.0 + np.where(np.arange(results.model.size) == 0, np.inf, 0.5)
    with house_style():
        figure = compose(gap_figures.bayesianity(results))
        settle(figure)
        figure.canvas.draw()
    for axis in figure.axes[:3]:
        assert [text.get_text() for text in axis.texts] == ["∞"]
        assert np.isfinite([bar.get_height() for bar in axis.patches[1 : results.model.size]]).all()


def test_one_model_is_one_object():
    instance = small(zeros=False)
    settings = gap.Settings((2,), (0, 1), 40, 12, 6, 0)
    models = [MixtureModel("bayes", instance.mixture)]
    found = gap_store.as_json(gap.measure(instance, models, gap.check_settings(settings, instance, models)))
    assert set(found) >= KEYS
    assert found["scaling_laws"] == []  # two numbers of examples are too few


BAD = {
    "no model": (["gap", "--instance", "regular"], "model: name one"),
    "unknown model": (["gap", "nobody", "--instance", "regular"], "model: 'nobody'"),
    "k": (["gap", "bayes", "--instance", "regular", "--k", "1"], "k: 1 is below 2"),
    "documents": (["gap", "bayes", "--instance", "regular", "--documents", "2"], "documents: 2 is below 3"),
    "epsilon": (["gap", "bayes(2)", "--instance", "regular"], "bayes(2)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_status_two(case, capsys):
    arguments, words = BAD[case]
    assert cli.run(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error


def test_models_of_one_name_and_prompts_beyond_the_positions_are_refused(monkeypatch):
    instance = load_instance("regular")
    monkeypatch.setattr(
        "implicit_bayes.benchmarks.predictors.models.find_model",
        lambda name, *_: MixtureModel("same", instance.mixture),
    )
    with pytest.raises(ModelError, match="two of the models"):
        find_models(["a", "b"], instance)
    model = network("lstm", 4, 0, instance.mixture.n_tokens)
    monkeypatch.setattr(type(model.network.config), "context", 16, raising=False)
    with pytest.raises(ModelError, match="16 positions"):
        gap.check_settings(gap.Settings((3,), (0, 8), 10, 4, 6, 0), instance, [model])


class Even:
    """All tokens alike, but for one unit in the last place that goes to one of them."""

    def __init__(self, favoured, size=5):
        self.name, self.law = f"even-{favoured}", np.log(np.full(size, 1 / size))
        self.law[favoured] += 2**-50

    def log_probabilities(self, tokens_BxT):
        return np.broadcast_to(self.law, (len(tokens_BxT), tokens_BxT.shape[1] + 1, len(self.law)))


def test_guesses_of_a_gap_are_not_made_by_rounding():
    """Of tokens that tie the first is the guess: whichever the rounding favours, every measure of it stays."""
    instance, models = small(), [Even(0), Even(3)]
    tokens = sample_documents(instance.mixture, jax.random.key(0), 8, 12).tokens
    first, other = (loss_gap(model, instance.mixture, tokens) for model in models)
    assert other.risk.value == pytest.approx(first.risk.value, abs=1e-12)
    assert other.calibration_error == pytest.approx(first.calibration_error, abs=1e-12)
    found = context_gap(instance, [3], [0, 2, 6], prompts=150, seed=1, epsilons=[0.1], models=models)
    one, two = (found.sel(predictor=model.name, split="all") for model in models)
    for measure in ("accuracy", "calibration"):
        np.testing.assert_allclose(one[measure], two[measure], atol=1e-12)
