"""The pretraining law as a NumPyro distribution over documents of a fixed length."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution, constraints

from implicit_bayes.theory.filtering.filter import log_probability
from implicit_bayes.theory.filtering.scales import safe_log
from implicit_bayes.theory.objects.checks import ModelError, as_float64
from implicit_bayes.theory.objects.models import MixtureOfHMMs, as_token
from implicit_bayes.theory.objects.precision import in_float64, is_traced
from implicit_bayes.theory.objects.types import Array, Numbers

EVENT_AXES = {"prior": 1, "initial": 2, "transition": 3, "emission": 3}
"""How many trailing axes of each array describe one mixture; whatever stands before them is batch."""


class MixtureArrays(NamedTuple):
    """The arrays of one mixture, or of many along leading batch axes.

    Attributes:
        prior: (..., C) p(theta).
        initial: (..., C, H) p(h | theta).
        transition: (..., C, H, H) p(h' | h, theta).
        emission: (..., C, H, V); (..., 1, H, V) when the concepts of a mixture share it; (H, V) when all share it.
    """

    prior: Array
    initial: Array
    transition: Array
    emission: Array


class MixtureOfHMMsDistribution(Distribution):  # type: ignore[misc]  # numpyro has no types
    """Documents o_1..o_T of the pretraining law, hidden states and concept summed out exactly.

    log_prob(o_1..o_T) = log sum_c prior[c] p(o_1..o_T | theta_c)

    The batch shape is the arrays' leading axes, the event shape (T,).

    ``log_prob`` is ``theory.filtering.filter.log_probability``: -inf where the document is impossible or leaves the
    vocabulary,
    float64 for concrete arrays whatever ``jax_enable_x64`` says, the caller's precision inside jit, grad and vmap.
    Differentiable in the four arrays (so they may be latent sites themselves). ``sample`` never draws a token, state or
    concept of probability zero. A pytree: pass it through jit, map over it with vmap, ``expand`` it, put it in a plate.

    Args:
        mixture_or_arrays: a ``MixtureOfHMMs``, or arrays (prior, initial, transition, emission) in that order, with
            leading batch axes where wanted; see ``MixtureArrays``.
        length: T, tokens in a document (0 is allowed: the empty document has probability one).
        validate_args: as in every NumPyro distribution: also check the simplexes, and warn of tokens outside
            the vocabulary.

    Raises:
        ModelError: shapes disagree or the length is negative.
        ValueError: under ``validate_args``, a row is not a probability law.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "prior": constraints.simplex,
        "initial": constraints.independent(constraints.simplex, 1),
        "transition": constraints.independent(constraints.simplex, 2),
        "emission": constraints.independent(constraints.simplex, 2),
    }
    pytree_data_fields = tuple(EVENT_AXES)

    def __init__(
        self,
        mixture_or_arrays: MixtureOfHMMs | Sequence[Numbers],
        length: Numbers,
        *,
        validate_args: bool | None = None,
    ):
        if isinstance(mixture_or_arrays, MixtureOfHMMs):
            mixture = mixture_or_arrays
            mixture_or_arrays = (mixture.prior, mixture.initial, mixture.transition, mixture.emission)
        if len(mixture_or_arrays) != len(EVENT_AXES):
            raise ModelError(f"mixture: {len(mixture_or_arrays)} arrays where {', '.join(EVENT_AXES)} are 4")
        steps = as_token("length", length)
        if steps < 0:
            raise ModelError(f"length: {steps} is negative")
        arrays, batch_shape = _promote(MixtureArrays(*mixture_or_arrays))
        self.prior, self.initial, self.transition, self.emission = arrays
        super().__init__(batch_shape, (steps,), validate_args=validate_args)

    @property
    def n_tokens(self) -> int:
        """V, the size of the vocabulary."""
        return int(self.emission.shape[-1])

    @property
    def arrays(self) -> MixtureArrays:
        """The four arrays, all with the batch axes in front."""
        return MixtureArrays(self.prior, self.initial, self.transition, self.emission)

    @property
    def support(self) -> constraints.Constraint:
        """Documents: T independent integers of the vocabulary 0..V-1 (some of them may have probability zero)."""
        return constraints.independent(constraints.integer_interval(0, self.n_tokens - 1), 1)

    def log_prob(self, value: Numbers, intermediates: object = None) -> Array:
        """(...,) log p of documents (..., T), nats: -inf where impossible or outside the vocabulary.

        Args:
            value: documents.
            intermediates: NumPyro's, not used.

        Returns:
            One number for each document, float64 if nothing is traced.

        Raises:
            ModelError: documents of another length.
        """
        value = value if isinstance(value, jax.core.Tracer) else np.asarray(value)
        if value.shape[-1:] != self.event_shape:
            raise ModelError(f"value: shape {value.shape} where documents of {self.event_shape[0]} tokens are asked")
        if self._validate_args:
            self._validate_sample(value)
        inside = ((value >= 0) & (value < self.n_tokens)).all(-1)
        value = value.clip(0, self.n_tokens - 1).astype(np.int32)
        if self.batch_shape or is_traced((self.arrays, value)):
            log_p: Array = _weigh_documents(self.arrays, value, inside)
            return log_p
        return _forbid(log_probability(_mixture(self.arrays), value), inside)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        """sample_shape + batch_shape + (T,) tokens, each document from its own split of the key.

        Args:
            key: a JAX key.
            sample_shape: of the draws.

        Returns:
            Integer tokens.
        """
        return jnp.asarray(_draw_documents(self.arrays, key, sample_shape, self.event_shape[0]))

    @classmethod
    def tree_unflatten(cls, aux_data: object, params: object) -> "MixtureOfHMMsDistribution":
        """Rebuilt from leaves; vmap may have added or taken batch axes, so the batch shape is read off the leaves.

        Args:
            aux_data: what is static.
            params: the leaves.

        Returns:
            The distribution whose leaves these are.
        """
        out: MixtureOfHMMsDistribution = super().tree_unflatten(aux_data, params)
        shape = getattr(out.prior, "shape", None)
        if isinstance(shape, tuple) and len(shape) >= EVENT_AXES["prior"]:
            out._batch_shape = shape[: -EVENT_AXES["prior"]]
        return out


