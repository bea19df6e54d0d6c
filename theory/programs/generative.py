"""The pretraining law as a generative program with its latents in sight, and their enumeration by funsor.

A second opinion on ``theory.filtering.filter`` that shares no code with it: NumPyro traces the program, funsor sums
out the concept and every hidden state. Slow and memory-hungry (C * H * H factors for every token): for small instances.
The enumeration needs funsor, which is the extra ``enumeration``; the program itself does not.
"""

import jax
import jax.numpy as jnp
import numpyro
from numpyro import distributions as dist
from numpyro.contrib.control_flow import scan
from numpyro.ops.indexing import Vindex

from implicit_bayes.theory.filtering.requests import check_tokens
from implicit_bayes.theory.filtering.scales import safe_log
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.precision import in_float64
from implicit_bayes.theory.objects.types import Array, Numbers


def generative_program(mixture: MixtureOfHMMs, length: int, tokens: Numbers | None = None) -> None:
    """A NumPyro program: draw the concept, run its chain, emit a token at every step.

    concept ~ prior;  h_1 ~ initial[concept];  h_{t+1} ~ transition[concept, h_t];  o_t ~ emission[concept, h_t]

    Sites: ``concept``; ``first_state`` and ``first_token`` (t = 1); ``state`` and ``token`` (t = 2..T, stacked by the
    scan). Run it under ``numpyro.handlers.seed`` to sample, or give ``tokens`` and enumerate the rest.

    Args:
        mixture: the pretraining law.
        length: T >= 0, tokens in the document.
        tokens: (T,) observed tokens, or None to leave them latent.
    """
    start, kernel = jnp.asarray(mixture.initial), jnp.asarray(mixture.transition)
    emission = jnp.asarray(mixture.emissions)
    concept = numpyro.sample("concept", _law(jnp.asarray(mixture.prior)))
    if length == 0:
        return
    observed = None if tokens is None else jnp.asarray(tokens)
    first_token, rest = (None, None) if observed is None else (observed[0], observed[1:])
    state = numpyro.sample("first_state", _law(Vindex(start)[concept]))
    numpyro.sample("first_token", _law(Vindex(emission)[concept, state]), obs=first_token)

    def step(previous: jax.Array, token: jax.Array | None) -> tuple[jax.Array, None]:
        state = numpyro.sample("state", _law(Vindex(kernel)[concept, previous]))
        numpyro.sample("token", _law(Vindex(emission)[concept, state]), obs=token)
        return state, None

    if length > 1:
        scan(step, state, rest, length=length - 1)


def enumerated_log_probability(mixture: MixtureOfHMMs, tokens: Numbers) -> Array:
    """log p(o_1..o_T) of one document by parallel enumeration of concept and hidden states, nats.

    Exact zeros are handled: an impossible document gives -inf, because the program's laws are written in logarithms
    (with -inf for 0) and funsor's log-sum-exp of nothing but -inf is -inf. Its *gradient* is nan wherever such a
    sum occurs, so differentiate ``theory.filtering.filter.log_probability`` instead.

    Args:
        mixture: the pretraining law.
        tokens: (T,) integer tokens of one document.

    Returns:
        () float64; enumeration in parallel over positions, O(T C H^2) work, a check of the filter rather than its
        rival.

    Raises:
        ModelError: more than one document, or tokens outside the vocabulary.
        ImportError: funsor is not installed.
    """
    try:
        import numpyro.contrib.funsor  # noqa: F401
    except ImportError as error:
        raise ImportError("enumeration needs funsor: pip install 'implicit-bayes[enumeration]'") from error
    tokens = check_tokens(tokens, mixture.n_tokens)
    if tokens.ndim != 1:
        raise ModelError(f"tokens: {tokens.ndim} axes where one document (T,) has 1")
    evidence: Array = _enumerate(mixture, tokens)
    return evidence


@in_float64
@jax.jit
def _enumerate(mixture: MixtureOfHMMs, tokens: Array) -> jax.Array:
    from numpyro.contrib.funsor import config_enumerate, enum, log_density

    program = enum(config_enumerate(generative_program))
    log_p, _ = log_density(program, (mixture, tokens.shape[0], jnp.asarray(tokens)), {}, {})
    return jnp.asarray(log_p)


def _law(probabilities: jax.Array) -> dist.Distribution:
    """A categorical law whose zeros stay zeros (NumPyro's validation calls a logit of -inf invalid: hence none)."""
    return dist.Categorical(logits=safe_log(probabilities), validate_args=False)
