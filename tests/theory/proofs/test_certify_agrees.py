"""Certificates and the float path agree on random rational instances."""

import numpy as np
import pytest

from implicit_bayes.theory import MixtureOfHMMs, PromptLaw
from implicit_bayes.theory.information.kl import kl_sum
from implicit_bayes.theory.information.rates import log_likelihood_rate
from implicit_bayes.theory.proofs.certify import certify
from implicit_bayes.theory.statements.condition_rows import VERSIONS
from implicit_bayes.theory.statements.exact_margins import exact_margin


def rational_case(seed):
    """Any zeros, any emission, one or two delimiter states or an impure one, priors of zero; eighths throughout."""
    rng = np.random.default_rng(seed)
    h, c = int(rng.integers(2, 4)), 2 + int(rng.random() < 0.3)
    free = int(rng.integers(1, h)) if rng.random() < 0.3 else h - 1  # the others emit the delimiter

    def laws(*shape, zeros=0.3):
        keep = rng.random(shape) >= zeros
        keep[..., 0] |= ~keep.any(-1)
        share = keep / keep.sum(-1, keepdims=True)
        return rng.multinomial(8, share.reshape(-1, shape[-1])).reshape(shape) / 8

    identity = rng.random() < 0.5
    emission = np.zeros((h, free + 1))
    emission[:free, :free] = np.eye(free) if identity else laws(free, free)
    emission[free:, free] = 1.0
    if rng.random() < 0.1:
        emission[free] = 1 / 2 * emission[free] + 1 / 2 * np.eye(free + 1)[0]
    prior = np.array([0.5, 0.5] if c == 2 else [0.5, 0.5, 0.0])
    zeros = rng.choice([0.0, 0.2, 0.5])
    mixture = MixtureOfHMMs(prior, laws(c, h, zeros=zeros), laws(c, h, h, zeros=zeros), emission, free)
    start = np.append(laws(free, zeros=zeros), np.zeros(h - free))
    return mixture, PromptLaw.of(mixture, start, 0, int(rng.integers(2, 4)))


def agree(seed):
    """certify against the float path: KL and its infinite mass, the rate and whether there is one, every verdict."""
    mixture, prompt = rational_case(seed)
    out, theta = certify(mixture, prompt, 0, 1), mixture.concept(1)
    assert isinstance(out.printed_holds, bool) and isinstance(out.repaired_holds, bool)  # ties are decided too
    for version in VERSIONS if out.assumptions["A1"] else ():
        sign = exact_margin(mixture, prompt, 0, 1, version)
        if sign is not None and (version != "sharp" or "forbids" not in out.rate_reason):
            assert getattr(out, f"{version}_holds") is (sign > 0)
    signal = kl_sum(prompt, theta)
    assert float(out.kl_sum) == pytest.approx(signal.value, rel=1e-9, abs=1e-12)
    assert float(out.kl_infinite_mass) == pytest.approx(signal.infinite_mass, abs=1e-12)
    if "several delimiter states" in out.rate_reason:
        assert out.rate is None and len(mixture.delimiter_states()) > 1
        return out
    rate = log_likelihood_rate(prompt, theta)
    assert (out.rate is None) == (rate.value is None) == out.rate_reason.startswith("no rate exists")
    if out.rate is not None and rate.value is not None:
        assert float(out.rate) == pytest.approx(rate.value, rel=1e-9, abs=1e-12)
    return out


def test_certificates_agree_with_the_float_path_on_random_rational_instances():
    """300 instances, and each kind of rate among them."""
    seen = [agree(seed).rate_reason.split(":")[0].split(" of ")[0] for seed in range(300)]
    assert set(seen) == {
        "closed form", "no rate exists", "theta forbids first examples", "theta forbids later examples",
        "of the prompts that survive", "several delimiter states", "theta forbids almost every long prompt",
    }  # fmt: skip


def test_a_start_law_that_forbids_what_follows_a_delimiter_makes_the_repaired_threshold_infinite():
    """Seed 313 of the ten thousand: p(h | d, theta) / p(h | theta) = (5/8) / 0, so no exact side of it is decided."""
    mixture, prompt = rational_case(313)
    assert mixture.initial[1].tolist() == [1.0, 0.0] and mixture.transition[1, 1, 1] == 0.625
    assert exact_margin(mixture, prompt, 0, 1, "repaired") is None
    out = agree(313)
    assert out.constants["r_theta"] is None and out.repaired_margin.midpoint == "-inf"


@pytest.mark.slow
def test_certificates_agree_with_the_float_path_ten_thousand_times():
    for seed in range(10_000):
        agree(seed)
