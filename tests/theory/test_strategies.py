"""Every draw of the strategies keeps what its name promises (checked by definitions written out again here)."""

import builtins
import importlib
import itertools
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from implicit_bayes.theory import ModelError, strategies
from implicit_bayes.theory.proofs.counterexamples import example_given_state

SOME = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SHAPES = dict(
    states=st.integers(3, 5),
    concepts=st.integers(1, 3),
    delimiters=st.integers(1, 2),
    length=st.integers(2, 3),
)
IDENTITY = SHAPES | dict(identity=True)
GENERAL = SHAPES | dict(identity=False, tokens=st.integers(2, 4))
EACH = GENERAL | dict(shared_emission=False)
KINDS = {"identity": IDENTITY, "general": GENERAL, "one emission each": EACH}


def a1(instance):
    column = instance.mixture.emissions[..., instance.mixture.delimiter]
    states = instance.mixture.delimiter_states()
    return (column[:, states] == 1).all() and (np.delete(column, states, 1) == 0).all()


def a2(instance):
    mixture, states = instance.mixture, instance.mixture.delimiter_states()
    return (mixture.transition[instance.true_concept][:, states] > 0).all() and (mixture.initial[:, states] > 0).all()


def a3(instance):
    mixture, prompt = instance.mixture, instance.prompt
    hmm = prompt.hmm
    tv = max(0.5 * np.abs(hmm.transition[d] - prompt.start).sum() for d in mixture.delimiter_states())
    for x in itertools.product(range(mixture.n_tokens), repeat=prompt.length - 1):
        probability = prompt.start @ example_given_state(hmm.transition, hmm.emission, x)
        if probability > 0:
            joint = [
                prompt.start @ example_given_state(hmm.transition, hmm.emission, (*x, y))
                for y in range(mixture.n_tokens)
            ]
            second, first = np.sort(joint)[-2:] / probability
            if not tv < (first - second) / 4:
                return False
    return True


def a4(instance):
    own = instance.mixture.concept(instance.true_concept)
    hmm = instance.prompt.hmm
    same = np.array_equal(own.initial, hmm.initial) and np.array_equal(own.transition, hmm.transition)
    return same and np.array_equal(own.emission, hmm.emission) and instance.mixture.prior[instance.true_concept] > 0


def a5(instance):
    hmm = instance.prompt.hmm
    positive = (hmm.transition > 0).all() and (hmm.initial > 0).all() and (instance.mixture.prior > 0).all()
    return positive and (hmm.emission.max(0) > 0).all()


CHECKS = {"A1": a1, "A2": a2, "A3": a3, "A4": a4, "A5": a5}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", [(), ("A1",), ("A2",), ("A5",), ("A1", "A2", "A5"), ("A1", "A2", "A3", "A4", "A5")])
def test_what_is_asked_for_holds_in_every_draw(asked, kind):
    @SOME
    @given(strategies.instances(*asked, **KINDS[kind]))
    def check(instance):
        for name in {*asked, "A4", *(["A1"] if "A2" in asked else [])}:
            assert CHECKS[name](instance), name

    check()


@pytest.mark.parametrize("name", ["A2", "A3", "A5"])
def test_what_is_not_asked_for_is_left_to_chance(name):
    """Some draw violates each assumption that is not built in, so that the strategies do not promise it by accident."""
    seen = []

    @settings(max_examples=50, deadline=None, derandomize=True)
    @given(strategies.instances("A1", delimiters=1, states=3))
    def collect(instance):
        seen.append(bool(CHECKS[name](instance)))

    collect()
    assert not all(seen)


@SOME
@given(strategies.hmms(states=st.integers(1, 4), tokens=st.integers(1, 4), positive=True))
def test_positive_hmms_have_no_zeros(hmm):
    assert min(hmm.initial.min(), hmm.transition.min(), hmm.emission.min()) > 0


@SOME
@given(st.data())
def test_prompt_laws_take_the_concept_and_the_length(data):
    mixture = data.draw(strategies.mixtures("A1", delimiters=2))
    prompt = data.draw(strategies.prompt_laws(mixture.concept(0), mixture.delimiter, length=st.integers(2, 4)))
    assert mixture.delimiter_states().size == 2
    assert 2 <= prompt.length <= 4
    assert np.array_equal(prompt.hmm.transition, mixture.transition[0])


@pytest.mark.parametrize(
    ("arguments", "shapes", "field"),
    [
        (("A6",), {}, "assumptions: 'A6'"),
        ((), dict(states=2, delimiters=2), "states: 2 states"),
        ((), dict(states=4, tokens=3), "tokens: 3"),
    ],
)
def test_bad_arguments_are_named(arguments, shapes, field):
    @given(strategies.instances(*arguments, **shapes))
    def never(instance):
        raise AssertionError(instance)

    with pytest.raises(ModelError, match=field):
        never()


def test_missing_hypothesis_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("hypothesis"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "implicit_bayes.theory.strategies")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"implicit-bayes\[test\]"):
        importlib.import_module("implicit_bayes.theory.strategies")
