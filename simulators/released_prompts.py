"""The released prompts, draw for draw, in distribution ("ID_sample") and out of it ("OOD_sample").

One legacy stream seeded 1114 runs through k = 3, 5, 8, 10; for each k first the in-distribution file, then the
other; in each, n = 0, 1, 2, 4, ..., 256 with (k + 1) n <= 1024, 2500 prompts of each n.

- ID: concept among the five pretraining ones; a start property 1..9; then for each of n + 1 examples an entity
  and k - 1 steps of the concept's kernel from (entity, property).
- OOD: concept among the five unseen ones; then for each of n + 1 examples k properties 1..9 and one entity, which
  the whole example keeps. The concept draws nothing but the label.

Source: the published generator (p-lambda/incontext-learning), which shipped no prompt file: read from the
recipe, checked against a literal replay of it, never against published prompts.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.simulators.datasets import as_count
from implicit_bayes.simulators.ginc import (
    CONCEPTS,
    ENTITIES,
    PROPERTIES,
    STATES,
    ReleasedGinc,
    property_start_laws,
    released_ginc,
)
from implicit_bayes.simulators.inverse_cdf import cdf_table, first_above
from implicit_bayes.simulators.word_tape import WordTape, read_tape, spend
from implicit_bayes.theory.filtering.filter import filter_mixture
from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.objects.models import MixtureOfHMMs

PROMPT_SEED = 1114
PROMPTS = 2500
LENGTHS = (3, 5, 8, 10)
SHOTS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
KINDS = ("ID_sample", "OOD_sample")
CONTEXT = 1024
"""The release skips n whose examples alone exceed its models' context."""

LABEL_BATCH = 512
"""Prompts labelled in one call of the filter."""


class PromptSet(NamedTuple):
    """The released prompts of one kind, one k and one n.

    Args:
        kind: "ID_sample" or "OOD_sample".
        k: tokens in an example.
        n: complete examples before x.
        tokens: (P, (k+1) n + k - 1) the prompt: n examples with their delimiters, then x.
        labels: (P,) the true concept's most probable token after x.
        concepts: (P,) 0..4, among the pretraining or the unseen concepts.
        patterns: (P, k+1) properties of the last example, the delimiter's 0 last.
        entities: (P,) entity of the state that would emit y.
    """

    kind: str
    k: int
    n: int
    tokens: np.ndarray
    labels: np.ndarray
    concepts: np.ndarray
    patterns: np.ndarray
    entities: np.ndarray


class _Drawn(NamedTuple):
    """One (kind, k, n) before its labels: states_PxExK over E = n + 1 examples; starts_P is 0 for OOD."""

    n: int
    concepts_P: np.ndarray
    starts_P: np.ndarray
    states_PxExK: np.ndarray


def shots_within(k: int) -> tuple[int, ...]:
    """The release's n for examples of k tokens: those with (k + 1) n <= 1024.

    Args:
        k: tokens in an example.

    Returns:
        Increasing numbers of examples, 0 first.
    """
    return tuple(n for n in SHOTS if (k + 1) * n <= CONTEXT)


def released_prompts(
    vocabulary: int,
    lengths: Sequence[int] = LENGTHS,
    kinds: Sequence[str] = KINDS,
    prompts: int | None = None,
) -> Iterator[PromptSet]:
    """The released prompt sets, in the release's order: by k, then kind, then n.

    What is not asked for is drawn all the same (the stream is one), but neither labelled nor handed over.
    Labels are argmax p(y | x) of the true concept started from the uniform-entity law at the prompt's property
    (ID) or from the uniform law on all 100 states (OOD). Where x is impossible under an unseen concept the
    release took the argmax of nan, which is token 0, the delimiter: so does this. Exact ties go to the smaller
    token; the release broke them by rounding in the log domain.

    Args:
        vocabulary: V; the release used 50, 100 and 150.
        lengths: which k, among 3, 5, 8 and 10.
        kinds: which files.
        prompts: how many of each set's 2500; all if not given.

    Returns:
        An iterator of PromptSets, drawn as they are asked for from one generator: a set depends on those before it.

    Raises:
        ModelError: a k or a kind that the release does not hold, or a prompt count outside 1..2500.
    """
    for k in lengths:
        if k not in LENGTHS:
            raise ModelError(f"k: {k} is not in the release; choose among {LENGTHS}")
    for kind in kinds:
        if kind not in KINDS:
            raise ModelError(f"kinds: {kind!r} is not in the release; choose among {KINDS}")
    kept = PROMPTS if prompts is None else as_count("prompts", prompts)
    if kept > PROMPTS:
        raise ModelError(f"prompts: {kept} asked for, but the release holds {PROMPTS} a set; ask for at most {PROMPTS}")
    return _sets(released_ginc(vocabulary), tuple(lengths), tuple(kinds), kept)


