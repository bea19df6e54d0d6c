"""The LSTM recurrence, with a backward pass that gathers the weight gradient into one product.

    i, f, g, o = x_t + (s_t h_{t-1}) W  (gates in this order; i, f, o through the logistic function, g through tanh)
    c_t = f c_{t-1} + i g,    h_t = o tanh(c_t)

Differentiating the loop as written adds an (H, 4H) outer product at each of T steps. Here the backward loop returns
only dz_t, the gradient of the gates before their nonlinearities, and dW = sum_t h_{t-1}^T dz_t is one product
over B T rows after it.

The scale s_t is 1 in the LSTM of Hochreiter & Schmidhuber. Where it depends on the input the hidden state is weighted
by what was just seen before it is mixed, as a filter weights its belief by the likelihood before the next transition.

Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000; the scale is the
diagonal case of the multiplicative LSTM of Krause et al. 2016.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

State = tuple[Float[Array, "B H"], Float[Array, "B H"]]
"""(h, c), the cell c in float32 whatever the gates' type is."""


@jax.custom_vjp
def recur(
    gates_TxBx4H: Float[Array, "T B G"],
    weight_Hx4H: Float[Array, "H G"],
    scale_TxBxH: Float[Array, "T B H"] | None = None,
) -> Float[Array, "T B H"]:
    """All hidden states of one layer, from the zero state.

    Args:
        gates_TxBx4H: what the inputs give to the gates, biases included.
        weight_Hx4H: what the hidden state gives to the gates.
        scale_TxBxH: s_t, what the input multiplies the hidden state by; None is 1 throughout.

    Returns:
        (T, B, H) hidden states, in the type of the gates.
    """

    def step(state: State, now: tuple[Array, Array | None]) -> tuple[State, Array]:
        state, _ = _cell(state, *now, weight_Hx4H)
        return state, state[0]

    return jax.lax.scan(step, _zero(gates_TxBx4H, weight_Hx4H), (gates_TxBx4H, scale_TxBxH))[1]


def _zero(gates_TxBx4H: Array, weight_Hx4H: Array) -> State:
    shape = (gates_TxBx4H.shape[1], weight_Hx4H.shape[0])
    return jnp.zeros(shape, gates_TxBx4H.dtype), jnp.zeros(shape, jnp.float32)


def _cell(state: State, x_Bx4H: Array, scale_BxH: Array | None, weight_Hx4H: Array) -> tuple[State, Array]:
    """The next state, and the four gates after their nonlinearities, (B, 4H) float32."""
    h_BxH, c_BxH = state
    if scale_BxH is not None:
        h_BxH = h_BxH * scale_BxH
    z_Bx4H = x_Bx4H + jnp.dot(h_BxH, weight_Hx4H, preferred_element_type=jnp.float32)
    i, f, g, o = jnp.split(z_Bx4H, 4, axis=-1)
    i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
    c_BxH = f * c_BxH + i * g
    h_BxH = (o * jnp.tanh(c_BxH)).astype(x_Bx4H.dtype)
    return (h_BxH, c_BxH), jnp.concatenate([i, f, g, o], axis=-1)


_Saved = tuple[Array, Array | None, Array, Array, Array]
"""Weight, scale, h, c, active gates."""


def _forward(gates_TxBx4H: Array, weight_Hx4H: Array, scale_TxBxH: Array | None = None) -> tuple[Array, _Saved]:
    def step(state: State, now: tuple[Array, Array | None]) -> tuple[State, tuple[Array, Array, Array]]:
        state, active_Bx4H = _cell(state, *now, weight_Hx4H)
        return state, (state[0], state[1], active_Bx4H.astype(now[0].dtype))

    begin, inputs = _zero(gates_TxBx4H, weight_Hx4H), (gates_TxBx4H, scale_TxBxH)
    _, (h_TxBxH, c_TxBxH, active_TxBx4H) = jax.lax.scan(step, begin, inputs)
    return h_TxBxH, (weight_Hx4H, scale_TxBxH, h_TxBxH, c_TxBxH, active_TxBx4H)


def _backward(saved: _Saved, dh_TxBxH: Array) -> tuple[Array, Array, Array | None]:
    weight_Hx4H, scale_TxBxH, h_TxBxH, c_TxBxH, active_TxBx4H = saved
    shifted = lambda x_TxBxH: jnp.concatenate([jnp.zeros_like(x_TxBxH[:1]), x_TxBxH[:-1]])  # noqa: E731
    weight_4HxH = weight_Hx4H.T

    def step(
        carry: tuple[Array, Array], now: tuple[Array, Array, Array, Array, Array | None]
    ) -> tuple[tuple[Array, Array], tuple[Array, Array | None]]:
        (dh_BxH, dc_BxH), (direct_BxH, active_Bx4H, c_BxH, before_BxH, scale_BxH) = carry, now
        i, f, g, o = jnp.split(active_Bx4H.astype(jnp.float32), 4, axis=-1)
        tanh_c = jnp.tanh(c_BxH)
        dh_BxH = dh_BxH + direct_BxH
        dc_BxH = dc_BxH + dh_BxH * o * (1 - tanh_c * tanh_c)
        dz = [dc_BxH * g * i * (1 - i), dc_BxH * before_BxH * f * (1 - f), dc_BxH * i * (1 - g * g)]
        dz_Bx4H = jnp.concatenate([*dz, dh_BxH * tanh_c * o * (1 - o)], axis=-1).astype(active_Bx4H.dtype)
        dh_BxH = jnp.dot(dz_Bx4H, weight_4HxH, preferred_element_type=jnp.float32)
        if scale_BxH is None:
            return (dh_BxH, dc_BxH * f), (dz_Bx4H, None)
        return (dh_BxH * scale_BxH, dc_BxH * f), (dz_Bx4H, dh_BxH)

    zero_BxH = jnp.zeros(c_TxBxH.shape[1:], jnp.float32)
    inputs = (dh_TxBxH, active_TxBx4H, c_TxBxH, shifted(c_TxBxH), scale_TxBxH)
    _, (dz_TxBx4H, du_TxBxH) = jax.lax.scan(step, (zero_BxH, zero_BxH), inputs, reverse=True)
    before_TxBxH = shifted(h_TxBxH)
    dscale_TxBxH = None
    if du_TxBxH is not None:
        assert scale_TxBxH is not None
        dscale_TxBxH = (du_TxBxH * before_TxBxH).astype(scale_TxBxH.dtype)
        before_TxBxH = before_TxBxH * scale_TxBxH
    before_NxH = before_TxBxH.reshape(-1, h_TxBxH.shape[-1])
    dz_Nx4H = dz_TxBx4H.reshape(-1, dz_TxBx4H.shape[-1])
    dw_Hx4H = jnp.dot(before_NxH.T, dz_Nx4H, preferred_element_type=jnp.float32)
    return dz_TxBx4H, dw_Hx4H.astype(weight_Hx4H.dtype), dscale_TxBxH


recur.defvjp(_forward, _backward)
