"""The filter in blocks is the filter of the whole, whatever the blocks."""

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from implicit_bayes.theory import MixtureOfHMMs, ModelError, filter_mixture
from implicit_bayes.theory.filtering.concept_blocks import ConceptBlocks, filter_blocks, split


@given(strategies.mixtures_with_documents(), st.integers(1, 4))
def test_blocks_of_any_size_are_the_whole(case, size):
    mixture, tokens = case
    tokens = np.atleast_2d(np.asarray(tokens))
    positions = list(range(tokens.shape[1] + 1))
    whole, found = filter_mixture(mixture, tokens), filter_blocks(split(mixture, size), tokens, positions)
    assert np.array_equal(found.defined_BxP, whole.defined)
    assert found.log_evidence_BxPxC == pytest.approx(np.asarray(whole.log_evidence), abs=1e-12)
    assert found.log_posterior_BxPxC == pytest.approx(np.asarray(whole.log_posterior), abs=1e-12)
    assert found.predictive_BxPxV == pytest.approx(np.asarray(whole.predictive), abs=1e-13)


def three(prior) -> MixtureOfHMMs:
    """Token 1 is impossible under the first concept, token 0 under the last."""
    emission = np.array([[[1.0, 0.0]], [[0.5, 0.5]], [[0.0, 1.0]]])
    return MixtureOfHMMs(prior, np.ones((3, 1)), np.ones((3, 1, 1)), emission, 0)


@pytest.mark.parametrize("prior", [[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_blocks_of_prior_zero_and_impossible_documents(prior, size):
    mixture, tokens = three(prior), np.array([[0, 0, 1], [1, 1, 1], [0, 0, 0]])
    whole, found = filter_mixture(mixture, tokens), filter_blocks(split(mixture, size), tokens, [0, 1, 2, 3])
    assert np.array_equal(found.defined_BxP, whole.defined)
    assert found.predictive_BxPxV == pytest.approx(np.asarray(whole.predictive), abs=1e-15)
    assert np.array_equal(np.isneginf(found.log_posterior_BxPxC), np.isneginf(whole.log_posterior))


def test_only_one_block_is_alive_at_a_time():
    made: list[tuple[int, int]] = []
    whole = split(three([0.5, 0.25, 0.25]), 2)

    def make(begin: int, end: int) -> MixtureOfHMMs:
        made.append((begin, end))
        return whole.make(begin, end)

    filter_blocks(whole._replace(make=make), np.array([[0, 1]]), [2])
    assert made == [(0, 2), (2, 3)]


def test_bad_input():
    with pytest.raises(ModelError, match="size: 0"):
        split(three([0.5, 0.25, 0.25]), 0)
    blocks = split(three([0.5, 0.25, 0.25]), 2)
    with pytest.raises(ModelError, match="prior"):
        filter_blocks(blocks._replace(prior_C=np.array([0.5, 0.2])), np.array([[0]]), [1])
    with pytest.raises(ModelError, match="prior"):
        filter_blocks(ConceptBlocks(np.zeros(0), 1, blocks.make), np.array([[0]]), [1])
