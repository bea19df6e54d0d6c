"""The process zoo: which words each process has, how specifications are read, and what is refused."""

import itertools

import jax
import numpy as np
import pytest

from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.simulators.variants import load_variant
from implicit_bayes.simulators.zoo import mess3, zoo_edges, zoo_processes
from implicit_bayes.theory import ModelError


def words(spec: str, length: int) -> dict[tuple[int, ...], float]:
    """Every word of positive probability: start M_o1 ... M_on 1 with M_o = T diag(p(o | .)), in the form on pairs."""
    hmm = load_instance(spec).mixture.concept(0)
    found = {}
    for word in itertools.product(range(hmm.n_tokens), repeat=length):
        belief = hmm.initial * hmm.emission[:, word[0]]
        for token in word[1:]:
            belief = (belief @ hmm.transition) * hmm.emission[:, token]
        if belief.sum():
            found[word] = float(belief.sum())
    return found


def test_golden_mean_has_no_two_zeros():
    assert all((0, 0) not in itertools.pairwise(word) for word in words("golden-mean", 4))
    assert len(words("golden-mean", 4)) == 8  # Fibonacci


def test_even_has_even_runs_of_ones_between_zeros():
    found = words("even", 4)
    assert (0, 1, 0, 0) not in found and (0, 1, 1, 0) in found and (1, 0, 1, 0) not in found
    assert found[(0, 0, 0, 0)] == pytest.approx(2 / 3 / 16)


def test_every_third_token_of_rrxor_is_the_xor():
    """In one of the three phases, of every word."""
    for word in words("rrxor", 7):
        assert any(all(word[i] ^ word[i + 1] == word[i + 2] for i in range(phase, 5, 3)) for phase in range(3))
    assert len(words("rrxor", 7)) < 2**7


def test_mess3_is_the_published_matrices():
    """x = .05, alpha = .85: .765 = alpha y, .00375 = beta x, .0425 = alpha x, .0675 = beta y."""
    first = mess3().labelled[0]
    assert np.allclose(first, [[0.765, 0.00375, 0.00375], [0.0425, 0.0675, 0.00375], [0.0425, 0.00375, 0.0675]])
    for token in (1, 2):
        shifted = [[first[(s - token) % 3, (t - token) % 3] for t in range(3)] for s in range(3)]
        assert np.array_equal(mess3().labelled[token], shifted)


def test_parameters_by_specification():
    named, usual = load_instance("mess3:x=0.05,alpha=0.85"), load_instance("mess3")
    assert named.name == "mess3:x=0.05,alpha=0.85"
    assert np.array_equal(named.mixture.transition, usual.mixture.transition)
    assert not np.allclose(load_instance("mess3:alpha=0.6").mixture.transition, usual.mixture.transition)
    assert np.allclose(load_instance("even:p=0.5").mixture.initial, [[1 / 3] * 3])


def test_several_values_are_concepts():
    instance = load_instance("mess3:x=0.05+0.15+0.2,alpha=0.85")
    assert instance.mixture.n_concepts == 3 and instance.true_concepts == (0, 1, 2)
    for concept, x in enumerate((0.05, 0.15, 0.2)):
        alone = load_instance(f"mess3:x={x},alpha=0.85").mixture
        assert np.array_equal(instance.mixture.transition[concept], alone.transition[0])
    assert np.allclose(instance.mixture.prior, 1 / 3)


def test_processes_of_one_mixture_share_the_pairs_that_any_of_them_uses():
    edges = zoo_edges("rrxor:p=0.5+1")
    assert [p.n_states for p in zoo_processes("rrxor:p=0.5+1")] == [5, 5]
    assert np.allclose(np.asarray(edges.mixture.initial).sum(-1), 1.0)


def test_variants_follow_the_parameters():
    made = load_variant("mess3:x=0.05+0.15,alpha=0.85:smoothed=0.1")
    base = load_instance("mess3:x=0.05+0.15,alpha=0.85")
    assert np.allclose(made.mixture.transition, base.mixture.smooth(0.1).transition)
    assert np.allclose(load_variant("even:smoothed=0.1").mixture.transition,
                       load_instance("even").mixture.smooth(0.1).transition)  # fmt: skip
    assert load_variant("even:p=0.25").name == "even:p=0.25"


@pytest.mark.parametrize("spec", ["mess3", "rrxor", "even", "golden-mean", "mess3:x=0.05+0.15,alpha=0.85+0.6"])
def test_documents_are_stationary(spec):
    """Share of every token at the first and at the last of 20 positions; 5 standard errors fail in 1e-5 of runs."""
    mixture = load_instance(spec).mixture
    tokens = sample_documents(mixture, jax.random.key(0), 4000, 20).tokens
    for token in range(mixture.n_tokens):
        first, last = (tokens[:, t] == token for t in (0, -1))
        assert abs(first.mean() - last.mean()) < 5 * np.sqrt(2 * 0.25 / 4000)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mess3:y=0.1", "mess3 takes x, alpha"),
        ("mess3:x=0.1,x=0.2", "each once"),
        ("mess3:x=", "is not a number in"),
        ("mess3:x=1.5", "is not a number in"),
        ("mess3:x=nan", "is not a number in"),
        ("mess3:x=0.6", "x: 0.6 is above 1/2"),
        ("mess3:x=0.1+0.2,alpha=0.1+0.2+0.3", "all the same"),
        ("mess3:", "mess3 takes|none"),
        ("even:p=1,", "even takes p"),
        ("mess2", "did you mean 'mess3'"),
        ("golden-mean:p", "is not a number in"),
    ],
)
def test_bad_specifications(spec, message):
    if spec == "mess3:":
        assert load_instance(spec).mixture.n_concepts == 1
        return
    with pytest.raises(ModelError, match=message):
        load_instance(spec)
