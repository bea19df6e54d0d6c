"""The search rediscovers counterexamples to the printed theorem and finds none to the repaired one."""

import jax
import numpy as np
import pytest

from implicit_bayes.theory import ModelError
from implicit_bayes.theory.objects.precision import in_float64
from implicit_bayes.theory.proofs.certify import certify
from implicit_bayes.theory.proofs.observed_chains import (
    Logits,
    instance_of,
    margins_by_enumeration,
    margins_of,
    random_logits,
)
from implicit_bayes.theory.proofs.search import climb, search


@pytest.fixture(scope="module")
def printed():
    return search("printed", 64, jax.random.key(20))


def test_printed_counterexamples_from_nearly_every_start(printed):
    assert printed.found >= 60 and printed.starts == 64 and len(printed.instances) == printed.found
    assert printed.hypotheses_met <= printed.visited == 64 * 601


def test_each_is_a_counterexample_by_definitions_written_out(printed):
    """A2 and A5 by entries; A3, Condition 1 and the rate recomputed from the kernels (k = 2, identity emission)."""
    for found in printed.instances:
        (star, theta), (start, other), q = found.mixture.transition, found.mixture.initial, found.prompt.start
        assert min(star.min(), theta.min(), start.min(), other.min()) > 0 and np.array_equal(
            found.mixture.emission, np.eye(4)
        )
        joint = q[:3, None] * star[:3]
        kl_sum = (joint * np.log(joint / (other[:3, None] * theta[:3]))).sum()
        d = (start[3], other[3])
        threshold = -np.log(start.min()) + 2 * np.log(theta[:, 3].max() / star[:, 3].min()) + np.log(max(d) / min(d))
        assert kl_sum > threshold
        top = np.sort(star[:3], -1)
        assert 0.5 * np.abs(q - star[3]).sum() < (top[:, -1] - top[:, -2]).min() / 4
        under = [k[3, :3, None] * k[:3] * k[:, 3] for k in (theta, star)]
        rate = (joint * np.log(under[0] / under[1])).sum()
        assert rate > 0 and rate == pytest.approx(found.margins.rate, rel=1e-9)


def test_repaired_statement_survives_ten_thousand_independent_instances():
    """10,000 independent random starts that satisfy the hypotheses, and every neighbour that the ascents visit."""
    calls = []
    out = search("repaired", 22_528, jax.random.key(7), steps=8, progress=lambda *at: calls.append(at))
    assert out.found == 0 and not out.instances
    assert out.starts_met >= 10_000 and out.starts_met <= out.hypotheses_met <= out.visited == 22_528 * 9
    assert out.highest_rate < 0
    assert out.highest_sum <= 1e-9, "rate <= -(repaired margin) on every instance, hypotheses or not"
    assert calls[-1] == (22_528, 22_528) and len(calls) == 22


def test_repaired_statement_survives_long_ascents():
    out = search("repaired", 128, jax.random.key(8), steps=300)
    assert out == search("repaired", 128, jax.random.key(8), steps=300), "the same key, the same search"
    assert out.found == 0 and out.highest_sum <= 1e-9
    assert -0.05 < out.highest_rate < 0, "the ascent comes close to the boundary"


@pytest.mark.parametrize(("statement", "states", "length"), [("printed", 4, 2), ("repaired", 3, 3)])
def test_closed_forms_agree_with_enumeration(statement, states, length):
    draw = in_float64(jax.jit(lambda key: random_logits(key, statement, states)))
    closed = in_float64(jax.jit(lambda logits: margins_of(logits, length)))
    for seed in range(3):
        logits = Logits(*(np.asarray(x, np.float64) for x in draw(jax.random.key(seed))))
        np.testing.assert_allclose(
            closed(logits), margins_by_enumeration(*instance_of(logits, length), 0, 1), rtol=1e-9, atol=1e-11
        )


def test_a_found_instance_can_be_proved_after_rounding(printed):
    """Rounded to 7 decimals, each row made up to one, a found instance is still a counterexample, now proved."""
    found = max(printed.instances, key=lambda f: min(f.margins.rate, f.margins.printed, 20 * f.margins.a3))

    def short(rows):
        units = np.round(np.asarray(rows) * 1e7).astype(np.int64)
        units[..., 1] += 10**7 - units.sum(-1)
        return units / 1e7

    mixture = type(found.mixture)(
        [0.5, 0.5], short(found.mixture.initial), short(found.mixture.transition), np.eye(4), 3
    )
    prompt = type(found.prompt).of(mixture, short(found.prompt.start), 0, 2)
    proof = certify(mixture, prompt, 0, 1)
    assert all(proof.assumptions.values()) and proof.printed_holds is True and proof.rate.sign is True


def test_an_incomplete_batch_counts_only_its_own_starts():
    _, tally = climb(jax.random.key(0), "repaired", 128, 3, 4, 2, 300)
    assert len(tally.met) == 3


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (dict(statement="sharp"), "statement: 'sharp'"),
        (dict(starts=0), "starts: 0"),
        (dict(states=2), "states: 2"),
        (dict(length=1), "length: 1"),
    ],
)
def test_bad_arguments_are_named(arguments, field):
    options = dict(statement="printed", starts=4, key=jax.random.key(0)) | arguments
    with pytest.raises(ModelError, match=field):
        search(**options)