def as_distribution(
    mixture: MixtureOfHMMs, length: Numbers, *, validate_args: bool | None = None
) -> MixtureOfHMMsDistribution:
    """Documents of a mixture, as a NumPyro distribution.

    Args:
        mixture: the pretraining law.
        length: tokens in a document.
        validate_args: as for every NumPyro distribution.

    Returns:
        A NumPyro distribution with event shape (T,): ``log_prob`` is the exact evidence, ``sample`` draws documents.
    """
    return MixtureOfHMMsDistribution(mixture, length, validate_args=validate_args)


def _promote(arrays: MixtureArrays) -> tuple[MixtureArrays, tuple[int, ...]]:
    """Check the shapes against each other and give all four the same leading axes."""
    arrays = MixtureArrays(*(as_float64(name, x) for name, x in arrays._asdict().items()))
    if arrays.emission.ndim == 2:
        arrays = arrays._replace(emission=arrays.emission[None])
    for name, axes in EVENT_AXES.items():
        if getattr(arrays, name).ndim < axes:
            raise ModelError(f"{name}: {getattr(arrays, name).ndim} axes where one mixture has {axes}")
    concepts, states = arrays.initial.shape[-2:]
    wanted: dict[str, list[tuple[int, ...]]] = {
        "prior": [(concepts,)],
        "transition": [(concepts, states, states)],
        "emission": [(shared, states, arrays.emission.shape[-1]) for shared in (concepts, 1)],
    }
    for name, shapes in wanted.items():
        found = tuple(getattr(arrays, name).shape[-EVENT_AXES[name] :])
        if found not in shapes:
            raise ModelError(f"{name}: shape {found} where initial of {concepts} x {states} asks for {shapes[0]}")
    leading = {name: tuple(x.shape[: -EVENT_AXES[name]]) for name, x in zip(EVENT_AXES, arrays, strict=True)}
    try:
        batch_shape = np.broadcast_shapes(*leading.values())
    except ValueError as error:
        raise ModelError(f"mixture: batch axes {leading} do not broadcast") from error
    return MixtureArrays(
        *(_lead(x, batch_shape, EVENT_AXES[name]) for name, x in arrays._asdict().items())
    ), batch_shape


