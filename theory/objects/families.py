"""A continuous family of concepts: kernels that depend smoothly on theta in R^m, with a normal prior.

    p(h' | h, theta) = softmax_h'( base[h, h'] + sum_i theta_i directions[i, h, h'] )
    p(h | theta)     = softmax_h( start_base[h] + sum_i theta_i start_directions[i, h] )
    theta ~ Normal(mean, diag(scale^2))

The emission does not move, so delimiter states stay delimiter states and A1 holds for all theta or for none. A logit of
-inf is a transition that no theta allows. With a ``delimiter_share`` s the probability of a delimiter does not move
either: p(d | h, theta) = s / |D| for every h, and the softmax, over the other states, is scaled by 1 - s.

Source: the setting of Xie et al. 2022, Theorem 2 (a continuous Theta); the parametrisation is this project's own.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.objects.checks import ModelError, as_float64, check_shape, check_simplex, without_subnormals
from implicit_bayes.theory.objects.models import HMM, MixtureOfHMMs, as_token
from implicit_bayes.theory.objects.precision import in_float64
from implicit_bayes.theory.objects.types import Array, Emission_HxV, Float, Numbers


class ConceptFamily(eqx.Module):
    """theta in R^m -> HMM, and a prior on theta.

    Args:
        start_base: (H,) logits of the document start law at theta = 0.
        base: (H, H) logits of the kernel's rows at theta = 0.
        directions: (m, H, H) what one unit of theta_i adds to the kernel's logits.
        emission: (H, V) shared by all theta.
        delimiter: token index of the delimiter.
        mean, scale: (m,) of the normal prior; default 0 and 1.
        start_directions: (m, H) what theta_i adds to the start law's logits; default 0, a start law that stays.
        delimiter_share: s in (0, 1), or None for a softmax over all states.

    Raises:
        ModelError: shapes disagree, a logit is nan or +inf, a row has no finite logit, a direction is not finite, a
            scale is not positive, the emission is not a law, or the share is outside (0, 1).
    """

    start_base: Float[Array, "H"]
    base: Float[Array, "H H"]
    directions: Float[Array, "m H H"]
    start_directions: Float[Array, "m H"]
    emission: Emission_HxV
    mean: Float[Array, "m"]
    scale: Float[Array, "m"]
    delimiter: int = eqx.field(static=True)
    delimiter_share: float | None = eqx.field(static=True)

    def __init__(
        self,
        start_base: Numbers,
        base: Numbers,
        directions: Numbers,
        emission: Numbers,
        delimiter: int,
        mean: Numbers | None = None,
        scale: Numbers | None = None,
        start_directions: Numbers | None = None,
        delimiter_share: float | None = None,
    ):
        self.directions = as_float64("directions", directions)
        if self.directions.ndim != 3:
            raise ModelError(f"directions: {self.directions.ndim} axes where (m, H, H) has 3")
        m, states = self.directions.shape[:2]
        self.start_base, self.base = as_float64("start_base", start_base), as_float64("base", base)
        default = np.zeros((m, states))
        self.start_directions = as_float64(
            "start_directions", default if start_directions is None else start_directions
        )
        self.emission = as_float64("emission", emission)
        self.mean = as_float64("mean", np.zeros(m) if mean is None else mean)
        self.scale = as_float64("scale", np.ones(m) if scale is None else scale)
        self.delimiter = as_token("delimiter", delimiter)
        self.delimiter_share = delimiter_share
        self._check(m, states)

    def _check(self, m: int, states: int) -> None:
        because = f"directions of {m} parameters and {states} states"
        shapes = {
            "start_base": (states,),
            "base": (states, states),
            "directions": (m, states, states),
            "start_directions": (m, states),
            "mean": (m,),
            "scale": (m,),
        }
        for name, shape in shapes.items():
            check_shape(name, getattr(self, name), shape, because)
        check_shape("emission", self.emission[:, 0], (states,), because)
        check_simplex("emission", self.emission)
        for name in ("start_base", "base"):
            logits = getattr(self, name)
            if np.isnan(logits).any() or (logits == np.inf).any() or not np.isfinite(logits).any(-1).all():
                raise ModelError(f"{name}: logits must be finite or -inf, with at least one finite in each row")
        for name in ("directions", "start_directions", "mean", "scale"):
            if not np.isfinite(getattr(self, name)).all():
                raise ModelError(f"{name}: an entry is not finite")
        if not (self.scale > 0).all():
            raise ModelError(f"scale: {float(self.scale.min())} is not positive")
        if not 0 <= self.delimiter < self.n_tokens:
            raise ModelError(f"delimiter: token {self.delimiter} is outside the vocabulary 0..{self.n_tokens - 1}")
        if self.delimiter_share is not None and not 0.0 < self.delimiter_share < 1.0:
            raise ModelError(f"delimiter_share: {self.delimiter_share} is outside (0, 1)")

    @property
    def n_parameters(self) -> int:
        """m, the dimension of theta."""
        return self.directions.shape[0]

    @property
    def n_states(self) -> int:
        """H."""
        return self.base.shape[0]

    @property
    def n_tokens(self) -> int:
        """V."""
        return self.emission.shape[1]

    def laws(self, theta: Numbers) -> tuple[Array, Array]:
        """(..., H) start laws and (..., H, H) kernels at (..., m) parameters, differentiable in theta.

        Args:
            theta: (..., m) parameters; may be traced.

        Returns:
            (start laws, kernels), float64 unless theta is traced: then in the precision of the caller's transformation.
        """
        return _laws(self, theta)

    def hmm(self, theta: Numbers) -> HMM:
        """The concept theta (m,).

        Args:
            theta: (m,) parameters.

        Returns:
            HMM in float64.

        Raises:
            ModelError: a theta that is no array of m numbers.
        """
        initial, transition = self._computed(self._one(theta))
        return HMM(initial, transition, self.emission)

    def mixture(self, theta: Numbers) -> MixtureOfHMMs:
        """The pretraining law that knows theta (m,): one concept of prior one, as the filter takes it.

        Args:
            theta: (m,) parameters; may be traced.

        Returns:
            MixtureOfHMMs with C = 1.

        Raises:
            ModelError: a theta that is no array of m numbers.
        """
        initial, transition = self._computed(self._one(theta))
        return MixtureOfHMMs(np.ones(1), initial[None], transition[None], self.emission, self.delimiter)

    def discretise(self, points: Numbers) -> MixtureOfHMMs:
        """The finite family at (N, m) points, each weighted by the prior's density there (normalised).

        A weight below float64's range (a point 37 standard deviations from the best) is zero.

        On an even grid this is the quadrature of the continuous pretraining law, and its exact filter is the
        continuous family's up to the grid's error.

        Args:
            points: (N, m) parameters, an even grid where sums are to stand for integrals.

        Returns:
            MixtureOfHMMs with C = N, concepts in the order of the points.

        Raises:
            ModelError: points that are no numbers, or not of m columns.
        """
        grid = as_float64("points", points)
        check_shape("points", grid, (grid.shape[0], self.n_parameters), f"{self.n_parameters} parameters")
        log_weight = -0.5 * (((grid - self.mean) / self.scale) ** 2).sum(-1)
        weight = np.exp(log_weight - log_weight.max())
        initial, transition = self._computed(grid)
        prior = without_subnormals(weight / weight.sum())
        return MixtureOfHMMs(prior, initial, transition, self.emission, self.delimiter)

    def _computed(self, theta: Array) -> tuple[Array, Array]:
        """``laws``, entries below float64's range put to zero."""
        initial, transition = self.laws(theta)
        return without_subnormals(initial), without_subnormals(transition)

    def _one(self, theta: Numbers) -> Array:
        found: Array = as_float64("theta", theta)
        check_shape("theta", found, (self.n_parameters,), f"{self.n_parameters} parameters")
        return found


@in_float64
def _laws(family: ConceptFamily, theta: Numbers) -> tuple[jax.Array, jax.Array]:
    theta = jnp.asarray(theta)
    transition = jnp.asarray(family.base) + jnp.einsum("...i,ihg->...hg", theta, family.directions)
    initial = jnp.asarray(family.start_base) + jnp.einsum("...i,ih->...h", theta, family.start_directions)
    return jax.nn.softmax(initial, -1), _rows(family, transition)


def _rows(family: ConceptFamily, logits: jax.Array) -> jax.Array:
    share = family.delimiter_share
    if share is None:
        return jax.nn.softmax(logits, -1)
    delimiters = jnp.asarray(family.emission)[:, family.delimiter] > 0
    words = jax.nn.softmax(jnp.where(delimiters, -jnp.inf, logits), -1)
    return (1.0 - share) * words + share * delimiters / delimiters.sum()
