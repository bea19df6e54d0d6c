"""Instances derived from a named one, by a specification that is a plain string and so can be hashed and stored.

    NAME                            load_instance(NAME), or one of the bases below; parameters of NAME first
    NAME:VARIANT[=VALUE][:...]      variants applied from left to right

single-concept          documents of concept 0 only; prompts of every concept
random-tokens           documents of independent uniform states; prompts of every concept
unseen-concepts         documents of GINC's five concepts; prompts of the five that follow them in the released stream
interpolated=LAMBDA     kernels (1 - LAMBDA) mean + LAMBDA own: at 0 all concepts are one
prompt-shift=W          prompt start laws (1 - W) p(h | d, theta) + W far, far the state least likely after a delimiter
property-shift=W        prompt start laws (1 - W) p(h | d, theta) + W of what they were
twin                    one more state, with the token of the state that follows a delimiter most often
delimiter=Q             p(d | h, theta_0) = Q for every h, the other concepts as they were; concept 0 is the true one
smoothed=EPSILON        kernels mixed with EPSILON of the uniform law
switching=Q             one concept: documents whose concept is drawn anew with probability Q a token

Where prompts come from a concept that documents do not, the mixture has that concept with prior exactly 0.

Source: Xie et al. 2022, sections 4.2 and 4.3 for the ablations; the dials are this project's.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from implicit_bayes.simulators import chains, ginc, ginc_family
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.switching import switching_mixture
from implicit_bayes.simulators.variant_bases import BASES
from implicit_bayes.simulators.zoo import ZOO, share
from implicit_bayes.theory.objects.checks import ModelError, without_subnormals
from implicit_bayes.theory.objects.models import MixtureOfHMMs


def load_variant(spec: str) -> Instance:
    """The instance that a specification names.

    Args:
        spec: see the head of this file.

    Returns:
        Instance, called ``spec``.

    Raises:
        ModelError: an unknown base or variant, or a value outside its range.
    """
    base, *steps = spec.split(":")
    if steps and steps[0].partition("=")[0] in parameters_of(base):
        base = f"{base}:{steps.pop(0)}"
    instance = BASES[base]() if base in BASES else load_instance(base)
    for step in steps:
        name, _, word = step.partition("=")
        if name not in VARIANTS:
            raise ModelError(f"instance: {name!r} in {spec!r} is no variant; choose {', '.join(VARIANTS)}")
        make, takes_value = VARIANTS[name]
        if bool(word) is not takes_value:
            raise ModelError(f"instance: {step!r} in {spec!r}: {name} takes {'a value' if takes_value else 'no value'}")
        instance = make(instance, share(spec, word)) if takes_value else make(instance)
    return instance.changed(name=spec, released_vocabulary=instance.released_vocabulary if spec == base else None)


def parameters_of(base: str) -> tuple[str, ...]:
    """Names of the parameters that a base takes in its own name.

    Returns:
        Names, none for a base that takes no parameters.
    """
    if base in ZOO:
        return tuple(ZOO[base].defaults)
    families = {chains.NAME: chains.Chains._fields, ginc_family.NAME: ginc_family.GincFamily._fields}
    return families.get(base, ())


def _changed(instance: Instance, words: str, **fields: Any) -> Instance:  # of the kind that each field has
    return instance.changed(description=f"{instance.description}; {words}", released_vocabulary=None, **fields)


def _weighed(instance: Instance, prior: np.ndarray, words: str) -> Instance:
    """Documents by another prior; prompts of the concepts they were of."""
    mixture = eqx.tree_at(lambda m: m.prior, instance.mixture, np.asarray(prior, np.float64))
    return _changed(instance, words, mixture=mixture)


def single_concept(instance: Instance) -> Instance:
    """Documents of concept 0 only; prompts as they were.

    Returns:
        Instance whose prior is 1 on concept 0 and 0 on the others.
    """
    return _weighed(instance, np.eye(instance.mixture.n_concepts)[0], "documents of concept 0 only")


def random_tokens(instance: Instance) -> Instance:
    """One more concept, first in the list and with all of the prior: uniform start law, uniform kernel.

    Returns:
        Instance with C + 1 concepts; true concepts and prompts are those it had, of prior 0 now.
    """
    uniform = np.full((1, instance.mixture.n_states), 1.0 / instance.mixture.n_states)
    kernel = np.repeat(uniform[:, None], instance.mixture.n_states, axis=1)
    old, emission = instance.mixture, instance.mixture.emission
    emissions = emission if emission.ndim == 2 else np.concatenate([emission[:1], emission])
    prior = np.eye(old.n_concepts + 1)[0]
    mixture = MixtureOfHMMs(
        prior, np.concatenate([uniform, old.initial]), np.concatenate([kernel, old.transition]), emissions,
        old.delimiter,
    )  # fmt: skip
    starts = np.concatenate([np.asarray(instance.prompt_starts)[:1], instance.prompt_starts])
    true = tuple(c + 1 for c in instance.true_concepts)
    words = "documents of independent uniform states"
    return _changed(instance, words, mixture=mixture, prompt_starts=starts, true_concepts=true)


def unseen_concepts(instance: Instance) -> Instance:
    """The five concepts that follow the pretraining ones in the released stream, as true concepts of prior 0.

    Returns:
        Instance with ten concepts, documents as before.

    Raises:
        ModelError: not a released instance.
    """
    if instance.released_vocabulary is None:
        raise ModelError(f"instance: unseen-concepts is for ginc, ginc-100 and ginc-150, not {instance.name}")
    release = ginc.released_ginc(instance.released_vocabulary)
    seen, unseen = release.pretraining, release.unseen
    initial = np.concatenate([seen.initial, unseen.initial])
    transition = np.concatenate([seen.transition, unseen.transition])
    prior = np.concatenate([seen.prior, np.zeros(unseen.n_concepts)])
    mixture = MixtureOfHMMs(prior, initial, transition, seen.emission, seen.delimiter)
    starts = np.tile(np.asarray(instance.prompt_starts)[:1], (mixture.n_concepts, 1, 1))
    true = tuple(range(seen.n_concepts, mixture.n_concepts))
    words = "prompts of five concepts that documents never have"
    return _changed(instance, words, mixture=mixture, prompt_starts=starts, true_concepts=true)


def interpolated(instance: Instance, share: float) -> Instance:
    """Kernels and start laws drawn together: (1 - share) of their mean over concepts and share of each one's own.

    Args:
        instance: any.
        share: in [0, 1]; 1 is the instance itself.

    Returns:
        Instance with C concepts; at share 0 they have one kernel and one start law.
    """
    drawn = {}
    for name in ("initial", "transition"):
        own = np.asarray(getattr(instance.mixture, name))
        drawn[name] = without_subnormals((1.0 - share) * own.mean(0) + share * own)
    mixture = eqx.tree_at(lambda m: (m.initial, m.transition), instance.mixture, tuple(drawn.values()))
    return _changed(instance, f"kernels {share:g} of the way from their mean", mixture=mixture)


TWIN_SHARE = 1.0 / 12.0


def twin(instance: Instance) -> Instance:
    """One more state, which emits what the state b that follows a delimiter most often emits.

    It takes 1/12 of all that goes to b, and itself goes on to b where b goes on to its own favourite, in every
    concept. So the token of b leaves open which of the two it came from, and what comes next depends on the start
    law: A3 has work to do, which it has not where emission is the identity.

    Returns:
        Instance with H + 1 states, the twin last.

    Raises:
        ModelError: emission differs between concepts.
    """
    old = instance.mixture
    if np.asarray(old.emission).ndim != 2:
        raise ModelError("instance: twin is for one emission shared by all concepts")
    first = int(after_delimiter(old).mean(0).argmax())
    transition = _split(np.asarray(old.transition), first)
    row_CxH = transition[:, first].copy()
    words = np.where(np.isin(np.arange(row_CxH.shape[1]), old.delimiter_states()), -np.inf, row_CxH)
    each, best = np.arange(old.n_concepts), words.argmax(-1)
    row_CxH[each, best], row_CxH[each, first] = row_CxH[each, first], row_CxH[each, best]
    transition = np.concatenate([transition, row_CxH[:, None]], 1)
    emission = np.concatenate([old.emission, old.emission[first : first + 1]])
    mixture = MixtureOfHMMs(old.prior, _split(np.asarray(old.initial), first), transition, emission, old.delimiter)
    starts = _split(np.asarray(instance.prompt_starts), first)
    return _changed(instance, f"state {first} has a twin", mixture=mixture, prompt_starts=starts)


def _split(laws: np.ndarray, state: int) -> np.ndarray:
    """(..., H + 1) laws whose mass on a state is shared with a new last one."""
    wider = np.concatenate([laws, TWIN_SHARE * laws[..., state : state + 1]], -1)
    wider[..., state] *= 1.0 - TWIN_SHARE
    kernel: np.ndarray = without_subnormals(wider)
    return kernel


def after_delimiter(mixture: MixtureOfHMMs) -> np.ndarray:
    """(C, H) p(h | d, theta), averaged over the delimiter states d.

    Returns:
        float64; rows sum to 1.
    """
    start: np.ndarray = np.asarray(mixture.transition)[:, mixture.delimiter_states()].mean(1)
    return start


def prompt_shift(instance: Instance, share: float) -> Instance:
    """Prompt start laws moved away from what follows a delimiter, towards the state that follows it least often.

    Args:
        instance: any.
        share: in [0, 1] of the way; 0 is p(h | d, theta).

    Returns:
        Instance with one prompt start law for each concept.
    """
    after_CxH = after_delimiter(instance.mixture)
    rare = np.where(np.isin(np.arange(after_CxH.shape[1]), instance.mixture.delimiter_states()), np.inf, after_CxH)
    far_CxH = np.eye(after_CxH.shape[1])[rare.argmin(-1)]
    starts = without_subnormals((1.0 - share) * after_CxH + share * far_CxH)[:, None]
    return _changed(instance, f"prompts start {share:g} away from p(h|d)", prompt_starts=starts)


def property_shift(instance: Instance, share: float) -> Instance:
    """Prompt start laws (1 - share) p(h | d, theta) + share of the instance's own.

    Args:
        instance: any.
        share: in [0, 1]; 1 is the instance itself.

    Returns:
        Instance with as many prompt start laws as it had.
    """
    after = after_delimiter(instance.mixture)[:, None]
    starts = without_subnormals((1.0 - share) * after + share * np.asarray(instance.prompt_starts))
    return _changed(instance, f"prompt start laws {share:g} of the way from p(h|d)", prompt_starts=starts)


def delimiter_probability(instance: Instance, probability: float) -> Instance:
    """Concept 0 goes on to a delimiter state with this probability from every state; it is the true concept.

    The rest of each row, and the split between several delimiter states, keep their proportions. The other concepts
    stay as they are, so the ratio c2 / c1 of A2 is what changes.

    Args:
        instance: any.
        probability: in (0, 1).

    Returns:
        Instance with concept 0 changed and as the only true concept.

    Raises:
        ModelError: not strictly between 0 and 1, or a row with no mass to scale.
    """
    if not 0.0 < probability < 1.0:
        raise ModelError(f"instance: delimiter={probability} is not strictly between 0 and 1")
    states = instance.mixture.delimiter_states()
    transition = np.array(instance.mixture.transition)
    rows = transition[0]
    now = rows[:, states].sum(-1, keepdims=True)
    if (now <= 0).any() or (now >= 1).any():
        raise ModelError("instance: delimiter= needs rows that put some of their mass, not all, on delimiters")
    scaled = rows * (1.0 - probability) / (1.0 - now)
    scaled[:, states] = rows[:, states] * probability / now
    transition[0] = without_subnormals(scaled / scaled.sum(-1, keepdims=True))
    mixture = eqx.tree_at(lambda m: m.transition, instance.mixture, transition)
    words = f"theta* = concept 0, which writes a delimiter with probability {probability:g}"
    return _changed(instance, words, mixture=mixture, true_concepts=(0,))


def smoothed(instance: Instance, epsilon: float) -> Instance:
    """Kernels mixed with epsilon of the uniform law (documents too).

    Args:
        instance: any.
        epsilon: in [0, 1].

    Returns:
        Instance in which every transition has probability at least epsilon / H.
    """
    return _changed(instance, f"kernels smoothed by {epsilon:g}", mixture=instance.mixture.smooth(epsilon))


def switching(instance: Instance, probability: float) -> Instance:
    """Documents whose concept changes, as one concept on (concept, state) pairs; prompts start as they did, from a
    concept of the prior.

    Args:
        instance: any.
        probability: that the concept is drawn anew at a token.

    Returns:
        Instance with one concept of C H states.
    """
    old = instance.mixture
    mixture = switching_mixture(old, probability)
    weighed = np.asarray(old.prior)[:, None, None] * np.asarray(instance.prompt_starts)
    starts = np.moveaxis(weighed, 1, 0).reshape(1, weighed.shape[1], -1)
    words = f"the concept drawn anew with probability {probability:g} a token"
    return _changed(instance, words, mixture=mixture, prompt_starts=without_subnormals(starts), true_concepts=(0,))


VARIANTS: dict[str, tuple[Callable[..., Instance], bool]] = {
    "single-concept": (single_concept, False),
    "random-tokens": (random_tokens, False),
    "unseen-concepts": (unseen_concepts, False),
    "twin": (twin, False),
    "interpolated": (interpolated, True),
    "prompt-shift": (prompt_shift, True),
    "property-shift": (property_shift, True),
    "delimiter": (delimiter_probability, True),
    "smoothed": (smoothed, True),
    "switching": (switching, True),
}
"""Every variant, and whether it takes a value."""