def _lead(array: Array, batch_shape: tuple[int, ...], axes: int) -> Array:
    """Broadcast the leading axes of an array, its last ``axes`` untouched."""
    shape = (*batch_shape, *array.shape[-axes:])
    if array.shape == shape:
        return array
    return jnp.broadcast_to(array, shape) if isinstance(array, jax.Array) else np.broadcast_to(array, shape)


_SKELETON = jax.tree.structure(MixtureOfHMMs([1.0], [[1.0]], [[[1.0]]], [[1.0]], delimiter=0))


def _mixture(arrays: MixtureArrays) -> MixtureOfHMMs:
    """One mixture from arrays taken on trust: float32 rows do not sum to one within the constructor's 1e-9, and the
    delimiter plays no part here."""
    emission = arrays.emission[0] if arrays.emission.shape[-3] == 1 else arrays.emission
    mixture: MixtureOfHMMs = jax.tree.unflatten(_SKELETON, arrays._replace(emission=emission))
    return mixture


@in_float64
def _forbid(log_p: Array, inside: Array | np.bool_) -> jax.Array:
    return jnp.where(inside, log_p, -jnp.inf)


@in_float64
@jax.jit
def _weigh_documents(arrays: MixtureArrays, value: Array, inside: Array | np.bool_) -> jax.Array:
    batch_shape = arrays.prior.shape[:-1]
    shape = jnp.broadcast_shapes(value.shape[:-1], batch_shape)
    if not batch_shape:
        log_p = log_probability(_mixture(arrays), value)
    else:
        outer = shape[: len(shape) - len(batch_shape)]
        whole = jnp.broadcast_to(value, (*shape, value.shape[-1]))
        members = [x.reshape(-1, *x.shape[len(batch_shape) :]) for x in arrays]
        count = members[0].shape[0]
        documents = jnp.moveaxis(whole.reshape(*outer, count, value.shape[-1]), -2, 0)
        log_p = jax.vmap(lambda one, o: log_probability(_mixture(one), o))(MixtureArrays(*members), documents)
        log_p = jnp.moveaxis(log_p, 0, -1).reshape(shape)
    return _forbid(log_p, inside)


@in_float64
@partial(jax.jit, static_argnums=(2, 3))
def _draw_documents(arrays: MixtureArrays, key: jax.Array, sample_shape: tuple[int, ...], length: int) -> jax.Array:
    batch_shape = arrays.prior.shape[:-1]
    members = MixtureArrays(*(x.reshape(-1, *x.shape[len(batch_shape) :]) for x in arrays))
    logs = MixtureArrays(*(safe_log(x) for x in members))
    repeats, count = int(np.prod(sample_shape, dtype=int)), members.prior.shape[0]
    keys = jax.random.split(key, (repeats, count))
    each_member = jax.vmap(partial(_draw_document, length=length))
    drawn = jax.vmap(each_member, in_axes=(None, 0))(logs, keys)
    return drawn.reshape(*sample_shape, *batch_shape, length)


def _draw_document(logs: MixtureArrays, key: jax.Array, length: int) -> jax.Array:
    """One document from log-probabilities; Gumbel maxima, so an entry of -inf never wins."""
    key_concept, key_start, key_rest = jax.random.split(key, 3)
    concept = jax.random.categorical(key_concept, logs.prior)
    emission = logs.emission[0] if logs.emission.shape[0] == 1 else logs.emission[concept]

    def step(state: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        key_token, key_state = jax.random.split(key)
        token = jax.random.categorical(key_token, emission[state])
        return jax.random.categorical(key_state, logs.transition[concept, state]), token

    first = jax.random.categorical(key_start, logs.initial[concept])
    _, tokens = jax.lax.scan(step, first, jax.random.split(key_rest, length))
    return tokens
