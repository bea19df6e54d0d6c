"""GINC, the paper's synthetic family, in its two recipes: as released, and as the paper describes it.

State index = entity * 10 + property; token = memory[entity, property]; property 0 is the delimiter, token 0.
All concepts share the memory and the entity kernel; each has its own start law and property kernel:

    p(h' | h, theta) = entity_kernel[v, v'] property_kernel_theta[s, s'],    h = (v, s)

Source: Xie et al. 2022, section 4.1 and appendix F; the released recipe is the published generator's
(p-lambda/incontext-learning), which mixes 10 permutations where the paper speaks of 100.
"""

from typing import Any, NamedTuple

import numpy as np

from implicit_bayes.simulators.datasets import as_count
from implicit_bayes.theory.objects.checks import ModelError, without_subnormals
from implicit_bayes.theory.objects.models import MixtureOfHMMs

ENTITIES = 10
PROPERTIES = 10
STATES = ENTITIES * PROPERTIES
DELIMITER = 0
CONCEPTS = 5
"""Pretraining concepts of the release; as many unseen ones follow them in its stream."""

PARAMETER_SEED = 1111
ENTITY_SEED = 1114
START_TEMPERATURE = 10.0
TRANSITION_TEMPERATURE = 0.1
IDENTITY_SHARE = 0.9
PAPER_SEED = 2022


class ReleasedGinc(NamedTuple):
    """The released parameters and the place in the stream where they end.

    Args:
        memory: (10, 10) token of (entity, property).
        pretraining: the five concepts that documents are drawn from, uniform prior.
        unseen: the five concepts of the out-of-distribution prompts, uniform prior.
        state: legacy generator state right after the parameters (``RandomState.get_state``).
    """

    memory: np.ndarray
    pretraining: MixtureOfHMMs
    unseen: MixtureOfHMMs
    state: Any  # a tuple or a dict, by NumPy's version and flags; NumPy alone reads it

    def generator(self) -> np.random.RandomState:
        """A fresh legacy generator positioned where the release starts to draw documents.

        Returns:
            A RandomState of its own: drawing from it moves no other.
        """
        generator = np.random.RandomState()
        generator.set_state(self.state)
        return generator


def released_ginc(vocabulary: int) -> ReleasedGinc:
    """The parameters of the released data set, bit for bit.

    One legacy stream seeded 1111 gives the memory, then for each of ten HMMs its start law
    softmax((u - 1/2) / 10) and its property kernel; the entity kernel comes from a stream of its own seeded 1114.

    Args:
        vocabulary: V, the delimiter counted; the release used 50, 100 and 150.

    Returns:
        ReleasedGinc: memory, both mixtures, and where the document stream begins.

    Raises:
        ModelError: fewer than two tokens.
    """
    vocabulary = as_count("vocabulary", vocabulary, least=2)
    stream = np.random.RandomState(PARAMETER_SEED)
    memory = stream.randint(1, vocabulary, (ENTITIES, PROPERTIES))
    memory[:, 0] = DELIMITER
    entity = draw_entity_kernel(np.random.RandomState(ENTITY_SEED), permutations=10, temperature=TRANSITION_TEMPERATURE)
    starts, kernels = [], []
    for _ in range(2 * CONCEPTS):
        starts.append(_softmax(stream.random_sample(STATES) - 0.5, START_TEMPERATURE))
        weights = stream.random_sample(10)
        properties = _permutation_mixture(weights, [stream.permutation(10) for _ in range(10)], TRANSITION_TEMPERATURE)
        kernels.append(_joint_kernel(entity, properties))
    emission = emission_of(memory, vocabulary)
    mixtures = [
        MixtureOfHMMs(np.full(CONCEPTS, 1 / CONCEPTS), np.stack(starts[half]), np.stack(kernels[half]), emission, 0)
        for half in (slice(0, CONCEPTS), slice(CONCEPTS, 2 * CONCEPTS))
    ]
    return ReleasedGinc(memory, mixtures[0], mixtures[1], stream.get_state(legacy=True))


def paper_ginc(
    vocabulary: int = 50,
    seed: int = PAPER_SEED,
    concepts: int = 5,
    temperature: float = TRANSITION_TEMPERATURE,
    permutations: int = 100,
) -> MixtureOfHMMs:
    """GINC as the paper words it: every kernel a convex combination of 100 random permutation matrices.

    kernel = sum_i w_i P_i with w = softmax((u - 1/2) / temperature). With 100 permutations every entry is
    positive in practice at temperature 0.1; a lower temperature gives kernels of lower entropy
    (0.01 with 12 concepts and V = 100 is the paper's hardest setting), and below about 0.0015 ones with exact zeros,
    where a weight leaves float64's range. The numbers are ours, not the release's.

    Args:
        vocabulary: V, the delimiter counted.
        seed: of the NumPy generator that draws the family.
        concepts: C.
        temperature: of the permutation weights; the start laws keep the paper's 10.
        permutations: matrices in each combination.

    Returns:
        MixtureOfHMMs: uniform prior, 100 states, shared one-hot emission, delimiter 0.

    Raises:
        ModelError: a count below its least value, or a temperature that is not positive.
    """
    vocabulary = as_count("vocabulary", vocabulary, least=2)
    concepts = as_count("concepts", concepts)
    permutations = as_count("permutations", permutations)
    seed = as_count("seed", seed, least=0)
    if not (np.isfinite(temperature) and temperature > 0):
        raise ModelError(f"temperature: {temperature} is not positive and finite; the paper uses 0.1")
    generator = np.random.default_rng(seed)
    memory = draw_memory(generator, vocabulary)
    entity = draw_entity_kernel(generator, permutations, temperature)
    drawn = [draw_concept(generator, entity, permutations, temperature) for _ in range(concepts)]
    starts, kernels = zip(*drawn, strict=True)
    emission = emission_of(memory, vocabulary)
    return MixtureOfHMMs(np.full(concepts, 1 / concepts), np.stack(starts), np.stack(kernels), emission, DELIMITER)


