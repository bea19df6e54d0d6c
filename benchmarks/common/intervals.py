"""Intervals for shares, from scipy; one place."""

import numpy as np
from scipy.special import ndtri


def wilson(successes: np.ndarray, trials: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of a binomial share, elementwise; (0, 1) where there are no trials.

    centre +- half, with z the normal quantile: centre = (s + z^2/2) / (t + z^2),
    half = z sqrt(s (t - s) / t + z^2/4) / (t + z^2). Source: Wilson 1927, JASA 22.

    Args:
        successes: counts s.
        trials: counts t.
        level: nominal coverage.

    Returns:
        (low, high) in [0, 1].
    """
    s, t = np.asarray(successes, float), np.asarray(trials, float)
    z = float(ndtri(0.5 + level / 2))
    centre = (s + z * z / 2) / (t + z * z)
    spread = np.divide(s * (t - s), t, out=np.zeros_like(s), where=t > 0)
    half = z * np.sqrt(spread + z * z / 4) / (t + z * z)
    low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    return np.where(s == 0, 0.0, low), np.where(s == t, 1.0, high)
