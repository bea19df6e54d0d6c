"""The family that ``theory.proofs.search`` climbs in: two concepts, observed chains, one delimiter state.

H states, identity emission, the last state is the only delimiter state, two concepts (theta* first), a prompt
start law on the other states, examples of k tokens. The chain is then observed, so that every quantity is a sum over
transitions: with occ_1 = p_prompt, occ_{j+1} = occ_j P*,

    E log p(O | q, theta) = sum_h occ_1(h) log q(h) + sum_{j<k} sum_{h,h'} occ_j(h) P*(h,h') log P_theta(h,h')

with q the start law, and the rate has one more transition, from occ_k to the delimiter. Laws are softmaxes, so all
entries are positive and A1, A2, A4 and A5 hold throughout; what is left of the hypotheses are inequalities.

Source: this project's own; the margins are those of Xie et al. 2022, Theorem 1, and ``theory.statements.repaired``.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implicit_bayes.theory.filtering.filter import log_evidence
from implicit_bayes.theory.objects.checks import ModelError, without_subnormals
from implicit_bayes.theory.objects.models import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import PromptLaw
from implicit_bayes.theory.objects.types import Array
from implicit_bayes.theory.statements.lemma_1 import lemma_1
from implicit_bayes.theory.statements.repaired_constants import limit_bound, repaired_constants


class Logits(NamedTuple):
    """Free parameters of one instance; laws are their softmaxes along the last axis, theta* comes first.

    Attributes:
        initial: (2, H) of the document start laws.
        transition: (2, H, H) of the kernels.
        prompt: (H - 1,) of p_prompt(h), which gives the delimiter state no mass.
    """

    initial: Array
    transition: Array
    prompt: Array


class Margins(NamedTuple):
    """Left side minus right side of every inequality in play, nats except a3 (a probability).

    Attributes:
        rate: lim r_n(theta); positive means that the posterior concentrates on theta.
        printed: sum_j KL_j - eps_start - eps_delim, the printed Condition 1.
        repaired: sum_j KL_j - start_kl - log(c2/c1) - a_theta, the repaired condition.
        a3: min over x_test of Delta(x)/4, minus max_d TV(p_prompt(h), p(h|d,theta*)).
        kl_sum: sum_j KL_j(theta).
    """

    rate: Array | float
    printed: Array | float
    repaired: Array | float
    a3: Array | float
    kl_sum: Array | float


def random_logits(key: Array, statement: str, states: int) -> Logits:
    """A random instance. For ``printed`` all logits are independent normal. For ``repaired`` peaked rows with nearly
    common delimiter logits, and start laws near the law after a delimiter, so that many meet the repaired condition.

    Args:
        key: a JAX key.
        statement: "printed" or "repaired".
        states: H.

    Returns:
        Logits of both concepts and the prompt, in the precision that JAX is set to.
    """
    words, delimiter, restart, kernel, prompt, spread = jax.random.split(key, 6)
    if statement == "printed":
        return Logits(
            jax.random.normal(words, (2, states)),
            jax.random.normal(kernel, (2, states, states)),
            jax.random.normal(prompt, (states - 1,)),
        )
    scale = jnp.exp(jax.random.uniform(spread, (4,), minval=-2.0, maxval=1.0))
    transition = 2.0 * scale[0] * jax.random.normal(kernel, (2, states, states))
    transition = jax.nn.log_softmax(transition.at[..., -1].set(-jnp.inf), -1).at[..., -1].set(-1.0)
    noise = 0.2 * scale[1] * jax.random.normal(delimiter, (2, states))
    transition = transition.at[..., -1].add(noise)
    initial = transition[:, -1] + 0.5 * scale[2] * jax.random.normal(restart, (2, states))
    start = transition[0, -1, :-1] + scale[3] * jax.random.normal(prompt, (states - 1,))
    return Logits(initial, transition, start)


def margins_of(logits: Logits, length: int) -> Margins:
    """Every margin in closed form (module docstring), differentiable.

    Args:
        logits: of both concepts and the prompt's start law.
        length: k.

    Returns:
        Margins as scalar JAX arrays.
    """
    log_initial, log_kernel = jax.nn.log_softmax(logits.initial), jax.nn.log_softmax(logits.transition)
    log_prompt = jax.nn.log_softmax(logits.prompt)
    kernel_star, prompt = jnp.exp(log_kernel[0]), jnp.append(jnp.exp(log_prompt), 0.0)
    occupancy = [prompt]
    for _ in range(length - 1):
        occupancy.append(occupancy[-1] @ kernel_star)
    moves = jnp.stack(occupancy[:-1]).sum(0)[:, None] * kernel_star
    inner = (moves * (log_kernel[0] - log_kernel[1])).sum()
    start_kl = (prompt[:-1] * (log_prompt - log_initial[0, :-1])).sum()
    kl_sum = (prompt[:-1] * (log_prompt - log_initial[1, :-1])).sum() + inner
    ended = (occupancy[-1] * (log_kernel[1] - log_kernel[0])[:, -1]).sum()
    rate = (prompt * (log_kernel[1] - log_kernel[0])[-1]).sum() - inner + ended
    into = log_kernel[:, :, -1]
    log_ratio, log_d = into[1].max() - into[0].min(), log_initial[:, -1]
    printed = kl_sum + log_initial[0].min() - 2 * log_ratio - (log_d.max() - log_d.min())
    restart = log_kernel[:, -1] - log_initial
    repaired = kl_sum - start_kl - log_ratio - restart[1].max() + restart[0].min()
    top = jnp.sort(kernel_star, -1)
    reachable = top[:-1] if length == 2 else top
    a3 = (reachable[:, -1] - reachable[:, -2]).min() / 4 - 0.5 * jnp.abs(prompt - kernel_star[-1]).sum()
    return Margins(rate, printed, repaired, a3, kl_sum)


def instance_of(logits: Logits, length: int) -> tuple[MixtureOfHMMs, PromptLaw]:
    """The instance as model objects, float64, rows normalised by division (theta* is concept 0).

    Args:
        logits: of both concepts and the prompt's start law.
        length: k.

    Returns:
        (mixture of prior 1/2 and 1/2, prompt law of concept 0).
    """
    initial, transition, prompt = (_softmax(np.asarray(leaf, dtype=np.float64)) for leaf in logits)
    states = initial.shape[-1]
    mixture = MixtureOfHMMs([0.5, 0.5], initial, transition, np.eye(states), states - 1)
    return mixture, PromptLaw.of(mixture, np.append(prompt, 0.0), 0, length)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raw = np.exp(logits - logits.max(-1, keepdims=True))
    law: np.ndarray = without_subnormals(raw / raw.sum(-1, keepdims=True))
    return law


def margins_by_enumeration(mixture: MixtureOfHMMs, prompt: PromptLaw, true_concept: int, concept: int) -> Margins:
    """The margins by another road: a sum over all V^k examples of the exact filter's evidence.

    Args:
        mixture: A1 must hold, with a single delimiter state.
        prompt: p_prompt(h) and k; V^k examples are enumerated.
        true_concept, concept: theta*, theta.

    Returns:
        Margins as floats.

    Raises:
        ModelError: A1 fails or there are several delimiter states.
    """
    constants = repaired_constants(mixture, true_concept, concept)
    states = mixture.delimiter_states()
    if len(states) != 1:
        raise ModelError(f"delimiter: {len(states)} delimiter states; the closed-form rate needs 1")
    pair = [true_concept, concept]
    laws = [prompt.start, *mixture.initial[pair], *mixture.transition[pair][:, states[0]]]
    which = [true_concept, *pair, *pair]
    stack = MixtureOfHMMs(np.full(5, 0.2), laws, mixture.transition[which], mixture.emissions[which], mixture.delimiter)
    examples = np.array(list(itertools.product(range(mixture.n_tokens), repeat=prompt.length)))
    ended = np.append(examples, np.full((len(examples), 1), mixture.delimiter), 1)
    plain, delimited = np.asarray(log_evidence(stack, examples)), np.asarray(log_evidence(stack, ended))
    on = plain[:, 0] > -np.inf
    p = np.exp(plain[on, 0])
    start_kl, kl_sum = p @ (plain[on, :1] - plain[on, 1:3])
    rate = p @ (delimited[on, 4] - delimited[on, 3])
    delimiter_starts, initial = mixture.initial[:, states], mixture.initial[true_concept]
    others = [c for c in range(mixture.n_concepts) if c != true_concept]
    c2 = mixture.transition[others][:, :, states].max()
    spread = delimiter_starts.max() / delimiter_starts.min()
    threshold = -np.log(initial.min()) + 2 * np.log(c2 / constants.c1) + np.log(spread)
    x_test = np.unique(examples[on, :-1], axis=0)
    lemma = lemma_1(mixture, prompt.start, true_concept, x_test)
    a3 = lemma.margin.min() / 4 - lemma.tv_start
    repaired = -limit_bound(constants, float(start_kl), float(kl_sum))
    return Margins(float(rate), float(kl_sum - threshold), repaired, float(a3), float(kl_sum))