def draw_memory(generator: np.random.Generator, vocabulary: int) -> np.ndarray:
    """(10, 10) token of (entity, property); property 0 is the delimiter.

    Args:
        generator: source of randomness.
        vocabulary: V, the delimiter counted.

    Returns:
        Integer tokens in 0..V-1; several places may hold the same one.
    """
    memory = generator.integers(1, vocabulary, (ENTITIES, PROPERTIES))
    memory[:, 0] = DELIMITER
    return memory


def draw_concept(
    generator: np.random.Generator, entity: np.ndarray, permutations: int, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """(100,) start law and (100, 100) joint kernel of one concept of the paper's recipe.

    Args:
        generator: source of randomness.
        entity: (10, 10) the shared entity kernel.
        permutations: in the property kernel.
        temperature: of their weights.

    Returns:
        (start law, kernel); state v * 10 + s is entity v with property s.
    """
    start = _softmax(generator.random(STATES) - 0.5, START_TEMPERATURE)
    weights = generator.random(permutations)
    shuffles = [generator.permutation(PROPERTIES) for _ in range(permutations)]
    return start, _joint_kernel(entity, _permutation_mixture(weights, shuffles, temperature))


def property_start_laws() -> np.ndarray:
    """(9, 100) GINC's prompt start laws: property s = 1..9 fixed, uniform over the 10 entities.

    Returns:
        float64; ten entries of 1/10 in each row.
    """
    laws_SxVxP = np.zeros((PROPERTIES - 1, ENTITIES, PROPERTIES))
    for law, fixed in enumerate(range(1, PROPERTIES)):
        laws_SxVxP[law, :, fixed] = 1 / ENTITIES
    return laws_SxVxP.reshape(PROPERTIES - 1, STATES)


def _softmax(scores: np.ndarray, temperature: float) -> np.ndarray:
    """exp(x / t) normalised, in the release's order of operations (divide, subtract the maximum, exponentiate)."""
    scaled = scores / temperature
    powers = np.exp(scaled - np.amax(scaled))
    law: np.ndarray = powers / np.sum(powers)
    return law


def _permutation_mixture(uniforms: np.ndarray, permutations: list[np.ndarray], temperature: float) -> np.ndarray:
    """(10, 10) sum_i w_i I[permutation_i], w = softmax((u - 1/2) / temperature), summed in the release's order."""
    weights = _softmax(uniforms - 0.5, temperature)
    matrices = np.stack([np.eye(len(order))[order] for order in permutations])
    kernel: np.ndarray = without_subnormals(np.sum(weights[:, None, None] * matrices, axis=0))
    return kernel


def draw_entity_kernel(
    generator: np.random.RandomState | np.random.Generator, permutations: int, temperature: float
) -> np.ndarray:
    """(10, 10) the shared entity kernel: a permutation mixture, nine tenths of it replaced by staying put.

    Args:
        generator: source of randomness.
        permutations: in the kernel.
        temperature: of their weights.

    Returns:
        float64; rows sum to 1 and every diagonal entry is at least 0.9.
    """
    uniforms = generator.random(permutations)
    mixed = _permutation_mixture(uniforms, [generator.permutation(ENTITIES) for _ in range(permutations)], temperature)
    return (1 - IDENTITY_SHARE) * mixed + IDENTITY_SHARE * np.eye(ENTITIES)


def _joint_kernel(entity: np.ndarray, properties: np.ndarray) -> np.ndarray:
    """(100, 100) kron(entity, property): entry [(v, s), (v', s')] = property[s, s'] entity[v, v']."""
    kernel: np.ndarray = without_subnormals(
        (entity[:, None, :, None] * properties[None, :, None, :]).reshape(STATES, STATES)
    )
    return kernel


def emission_of(memory: np.ndarray, vocabulary: int) -> np.ndarray:
    """(100, V) one-hot rows at memory[entity, property].

    Args:
        memory: (10, 10) token of (entity, property).
        vocabulary: V.

    Returns:
        float64 zeros and ones.
    """
    emission: np.ndarray = np.eye(vocabulary)[memory.reshape(-1)]
    return emission