def _sets(ginc: ReleasedGinc, lengths: tuple[int, ...], kinds: tuple[str, ...], kept: int) -> Iterator[PromptSet]:
    """The sets asked for; the stream stops at the last of them."""
    generator = np.random.RandomState(PROMPT_SEED)
    for k in LENGTHS:
        if k > max(lengths, default=0):
            return
        for kind in KINDS:
            wanted = k in lengths and kind in kinds
            drawn = [_draw(generator, ginc, kind, k, n, kept if wanted else 0) for n in shots_within(k)]
            if wanted:
                yield from _label(ginc, kind, k, drawn)


def _draw(generator: np.random.RandomState, ginc: ReleasedGinc, kind: str, k: int, n: int, kept: int) -> _Drawn:
    """Draws one set, 2500 prompts; keeps the first ``kept``. Advances the generator by exactly what is spent."""
    examples = n + 1
    # expected words: 8/5 for a draw below 5 or 10, 16/9 for one below 9, 2 for a double
    per_example = 1.6 + (2.0 * (k - 1) if kind == "ID_sample" else 16 / 9 * k)
    guess = int(PROMPTS * (4 + examples * per_example) * 1.02) + 2000
    chase = _chase_in if kind == "ID_sample" else _chase_out
    while True:
        tape = read_tape(generator, guess)
        try:
            concept_at, start_at, example_at, end = chase(tape, k, examples)
            break
        except IndexError:
            guess *= 2
    spend(generator, end)
    concepts = tape.below(concept_at[:kept], CONCEPTS)
    example_at = example_at.reshape(PROMPTS, examples, -1)[:kept]
    entities = tape.below(example_at[..., -1], ENTITIES)
    if kind == "OOD_sample":
        properties = 1 + tape.below(example_at[..., :-1], PROPERTIES - 1)
        return _Drawn(n, concepts, np.zeros(kept, np.int64), entities[..., None] * PROPERTIES + properties)
    starts = tape.below(start_at[:kept], PROPERTIES - 1)
    first = entities * PROPERTIES + starts[:, None] + 1
    uniforms = tape.doubles(example_at[..., -1:] + 1 + 2 * np.arange(k - 1))
    return _Drawn(n, concepts, starts, _steps(ginc.pretraining, concepts, first, uniforms))


_Positions = tuple[np.ndarray, np.ndarray, np.ndarray, int]


def _chase_in(tape: WordTape, k: int, examples: int) -> _Positions:
    """Word positions of ID draws: concepts (P,), start properties (P,), entities (P * E,), and the end."""
    concept, prop, entity = (tape.next_below(bound) for bound in (CONCEPTS, PROPERTIES - 1, ENTITIES))
    concept_at, start_at, example_at = [], [], []
    position, uniforms = 0, 2 * (k - 1)
    for _ in range(PROMPTS):
        position = concept[position]
        concept_at.append(position)
        position = prop[position + 1]
        start_at.append(position)
        position += 1
        for _ in range(examples):
            position = entity[position]
            example_at.append(position)
            position += 1 + uniforms
    return _checked(tape, np.array(concept_at), np.array(start_at), np.array(example_at), position)


def _chase_out(tape: WordTape, k: int, examples: int) -> _Positions:
    """Word positions of OOD draws: concepts (P,), none, k properties then an entity (P * E * (k + 1),), the end."""
    concept, prop, entity = (tape.next_below(bound) for bound in (CONCEPTS, PROPERTIES - 1, ENTITIES))
    concept_at, example_at = [], []
    position, properties = 0, range(k)
    for _ in range(PROMPTS):
        position = concept[position]
        concept_at.append(position)
        position += 1
        for _ in range(examples):
            for _ in properties:
                position = prop[position]
                example_at.append(position)
                position += 1
            position = entity[position]
            example_at.append(position)
            position += 1
    return _checked(tape, np.array(concept_at), np.zeros(0, np.int64), np.array(example_at), position)


