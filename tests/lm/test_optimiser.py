"""Both optimisers against plain NumPy loops in float64, written from their formulas and not from the code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from implicit_bayes.lm.optimiser import optimiser, soap
from implicit_bayes.lm.optimiser_config import OptimiserConfig

SHAPES = {"wide": (8, 12), "tall": (12, 8), "square": (9, 9), "thin": (3, 9), "vector": (5,)}


def _gradients(steps, seed=0):
    """Gradients of a fixed direction with noise, as a training's are."""
    dice = np.random.default_rng(seed)
    mean = {name: dice.normal(size=shape) for name, shape in SHAPES.items()}
    return [{name: m + dice.normal(size=m.shape) for name, m in mean.items()} for _ in range(steps)]


def _ours(transform, gradients, weights=None, values=None):
    """Every step's direction, in float32."""
    as_tree = lambda tree: {name: jnp.asarray(x, jnp.float32) for name, x in tree.items()}  # noqa: E731
    weights = as_tree(weights or gradients[0])
    state, out, update = transform.init(weights), [], jax.jit(transform.update)
    for i, gradient in enumerate(gradients):
        extra = {} if values is None else {"value": jnp.float32(values[i])}
        direction, state = update(as_tree(gradient), state, weights, **extra)
        out.append({name: np.asarray(x) for name, x in direction.items()})
    return out


def _adam(gradients, b1, b2, eps=1e-8):
    m = {name: 0.0 for name in gradients[0]}
    v, out = dict(m), []
    for t, gradient in enumerate(gradients, 1):
        m = {name: b1 * m[name] + (1 - b1) * g for name, g in gradient.items()}
        v = {name: b2 * v[name] + (1 - b2) * g**2 for name, g in gradient.items()}
        out.append({n: m[n] / (1 - b1**t) / (np.sqrt(v[n] / (1 - b2**t)) + eps) for n in gradient})
    return out


def _close(ours, reference, atol=2e-5):
    for step, (a, b) in enumerate(zip(ours, reference, strict=True)):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], atol=atol, err_msg=f"{name}, step {step}")


def _clipped(gradients, norm):
    out = []
    for gradient in gradients:
        length = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        out.append({name: g * min(1.0, norm / length) for name, g in gradient.items()})
    return out


def test_adamw_is_its_formula_after_clipping_and_decays_matrices_only():
    gradients, weights = _gradients(12), _gradients(1, seed=9)[0]
    config = OptimiserConfig(method="adamw", b1=0.9, b2=0.99, weight_decay=0.1, clip=2.0)
    reference = _adam(_clipped(gradients, 2.0), 0.9, 0.99)
    for row in reference:
        for name, w in weights.items():
            row[name] = row[name] + (0.1 * w if w.ndim == 2 else 0.0)
    _close(_ours(optimiser(config), gradients, weights, [1.0] * 12), reference)
    assert np.sqrt(sum((g**2).sum() for g in gradients[0].values())) > 2  # the clip acts


def _soap_one(gradients, b1, b2, every):
    """SOAP of one matrix whose shorter side is its first, all in the original coordinates but for the squares.

    The average m of the plain gradients is kept unrotated, and turned into the basis where it is needed: the same
    thing as turning it along, written the other way round.
    """
    rows = gradients[0].shape[0]
    basis, outer, m, v, out = np.eye(rows), np.zeros((rows, rows)), 0.0, 0.0, []
    for t, g in enumerate(gradients, 1):
        if t % 2 == 1:
            outer = b2 * outer + (1 - b2) * g @ g.T
        if t % every == 0 or (t < 10 and t % 2 == 1):
            basis = np.linalg.qr(outer @ basis)[0]
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * (basis.T @ g) ** 2
        out.append(basis @ ((basis.T @ m) / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-8)))
    return out


@pytest.mark.parametrize("name", ["wide", "tall", "square"])
def test_soap_is_adam_in_the_eigenbasis_of_the_shorter_side(name):
    gradients = [gradient[name] for gradient in _gradients(25)]
    flip = name == "tall"
    expected = _soap_one([g.T if flip else g for g in gradients], 0.9, 0.95, 5)
    ours = _ours(soap(0.9, 0.95, every=5), [{name: g} for g in gradients])
    _close(ours, [{name: e.T if flip else e} for e in expected])
    plain = _adam([{name: g} for g in gradients], 0.9, 0.95)
    assert np.abs(ours[-1][name] - plain[-1][name]).max() > 0.05  # and is not Adam


def test_soap_of_vectors_and_of_what_is_too_long_or_too_thin_is_adam():
    gradients = [{name: g[name] for name in ("vector", "square", "thin")} for g in _gradients(12)]
    _close(_ours(soap(0.9, 0.95, cap=8), gradients), _adam(gradients, 0.9, 0.95))


def test_soap_does_not_care_for_the_basis_of_the_shorter_side():
    """Turning every gradient by an orthogonal R from the left turns every update by R: Adam's are not so, SOAP's are
    once its basis is that of G Gᵀ. The first steps start from the identity, hence the later ones only."""
    gradients = [g["wide"] for g in _gradients(400)]
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    there = _ours(soap(0.9, 0.95, every=1), [{"x": g} for g in gradients])[-1]["x"]
    turned = _ours(soap(0.9, 0.95, every=1), [{"x": turn @ g} for g in gradients])[-1]["x"]
    np.testing.assert_allclose(turned, turn @ there, atol=0.02)
    adam = _adam([{"x": g} for g in gradients], 0.9, 0.95)[-1]["x"]
    adam_turned = _adam([{"x": turn @ g} for g in gradients], 0.9, 0.95)[-1]["x"]
    assert np.abs(adam_turned - turn @ adam).max() > 0.1


def test_the_rate_falls_tenfold_where_the_loss_stands_still():
    """Averages over 4 steps: once no better than the best for one, the direction is a tenth."""
    config = OptimiserConfig(method="adamw", b1=0.0, b2=0.0, clip=1e9, plateau=4)
    steady = [{"x": np.ones(3)} for _ in range(20)]
    still = _ours(optimiser(config), steady, values=[1.0] * 20)
    falling = _ours(optimiser(config), steady, values=list(np.linspace(2, 1, 20)))
    assert still[0]["x"] == pytest.approx(1.0)
    assert still[-1]["x"].max() <= 0.1 + 1e-6
    assert falling[-1]["x"] == pytest.approx(1.0)


def test_state_is_all_arrays_so_that_it_can_be_kept():
    weights = {name: jnp.zeros(shape) for name, shape in SHAPES.items()}
    for method in ("adamw", "soap"):
        state = optimiser(OptimiserConfig(method=method, plateau=3)).init(weights)
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
