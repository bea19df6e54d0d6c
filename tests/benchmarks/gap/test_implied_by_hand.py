"""Implied posteriors, martingale gaps and variances over orders by hand: zeros, steps, parts, what counts."""

import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gap_cases import network, small

from implicit_bayes.benchmarks.gap import bayesianity, implied, implied_documents
from implicit_bayes.benchmarks.gap.bayesianity import OrderVariance, _gaps, _variance, order_variance
from implicit_bayes.benchmarks.gap.implied import Implied, _interior_point, _unique, implied_posterior
from implicit_bayes.benchmarks.gap.implied_documents import implied_gap
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import MixtureOfHMMs

INF = math.inf


def mixture_of(prior) -> MixtureOfHMMs:
    """A mixture of which only the prior is asked."""
    return MixtureOfHMMs(np.array(prior), np.ones((len(prior), 1)), np.ones((len(prior), 1, 1)), [[1.0]], 0)


LAWS = np.array([[0.6, 0.4, 0.0, 0.0], [0.2, 0.8, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
"""Of three concepts, the last of prior zero; no concept allows the last token."""


def test_posteriors_by_hand():
    """Two of three concepts have prior 1/2. Rows: both possible; both, and a quarter of q on what nobody allows; the
    second alone, which explains q badly; nobody; both, and q on forbidden tokens only."""
    zero = -INF
    evidence = np.array([[0, 0, 0], [math.log(3), 0, 5.0], [zero, -1.0, 0], [zero, zero, 0], [0, 0, 0]])
    q = np.array([[0.3, 0.7, 0, 0], [0.3, 0.45, 0.15, 0.1], [0.5, 0.5, 0, 0], [0.2, 0.3, 0.4, 0.1], [0, 0, 0.75, 0.25]])
    laws = np.where(np.isfinite(evidence)[..., None], LAWS, 0.0)
    found = implied_posterior(mixture_of([0.5, 0.5, 0.0]), evidence, laws, q)
    weight = [[0.25, 0.75, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(found.weight_NxC, weight, atol=1e-9)
    assert (found.weight_NxC[:, 2] == 0).all() and found.weight_NxC[2, 0] == 0
    exact = [[0.5, 0.5, 0], [0.75, 0.25, 0], [0, 1, 0], [0, 0, 0], [0.5, 0.5, 0]]
    np.testing.assert_allclose(found.exact_NxC, exact, atol=1e-12)
    np.testing.assert_allclose(found.total_variation_N, [0.25, 0.25, 0.0, 0.0, 0.5], atol=1e-9)
    badly = 0.5 * math.log(0.5 / 0.2) + 0.5 * math.log(0.5 / 0.8)
    np.testing.assert_allclose(found.residual_N, [0, 0, badly, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found.forbidden_N, [0, 0.25, 0, 0, 1], atol=1e-12)
    assert (found.residual_N >= 0).all() and (found.forbidden_N >= 0).all()
    assert found.defined_N.tolist() == [True, True, True, False, True]
    assert found.identified_N.tolist() == [True, True, True, False, False]
    assert found.open_N.tolist() == [True, True, False, False, True]
    three = implied_posterior(mixture_of([0.25] * 4), np.array([[0, 0, 0, zero], [0] * 4]), np.full((2, 4, 2), 0.5),
                              np.array([[0.5, 0.5]] * 2))  # fmt: skip
    assert three.open_N.tolist() == [True, True]


def test_no_residual_is_below_zero():
    """A mixture of the laws leaves nothing: what rounding makes of it is not negative."""
    rng = np.random.default_rng(0)
    laws, weights = rng.dirichlet(np.full(6, 0.7), (300, 3)), rng.dirichlet(np.ones(3), 300)
    q = np.einsum("nc,ncv->nv", weights, laws)
    found = implied_posterior(mixture_of([0.2, 0.3, 0.5]), np.zeros((300, 3)), laws, q)
    assert found.residual_N.min() == 0.0 and found.residual_N.max() <= 1e-12
    assert (found.forbidden_N == 0.0).all()
    told = found.identified_N
    np.testing.assert_allclose(found.weight_NxC[told], weights[told], atol=1e-7)
    assert told.sum() > 250


@pytest.mark.parametrize("chance", [1e-100, 1e-160, 1e-200, 2e-300])
def test_a_token_that_is_next_to_impossible_is_still_explained(chance):
    """Only the first concept allows the second token, and only the third the last: it has the whole rest.
    The square of the chance leaves the range of float64: equal weights were the answer once."""
    laws = np.array([[1.0, chance, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    found = implied_posterior(mixture_of([0.3, 0.3, 0.4]), np.zeros((1, 3)), laws[None], np.array([[0.5, 0.25, 0.25]]))
    np.testing.assert_allclose(found.weight_NxC, [[0.75, 0.0, 0.25]], atol=1e-9)
    assert found.forbidden_N.tolist() == [0.0]
    assert found.residual_N[0] == pytest.approx(0.5 * math.log(0.5 / 0.75) + 0.25 * math.log(1 / 3 / chance), rel=1e-6)


@pytest.mark.parametrize("chance", [1e-300, 3e-308, 1e-310, 5e-324])
def test_a_token_at_the_end_of_the_range_is_impossible(chance):
    """As if its chance were 0: a quarter of q is forbidden, and the rest is explained as far as it goes."""
    laws = np.array([[1.0, chance, 0.0], [0.0, chance, 1.0]])
    found = implied_posterior(mixture_of([0.5, 0.5]), np.zeros((1, 2)), laws[None], np.array([[0.5, 0.25, 0.25]]))
    np.testing.assert_allclose(found.weight_NxC, [[2 / 3, 1 / 3]], atol=1e-9)
    assert found.forbidden_N == pytest.approx([0.25]) and found.residual_N[0] <= 1e-12


def newton(q, p, steps):
    """The primal-dual method with its whole system: gradient + 1 - z = 0 and w z = mu, linearised."""
    count = len(p)
    w, z = np.full(count, 1 / count), np.ones(count)
    for _ in range(steps):
        seen = q > 0
        share = p[:, seen] / (w @ p[:, seen])
        mu = (w * z).mean() / 10
        system = np.block([[(share * q[seen]) @ share.T, -np.eye(count)], [np.diag(z), np.diag(w)]])
        moved = np.linalg.solve(system, np.concatenate([share @ q[seen] - 1 + z, mu - w * z]))
        parts = []
        for x, dx in zip((w, z), np.split(moved, 2), strict=True):
            longest = min([1.0, *(0.95 * a / -b for a, b in zip(x, dx, strict=True) if b < 0)])
            parts.append(x + longest * dx)
        w, z = parts
    return w


@pytest.mark.parametrize("seed", range(4))
def test_every_step_is_newtons(seed, monkeypatch):
    """One to five steps of the method; the last of four concepts is impossible, no concept allows the last token."""
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(4, 0.5), 4), rng.dirichlet(np.ones(4))
    p[3], q[seed % 3] = 0.0, 0.0
    p, q = np.pad(p, ((0, 0), (0, 1))), np.pad(q / q.sum(), (0, 1))
    with jax.enable_x64(True):
        for steps in (1, 2, 5):
            monkeypatch.setattr(implied, "STEPS", steps)
            np.testing.assert_allclose(_interior_point(jnp.array(q), jnp.array(p)), newton(q, p, steps), rtol=1e-9)


@pytest.mark.parametrize("possible", [[1, 1, 1, 1], [0, 1, 1, 1], [1, 0, 1, 0]])
def test_how_far_weights_move_a_law_is_a_singular_value(possible, monkeypatch):
    """The least one of the possible laws on a basis of the differences between weightings."""
    possible = np.array(possible, bool)
    p = np.random.default_rng(5).dirichlet(np.ones(5), 4) * possible[:, None]
    count = possible.sum()
    basis = np.linalg.svd(np.ones((1, count)))[2][1:]
    least = np.linalg.svd(basis @ p[possible], compute_uv=False).min()
    with jax.enable_x64(True):
        for factor, told in ((0.999, True), (1.001, False)):
            monkeypatch.setattr(implied, "TELLING", least * factor)
            assert bool(_unique(jnp.array(p), jnp.array(possible))) is told


def test_the_martingale_gap_of_rows_that_are_made_up(monkeypatch):
    """40 prefixes of three tokens' vocabulary, 7 rows together: q and weights of the prefix are those of its first
    row; a token that may not follow counts for nothing, and every other must be identified."""
    rng = np.random.default_rng(1)
    shape = (40, 3, 2)
    weight, q = rng.dirichlet(np.ones(2), shape), rng.dirichlet(np.ones(3), shape)
    q[:4, :, :, 0] = 0.0
    defined, identified, several = (rng.random(shape) < share for share in (0.7, 0.8, 0.7))
    defined[:4, :, 1] = [True, False, False]  # of the first prefixes nothing that may follow has a chance
    seen = []

    def rows(tokens):
        return tokens[:, 0], tokens[:, -1]

    def asked(model, tokens, positions):
        seen.append((tokens.shape, positions))
        with np.errstate(divide="ignore"):
            return np.log(q[rows(tokens)])

    def told(mixture, tokens, q_BxPxV):
        assert (q_BxPxV >= 0).all() and q_BxPxV.dtype == np.float64
        flat = [x[rows(tokens)].reshape(-1, *x.shape[3:]) for x in (weight, defined, identified, several)]
        zero = np.zeros(len(flat[0]))
        return Implied(weight_NxC=flat[0], residual_N=zero, forbidden_N=zero, exact_NxC=flat[0],
                       total_variation_N=zero, defined_N=flat[1], identified_N=flat[2], open_N=flat[3])  # fmt: skip

    for name, value in (("answer_at", asked), ("after_prefixes", told), ("prepare", lambda mixture: None),
                        ("filter_concepts", lambda mixture, tokens, positions, tables: tokens)):  # fmt: skip
        monkeypatch.setattr(bayesianity, name, value)
    gaps, counts = [], []
    for b in range(40):
        may = [x for x in range(3) if defined[b, x, 1]]
        mass = sum(q[b, 0, 0, x] for x in may)
        then = sum((q[b, 0, 0, x] / mass * weight[b, x, 1] for x in may if mass > 0), np.zeros(2))
        gaps.append(np.abs(weight[b, 0, 0] - then).sum() / 2)
        open_now = defined[b, 0, 0] and identified[b, 0, 0] and several[b, 0, 0]
        counts.append(open_now and all(identified[b, x, 1] for x in may))
    assert 5 < sum(counts) < 35
    prefix = np.stack([np.arange(40), np.zeros(40, int)], 1)
    for size, calls in ((None, 1), (7, 18), (60, 2), (120, 1)):
        if size is not None:
            monkeypatch.setattr(bayesianity, "ROWS", size)
        found, counted = _gaps(None, SimpleNamespace(n_tokens=3), prefix)
        np.testing.assert_allclose(found, gaps, atol=1e-12)
        assert counted.tolist() == counts
        assert seen == [((size or 1024, 3), [2, 3])] * calls
        seen.clear()


def test_variance_over_orders_of_rows_that_are_made_up(monkeypatch):
    """Two orders of three prompts: 1/4 (.5^2 + .5^2), nothing, and one that is silent in one order."""
    law = np.array([[[0.5, 0.5], [1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]])

    def asked(model, tokens, positions):
        assert positions == [4]
        with np.errstate(divide="ignore"):
            return np.log(law[tokens[0, 0]])[:, None]

    monkeypatch.setattr(bayesianity, "answer_at", asked)
    tokens = np.broadcast_to(np.arange(2)[:, None, None], (2, 3, 4))
    variance, answered = _variance(None, tokens)
    np.testing.assert_allclose(variance, [0.125, 0.0, 0.125])
    assert answered.tolist() == [True, True, False]


def test_variances_are_of_the_prompts_that_both_answer(monkeypatch):
    told = iter([(np.array([1.0, 2.0, 4.0]), np.array([True, True, False])),
                 (np.array([8.0, 16.0, 32.0]), np.array([True, False, True]))])  # fmt: skip
    asked = []
    monkeypatch.setattr(bayesianity, "_variance", lambda model, tokens: asked.append(tokens) or next(told))
    found = order_variance(None, small(zeros=False), 2, 3, 0)
    assert isinstance(found, OrderVariance)
    assert (found.variance.value, found.prompts, found.possible.value, found.bayes.value) == (1.5, 2, 1.0, 8.0)
    assert (found.possible_prompts, found.orders) == (1, 24)
    assert asked[0].shape == (24, 3, 13) and (asked[0] == asked[1]).all()
    body = asked[0][:, :, :12].reshape(24, 3, 4, 3)
    assert (body[..., 2] == 0).all()  # delimiters
    assert (body[1, :, [0, 1, 3, 2]] == body[0].swapaxes(0, 1)).all()
    assert (asked[0][:, :, 12:] == asked[0][:1, :, 12:]).all()


def test_implied_posteriors_do_not_depend_on_the_size_of_a_part(monkeypatch):
    """33 documents: 32 together and one, or five together."""
    instance, model, seen, done = small(), network("lstm", 4, 1), [], []
    drawn = sample_documents(instance.mixture, jax.random.key(2), 33, 3)
    answer = implied_documents.answer
    monkeypatch.setattr(
        implied_documents, "answer", lambda model, tokens: seen.append(tokens.shape) or answer(model, tokens)
    )
    whole = implied_gap(model, instance.mixture, drawn.tokens, drawn.concepts, done.append)
    assert (seen, done) == ([(32, 3)] * 2, [32, 1])
    monkeypatch.setattr(implied_documents, "CHUNK", 5)
    parts = implied_gap(model, instance.mixture, drawn.tokens, drawn.concepts)
    for name in whole._fields:
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name), atol=1e-5, err_msg=name)
