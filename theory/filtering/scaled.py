"""Two scaled forward recursions behind one filter, dense and support-sparse. Pure JAX, no checks here.

Both return a ``Trace`` of the same shapes. ``theory.filtering.filter`` chooses between them and owns the contract.

They carry, for every document b and concept c, p(h_t, o_1..o_t | c) times a power of two. Scaling is lazy: every r
tokens the sum is brought into [1/2, 1) by another power of two, which is exact, and nothing but a product and a
look-up is spent on the tokens between; logarithms are taken in bulk, of what is recorded. If every positive entry is
at least m when it is rescaled, and every product of a kernel and an emission entry at least s, then every positive
entry stays above m s^r until the next time. r is chosen so that s^r leaves room for m, and m is watched. A sum of
exactly 0 makes the evidence -inf and the filter 0 from there on.
"""

import jax
import jax.numpy as jnp

from implicit_bayes.theory.filtering.forward import Asked, Recursion, Trace, run
from implicit_bayes.theory.filtering.support_tables import SupportTables
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.types import Array


def scaled_trace(mixture: MixtureOfHMMs, tables: SupportTables | None, tokens_TxB: Array, asked: Asked) -> Trace:
    """The support-sparse recursion where there are tables for it, else the dense one.

    Args:
        mixture: the pretraining law.
        tables: which states emit which token, and the kernel between each pair of those sets; or None.
        tokens_TxB: checked tokens, time first.
        asked: what is recorded, see ``forward.Asked``.

    Returns:
        Trace at the recorded prefix lengths, in nats.
    """
    if tables is None:
        return dense_trace(mixture, tokens_TxB, asked)
    return sparse_trace(mixture, tables, tokens_TxB, asked)


def dense_trace(mixture: MixtureOfHMMs, tokens_TxB: Array, asked: Asked) -> Trace:
    """The scaled forward recursion over all H states.

    Args:
        mixture: the mixture.
        tokens_TxB: int tokens, time first.
        asked: which prefix lengths are recorded, and whether predictives are mixed.

    Returns:
        Trace; O(C H^2) a token and document.
    """
    emission_CxVxH, transition = jnp.swapaxes(mixture.emissions, -1, -2), jnp.asarray(mixture.transition)
    initial, tokens = jnp.asarray(mixture.initial), jnp.asarray(tokens_TxB)

    def likelihood(token_B: jax.Array) -> jax.Array:
        return emission_CxVxH.at[:, token_B].get(mode="promise_in_bounds")

    def step(belief_CxBxH: jax.Array, _: jax.Array, token_B: jax.Array) -> jax.Array:
        return jnp.einsum("cbh,chg->cbg", belief_CxBxH, transition) * likelihood(token_B)

    heads = [jnp.broadcast_to(initial[:, None], (len(initial), tokens.shape[1], initial.shape[1]))]
    if len(tokens):
        heads.append(heads[0] * likelihood(tokens[0]))
    return run(mixture, Recursion(step, heads, lambda belief, _: belief), tokens, asked)


def sparse_trace(mixture: MixtureOfHMMs, tables: SupportTables, tokens_TxB: Array, asked: Asked) -> Trace:
    """The scaled forward recursion over only the states that can emit the token just seen; Args as ``dense_trace``.

    Args:
        mixture: the pretraining law.
        tables: which states emit which token, and the kernel between each pair of those sets.
        tokens_TxB: checked tokens, time first.
        asked: what is recorded, see ``forward.Asked``.

    Returns:
        Trace, equal to that of ``dense_trace`` up to rounding; O(C W^2) a token, W states at most emitting one token.
    """
    n_tokens, (concepts, states) = mixture.n_tokens, mixture.initial.shape
    batch, width = tokens_TxB.shape[1], tables.block_VVxCxWxW.shape[-1]
    block, dtype = jnp.asarray(tables.block_VVxCxWxW), jnp.result_type(mixture.transition)

    def step(belief_CxBxW: jax.Array, previous_B: jax.Array, token_B: jax.Array) -> jax.Array:
        between_BxCxWxW = block.at[previous_B * n_tokens + token_B].get(mode="promise_in_bounds")
        return (belief_CxBxW[..., None] * between_BxCxWxW.swapaxes(0, 1)).sum(-2)

    def spread(belief_CxBxW: jax.Array, last_B: jax.Array) -> jax.Array:
        state_BxW, whole = jnp.asarray(tables.state_VxW)[last_B], jnp.zeros((concepts, batch, states), dtype)
        place = (jnp.arange(concepts)[:, None, None], jnp.arange(batch)[:, None], state_BxW)
        return whole.at[place].add(belief_CxBxW)

    start = jnp.zeros((concepts, batch, width), dtype).at[..., 0].set(1.0)
    return run(mixture, Recursion(step, [start], spread), jnp.asarray(tokens_TxB), asked)