def _checked(
    tape: WordTape, concept_at: np.ndarray, start_at: np.ndarray, example_at: np.ndarray, end: int
) -> _Positions:
    """The positions, once none of them lies past the tape.

    Raises:
        IndexError: the tape was too short.
    """
    if end > len(tape.words):
        raise IndexError("tape too short")
    return concept_at, start_at, example_at, end


def _steps(mixture: MixtureOfHMMs, concepts_P: np.ndarray, first_PxE: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """(P, E, k) states: k - 1 steps of ``choice(100, p=row)`` from the first state of every example."""
    kernels = cdf_table(np.reshape(mixture.transition, (-1, STATES)), normalised=True)
    block = np.repeat(concepts_P * STATES, first_PxE.shape[1])
    states = [first_PxE.reshape(-1)]
    for step in range(uniforms.shape[-1]):
        states.append(first_above(kernels, block + states[-1], uniforms[..., step].reshape(-1)))
    return np.stack(states, axis=-1).reshape(*first_PxE.shape, len(states))


def _label(ginc: ReleasedGinc, kind: str, k: int, drawn: list[_Drawn]) -> Iterator[PromptSet]:
    """The prompt sets of one file, all labelled together."""
    memory = ginc.memory.reshape(-1)
    x = np.concatenate([memory[part.states_PxExK[:, -1, :-1]] for part in drawn])
    concepts = np.concatenate([part.concepts_P for part in drawn])
    starts = np.concatenate([part.starts_P for part in drawn])
    mixture = ginc.pretraining if kind == "ID_sample" else ginc.unseen
    laws = property_start_laws() if kind == "ID_sample" else np.full((1, STATES), 1 / STATES)
    labels = np.split(_argmax_after(mixture, laws, concepts, starts, x), len(drawn))
    for part, label in zip(drawn, labels, strict=True):
        last = part.states_PxExK[:, -1]
        pattern = np.concatenate([last % PROPERTIES, np.zeros((len(last), 1), np.int64)], axis=-1)
        tokens = _prompt_tokens(memory[part.states_PxExK])
        yield PromptSet(
            kind=kind,
            k=k,
            n=part.n,
            tokens=tokens,
            labels=label,
            concepts=part.concepts_P,
            patterns=pattern,
            entities=last[:, -1] // PROPERTIES,
        )


def _prompt_tokens(tokens_PxExK: np.ndarray) -> np.ndarray:
    """(P, (k+1) n + k - 1) examples joined by delimiters, without the last token and the last delimiter."""
    prompts, examples, _ = tokens_PxExK.shape
    closed = np.concatenate([tokens_PxExK, np.zeros((prompts, examples, 1), tokens_PxExK.dtype)], axis=-1)
    return closed.reshape(prompts, -1)[:, :-2].astype(np.int32)


def _argmax_after(
    mixture: MixtureOfHMMs, laws_SxH: np.ndarray, concepts: np.ndarray, starts: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """(N,) most probable token after x under each prompt's own concept and start law; 0 where x is impossible.

    The filter is called in batches of one shape for every k (tokens after the prefix asked about change nothing),
    so that it is compiled once.
    """
    labels = np.zeros(len(x), dtype=np.int32)
    for concept in range(mixture.n_concepts):
        for start, law in enumerate(laws_SxH):
            known = MixtureOfHMMs([1.0], [law], mixture.transition[[concept]], mixture.emission, mixture.delimiter)
            members = np.flatnonzero((concepts == concept) & (starts == start))
            for batch in np.split(members, range(LABEL_BATCH, len(members), LABEL_BATCH)):
                padded = np.zeros((LABEL_BATCH, max(LENGTHS) - 1), dtype=np.int32)
                padded[: len(batch), : x.shape[1]] = x[batch]
                after = filter_mixture(known, padded, positions=[x.shape[1]], method="dense")
                best = np.where(after.defined[:, 0], np.argmax(after.predictive[:, 0], axis=-1), 0)
                labels[batch] = best[: len(batch)]
    return labels
