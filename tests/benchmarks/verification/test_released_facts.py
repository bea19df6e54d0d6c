"""What exact Bayes says about the released GINC, V = 50: measured facts, measured again."""

import numpy as np
import pytest

from implicit_bayes.benchmarks.common.intervals import wilson
from implicit_bayes.benchmarks.predictors.curves import in_context_curves
from implicit_bayes.benchmarks.verification.losses import published_loss
from implicit_bayes.simulators.instances import load_instance


@pytest.fixture(scope="module")
def ginc():
    return load_instance("ginc")


def test_bayes_cross_entropy_of_the_published_validation_documents(ginc):
    loss = published_loss(ginc)
    assert loss.cross_entropy == pytest.approx(1.3224, abs=5e-5)
    assert (loss.documents, loss.length, loss.recovered) == (100, 1024, 100)


def test_more_than_half_of_every_kernel_is_exactly_zero(ginc):
    shares = (np.asarray(ginc.mixture.transition) == 0).mean((1, 2))
    assert 0.535 < shares.min() < shares.max() < 0.585


def test_most_few_shot_prompts_have_no_posterior(ginc):
    """Stated ranges over k (6-20% at n = 1, 70-91% at n = 8, over 97% at n = 64, rounded to a percent) against
    200 prompts at the ends k = 3 and 10. A cell fails if its interval of level 1 - 1e-6 misses the range widened by
    one percent; six cells, false-alarm rate below 1e-5."""
    table = in_context_curves(ginc, [3, 10], [0, 1, 8, 64], prompts=200, seed=11)
    exact = table.sel(predictor="exact")
    assert not exact.undefined.sel(n=0).any()
    for n, least, most in ((1, 0.05, 0.21), (8, 0.68, 0.92), (64, 0.97, 1.0)):
        low, high = wilson(exact.undefined.sel(n=n).values, exact.prompts.sel(n=n).values, 1 - 1e-6)
        assert (low <= most).all()
        assert (high >= least).all()
    assert (exact.undefined_share.sel(n=64).values > 0.9).all()
    aware = table.sel(predictor="prompt-aware")
    assert not aware.undefined.any()
    assert float(aware.accuracy.sel(k=10, n=64)) > 0.95
