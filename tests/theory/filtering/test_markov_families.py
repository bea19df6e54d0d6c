"""Memorising Bayes against the general filter and enumeration; generalising Bayes against the Dirichlet integral."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_bayes.simulators.chains import FRESH, Chains, kernels
from implicit_bayes.theory import ModelError
from implicit_bayes.theory.filtering import markov_families
from implicit_bayes.theory.filtering.markov_families import generalising, memorising


def by_hand(tables, start, prior, document):
    """p(o_1..o_t) and the next-token law after every prefix, in fractions."""
    laws, totals = [], []
    for t in range(len(document) + 1):
        prefix = document[:t]
        weights = []
        for table, weight in zip(tables, prior, strict=True):
            p = Fraction(weight) * (Fraction(start[prefix[0]]) if t else 1)
            for a, b in itertools.pairwise(prefix):
                p *= Fraction(table[a][b])
            weights.append(p)
        total = sum(weights)
        totals.append(total)
        if not t:
            laws.append(list(start))
        elif total == 0:
            laws.append([0.0] * len(start))
        else:
            last = prefix[-1]
            pairs = list(zip(weights, tables, strict=True))
            mixed = [sum(w * Fraction(table[last][v]) for w, table in pairs) for v in range(len(start))]
            laws.append([float(mass / total) for mass in mixed])
    return laws, totals


@st.composite
def families(draw):
    """Kernels with exact zeros, a start law and a prior with zeros, and documents of any kind."""
    count, size, length = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 4))
    entry = st.sampled_from([0.0, 0.0, 1.0, 3.0])

    def law():
        raw = np.array(draw(st.lists(entry, min_size=size, max_size=size)))
        raw[0] += raw.sum() == 0
        return raw / raw.sum()

    prior = np.array(draw(st.lists(entry, min_size=count, max_size=count)))
    prior[-1] += prior.sum() == 0
    tokens = draw(
        st.lists(st.lists(st.integers(0, size - 1), min_size=length, max_size=length), min_size=1, max_size=2)
    )
    tables = np.array([[law() for _ in range(size)] for _ in range(count)])
    return tables, law(), prior / prior.sum(), np.array(tokens, np.int64).reshape(len(tokens), length)


@given(families(), st.sampled_from([1, 50, 10**8]))
def test_memorising_is_enumeration_in_blocks_of_any_size(family, block):
    tables, start, prior, tokens = family
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markov_families, "BLOCK_BYTES", block)
        found = memorising(tables, start, tokens, prior)
    for b, document in enumerate(tokens.tolist()):
        laws, totals = by_hand(tables.tolist(), start.tolist(), prior.tolist(), document)
        assert found.predictive_BxT1xV[b] == pytest.approx(np.array(laws), abs=1e-13)
        logs = [math.log(p) if p else -math.inf for p in totals]
        assert found.log_probability_BxT1[b] == pytest.approx(logs, abs=1e-12)


def test_a_thousand_kernels_in_blocks_are_one_block(monkeypatch):
    tables = kernels(Chains(concepts=300, vocabulary=4), range(300))
    tokens = np.random.default_rng(0).integers(4, size=(3, 40))
    whole = memorising(tables, np.full(4, 0.25), tokens)
    monkeypatch.setattr(markov_families, "BLOCK_BYTES", 24 * 3 * 40 * 7)
    parts = memorising(tables, np.full(4, 0.25), tokens)
    assert parts.predictive_BxT1xV == pytest.approx(whole.predictive_BxT1xV, abs=1e-13)
    assert parts.log_probability_BxT1 == pytest.approx(whole.log_probability_BxT1, abs=1e-11)


def test_long_documents_do_not_underflow():
    tables = kernels(Chains(vocabulary=3), range(4))
    tokens = np.random.default_rng(1).integers(3, size=(1, 5000))
    found = memorising(tables, np.full(3, 1 / 3), tokens)
    assert np.isfinite(found.log_probability_BxT1).all()
    assert found.log_probability_BxT1[0, -1] < -2000
    assert found.predictive_BxT1xV.sum(-1) == pytest.approx(np.ones((1, 5001)), abs=1e-12)


@settings(max_examples=20)
@given(st.lists(st.sampled_from([0.5, 1.0, 2.5]), min_size=2, max_size=3), st.integers(0, 10**6))
def test_generalising_is_the_dirichlet_multinomial(alpha, seed):
    """p(o_1..o_T) = start prod_a B(alpha + n_a) / B(alpha): the integral over all kernels, another formula."""
    tokens = np.random.default_rng(seed).integers(len(alpha), size=(2, 7))
    start = np.full(len(alpha), 1 / len(alpha))
    found = generalising(np.array(alpha), start, tokens)
    for b, document in enumerate(tokens.tolist()):
        expected = -math.log(len(alpha))
        for a in range(len(alpha)):
            counts = [sum(pair == (a, v) for pair in itertools.pairwise(document)) for v in range(len(alpha))]
            expected += math.lgamma(sum(alpha)) - math.lgamma(sum(alpha) + sum(counts))
            expected += sum(math.lgamma(x + n) - math.lgamma(x) for x, n in zip(alpha, counts, strict=True))
        assert found.log_probability_BxT1[b, -1] == pytest.approx(expected, abs=1e-11)


def test_generalising_is_memorising_of_very_many():
    """Monte Carlo over kernels: the two agree to the sampling error of 20,000 of them, here below .02."""
    family = Chains(vocabulary=3, alpha=1.0)
    tokens = np.array([[0, 1, 1, 2, 0, 1]])
    many = memorising(kernels(family, range(20_000)), np.full(3, 1 / 3), tokens).predictive_BxT1xV
    assert many == pytest.approx(generalising(np.ones(3), np.full(3, 1 / 3), tokens).predictive_BxT1xV, abs=0.02)


def test_concepts_do_not_depend_on_how_many_there_are():
    family = Chains(concepts=4)
    assert np.array_equal(kernels(family, range(4)), kernels(family._replace(concepts=16), range(16))[:4])
    assert not np.allclose(kernels(family, [0]), kernels(family, [FRESH]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: memorising(np.ones((2, 2, 3)) / 3, np.ones(2) / 2, np.zeros((1, 2), int)), "kernels: shape"),
        (lambda: memorising(np.ones((2, 2, 2)), np.ones(2) / 2, np.zeros((1, 2), int)), "row sums to 2"),
        (lambda: memorising(np.ones((1, 2, 2)) / 2, np.ones(3) / 3, np.zeros((1, 2), int)), "start: shape"),
        (lambda: memorising(np.ones((1, 2, 2)) / 2, np.ones(2) / 2, np.full((1, 2), 2)), "tokens"),
        (lambda: memorising(np.ones((1, 2, 2)) / 2, np.ones(2) / 2, np.zeros(2, int)), "tokens: 1 axes"),
        (lambda: memorising(np.ones((1, 2, 2)) / 2, np.ones(2) / 2, np.zeros((1, 2), int), np.ones(2) / 2), "prior"),
        (lambda: generalising(np.array([1.0, 0.0]), np.ones(2) / 2, np.zeros((1, 2), int)), "alpha"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ModelError, match=message):
        call()
