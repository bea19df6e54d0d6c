"""What both architectures are built of. Everything works on rows (N, d), N = batch times length: a product of two
matrices is about twice as fast on a CPU as the same product with a batch axis."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray


@jax.custom_vjp
def look_up(table_VxD: Float[Array, "V D"], tokens_N: Int[Array, " N"]) -> Float[Array, "N D"]:
    """Rows of an embedding table. The gradient is a product with the one-hot tokens: on a CPU a scatter-add is slower,
    and on an accelerator the order of its additions is not fixed.

    Args:
        table_VxD: the embeddings.
        tokens_N: rows wanted.

    Returns:
        (N, D) in the table's type.
    """
    return table_VxD[tokens_N]


def _look_up_forward(table_VxD: Array, tokens_N: Array) -> tuple[Array, tuple[Array, Array]]:
    return table_VxD[tokens_N], (table_VxD, tokens_N)


def _look_up_backward(saved: tuple[Array, Array], gradient_NxD: Array) -> tuple[Array, None]:
    table_VxD, tokens_N = saved
    one_hot_NxV = jax.nn.one_hot(tokens_N, table_VxD.shape[0], dtype=gradient_NxD.dtype)
    return jnp.dot(one_hot_NxV.T, gradient_NxD, preferred_element_type=jnp.float32).astype(table_VxD.dtype), None


look_up.defvjp(_look_up_forward, _look_up_backward)


class Dense(eqx.Module):
    """x W + b.

    Args:
        weight_IxO: (I, O).
        bias_O: (O,) or None.
    """

    weight_IxO: Float[Array, "I O"]
    bias_O: Float[Array, " O"] | None

    @staticmethod
    def drawn(key: PRNGKeyArray, inputs: int, outputs: int, deviation: float, bias: bool = True) -> "Dense":
        """Normal weights of this standard deviation, zero biases.

        Args:
            key: a JAX key.
            inputs, outputs: widths.
            deviation: of the weights.
            bias: whether there is one.

        Returns:
            A layer of float32 weights.
        """
        weight_IxO = deviation * jax.random.normal(key, (inputs, outputs), jnp.float32)
        return Dense(weight_IxO, jnp.zeros(outputs, jnp.float32) if bias else None)

    def __call__(self, x_NxI: Float[Array, "N I"]) -> Float[Array, "N O"]:
        y_NxO = x_NxI @ self.weight_IxO
        return y_NxO if self.bias_O is None else y_NxO + self.bias_O


class RMSNorm(eqx.Module):
    """x / sqrt(mean x² + 1e-6) * scale (Zhang & Sennrich 2019), the mean in float32.

    Attributes:
        scale_D: learned factor of each feature.
    """

    scale_D: Float[Array, " D"]

    def __call__(self, x_NxD: Float[Array, "N D"]) -> Float[Array, "N D"]:
        x = x_NxD.astype(jnp.float32)
        x = x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6)
        return (x * self.scale_D).astype(self.scale_D.dtype)


class LayerNorm(eqx.Module):
    """(x - mean) / sqrt(variance + 1e-5) * scale + shift (Ba, Kiros & Hinton 2016), the moments in float32.

    Attributes:
        scale_D: learned factor of each feature.
        shift_D: learned shift of each feature.
    """

    scale_D: Float[Array, " D"]
    shift_D: Float[Array, " D"]

    def __call__(self, x_NxD: Float[Array, "N D"]) -> Float[Array, "N D"]:
        x = x_NxD.astype(jnp.float32)
        x = x - jnp.mean(x, axis=-1, keepdims=True)
        x = x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-5)
        return (x * self.scale_D + self.shift_D).astype(self.scale_D.dtype)


def drop(x: Float[Array, "..."], rate: float, key: PRNGKeyArray | None) -> Float[Array, "..."]:
    """Inverted dropout; the identity where there is no key or the rate is 0.

    Args:
        x: activations.
        rate: share that is put to zero.
        key: a JAX key; None outside training.

    Returns:
        An array of the same shape and type; its mean over keys is x.
    """
    if key is None or rate == 0.0:
        return x
    return jnp.where(jax.random.bernoulli(key, 1.0 - rate, x.shape), x / (1.0 - rate), 0.0).astype(x.dtype)


def split(key: PRNGKeyArray | None, parts: int) -> list[PRNGKeyArray | None]:
    """``parts`` keys, or as many Nones where there is none.

    Args:
        key: a JAX key; None outside training.
        parts: how many.

    Returns:
        A list of that length.
    """
    return [None] * parts if key is None else list(jax.random.split(key, parts))
