"""A document's loss in two parts: enumeration, the ceiling, and the pathwise regret of every predictor that mixes."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from brute_force import enumerate_paths
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import mixtures_with_documents

from implicit_bayes.simulators.ginc import property_start_laws, released_ginc
from implicit_bayes.simulators.regular import regular
from implicit_bayes.theory import MixtureOfHMMs, ModelError, filter_mixture
from implicit_bayes.theory.filtering.filter import weigh
from implicit_bayes.theory.filtering.streaming import filter_stream
from implicit_bayes.theory.information.decomposition import decompose, entropy, regret, spaced_positions, terms

CASE = MixtureOfHMMs(
    [0.3, 0.7], [[0.6, 0.4], [0.1, 0.9]], [[[0.8, 0.2], [0.3, 0.7]], [[0.5, 0.5], [1.0, 0.0]]],
    [[0.9, 0.1], [0.2, 0.8]], 0,
)  # fmt: skip


def test_expectations_are_entropies():
    """Over all 2^4 documents: sum_c pi_c H(O | c) and I(C; O) by their definitions, from the terms of each document."""
    documents = np.array(list(itertools.product(range(2), repeat=4)))
    out = filter_mixture(CASE, documents, positions=[4])
    p_BxC = np.exp(np.asarray(out.log_evidence)[:, 0])
    p_B = p_BxC @ CASE.prior
    noise, left = terms(np.asarray(out.log_evidence)[:, 0], np.asarray(out.log_posterior)[:, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        given_concept = -np.nansum(p_BxC * np.log(p_BxC), 0) @ CASE.prior
        joint = p_BxC * CASE.prior
        information = np.nansum(joint * np.log(p_BxC / p_B[:, None]))
    assert p_B @ noise == pytest.approx(given_concept, rel=1e-12)
    assert entropy(np.asarray(CASE.prior)) - p_B @ left == pytest.approx(information, rel=1e-10)
    assert p_B @ noise + entropy(np.asarray(CASE.prior)) - p_B @ left == pytest.approx(-(p_B @ np.log(p_B)))


def test_sampled_parts_lie_within_their_errors():
    """4000 documents of 4 tokens; 5 standard errors on four numbers, so a false alarm in 10^6."""
    rng = np.random.default_rng(2)
    documents = np.array(list(itertools.product(range(2), repeat=4)))
    p_BxC = np.exp(np.asarray(filter_mixture(CASE, documents, positions=[4]).log_evidence)[:, 0])
    p_B = p_BxC @ CASE.prior
    found = decompose(CASE, documents[rng.choice(16, 4000, p=p_B / p_B.sum())], [0, 2, 4])
    with np.errstate(divide="ignore", invalid="ignore"):
        given_concept = -np.nansum(p_BxC * np.log(p_BxC), 0) @ CASE.prior
    total = -(p_B @ np.log(p_B))
    assert found.entropy[0] == found.information[0] == 0.0 and found.documents == 4000
    assert abs(found.entropy[2] - given_concept) <= 5 * found.entropy_error[2]
    assert abs(found.information[2] - (total - given_concept)) <= 5 * found.information_error[2]
    assert (np.diff(found.information) > -5 * found.information_error[1:]).all()
    assert found.prior_entropy == pytest.approx(-0.3 * math.log(0.3) - 0.7 * math.log(0.7))


def test_information_saturates_below_its_ceiling():
    mixture, _ = regular()
    rng = np.random.default_rng(0)
    tokens = np.zeros((50, 60), dtype=np.int64)
    for document in tokens:
        c, state = rng.integers(5), rng.choice(7, p=mixture.initial[0])
        for t in range(60):
            document[t], state = state, rng.choice(7, p=mixture.transition[c, state])
    found = decompose(mixture, tokens)
    assert found.positions.tolist() == spaced_positions(60) and found.positions[-1] == 60
    assert (found.information <= found.prior_entropy + 1e-12).all()
    assert found.information[-1] == pytest.approx(math.log(5), abs=1e-6) and found.entropy[-1] > 30
    one = decompose(mixture, tokens[:1], [60])
    assert one.entropy_error[0] == math.inf


def test_a_known_concept_has_no_information_and_impossible_documents_are_refused():
    known = CASE.restrict(1)
    found = decompose(known, np.array([[0, 1, 0]]), [3])
    assert found.information[0] == found.prior_entropy == 0.0
    silent = MixtureOfHMMs([1.0], [[1.0]], [[[1.0]]], [[1.0, 0.0]], 0)
    with pytest.raises(ModelError, match="impossible"):
        decompose(silent, np.array([[0, 1]]))


def test_positions_are_spaced():
    assert spaced_positions(0) == [0] and spaced_positions(1) == [0, 1]
    assert spaced_positions(20) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, 19, 20]


def log_losses(mixture, tokens):
    """-log p(o_1..o_t) of every predictor of theory/ that mixes, as the sum of its own next-token predictives."""
    came = tokens[:, :, None]
    for method in ("dense", "log"):
        out = filter_mixture(mixture, tokens, method=method)
        yield np.take_along_axis(np.asarray(out.predictive)[:, :-1], came, -1)[..., 0]
    parts = [np.asarray(out.predictive) for out in filter_stream(mixture, tokens, 2)]
    first = np.broadcast_to(
        np.asarray(filter_mixture(mixture, tokens[:, :0]).predictive), (len(tokens), 1, mixture.n_tokens)
    )
    yield np.take_along_axis(np.concatenate([first, *parts], 1)[:, :-1], came, -1)[..., 0]
    smooth = mixture.smooth(0.1)
    yield np.take_along_axis(np.asarray(filter_mixture(smooth, tokens).predictive)[:, :-1], came, -1)[..., 0]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_regret_of_every_predictor_that_mixes(data):
    """Pathwise: whatever the document, mixing costs at most log 1/pi_c over knowing c; smoothed, over smoothed c."""
    mixture, tokens = data.draw(mixtures_with_documents(shapes=((2, 2, 3),), lengths=(3,)))
    exact = [enumerate_paths(mixture, document).log_evidence[1:] for document in tokens]
    smooth = np.asarray(filter_mixture(mixture.smooth(0.1), tokens).log_evidence)[:, 1:]
    for i, law in enumerate(log_losses(mixture, tokens)):
        evidence = smooth if i == 3 else np.array(exact)
        with np.errstate(divide="ignore"):
            found = regret(evidence, np.log(law).cumsum(1), np.asarray(mixture.prior))
        assert not np.isnan(found).any() and (found <= 1e-9).all()


def test_regret_by_hand_is_attained():
    """Concept 1 alone writes token 1: p(1) = .7 x .5, so knowing it saves exactly log 1/.7."""
    mixture = MixtureOfHMMs([0.3, 0.7], [[1.0], [1.0]], [[[1.0]]] * 2, [[[1.0, 0.0]], [[0.5, 0.5]]], 0)
    out = filter_mixture(mixture, np.array([[1]]), positions=[1])
    evidence = np.asarray(out.log_evidence)[:, 0]
    found = regret(evidence, np.asarray(weigh(mixture.prior, evidence).log_probability), np.asarray(mixture.prior))
    assert found[0, 0] == -math.inf and found[0, 1] == pytest.approx(0.0, abs=1e-15)
    cheat = regret(evidence, np.log([0.2]), np.asarray(mixture.prior))
    assert cheat[0, 1] > 0  # a predictor that pays more than mixing allows


def test_regret_on_prompts_of_ginc():
    """The prompt is no document: examples joined by delimiters, drawn from concept 2's prompt law, and still."""
    mixture = released_ginc(50).pretraining.smooth(0.01)
    rng, start = np.random.default_rng(1), property_start_laws()[3]
    tokens = []
    for _ in range(12):
        state = rng.choice(100, p=start)
        for _ in range(3):
            tokens.append(rng.choice(50, p=mixture.emissions[2, state]))
            state = rng.choice(100, p=mixture.transition[2, state])
        tokens.append(mixture.delimiter)
    out = filter_mixture(mixture, np.array([tokens]))
    log_p = np.asarray(weigh(mixture.prior, np.asarray(out.log_evidence)).log_probability)
    assert (regret(np.asarray(out.log_evidence), log_p, np.asarray(mixture.prior)) <= 1e-9).all()


def test_one_concept_has_entropy_zero_and_not_minus_zero():
    assert str(entropy(np.array([1.0, 0.0]))) == "0.0"


def test_no_law_over_a_wide_vocabulary_is_held():
    """60 documents at 12 prefixes have 720 laws, 170 MB at V = 30,000: evidence and posterior need none of them."""
    wide = 30_000
    emission = np.zeros((2, wide))
    emission[0, 0], emission[1, 1:] = 1.0, 1.0 / (wide - 1)
    rows = np.array([[[0.1, 0.9], [0.2, 0.8]], [[0.3, 0.7], [0.4, 0.6]]])
    mixture = MixtureOfHMMs([0.5, 0.5], rows[:, 0], rows, emission, 0)
    tokens = np.random.default_rng(0).integers(wide, size=(60, 12)) * (np.arange(12) % 5 > 0)
    tracemalloc.start()
    decompose(mixture, tokens, range(1, 13))
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
