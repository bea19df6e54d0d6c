"""What exact Bayes says, worked out once, before any training and on any machine: held-out documents with their exact
log-probabilities, prompts with the law of their answer, prefixes with their concept posteriors.

An accelerator then measures networks without filtering anything. One file, .npz without pickles.
"""

import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from implicit_bayes.benchmarks.paper_scale.settings import VOCABULARY, Settings
from implicit_bayes.benchmarks.predictors.agreement import is_right
from implicit_bayes.benchmarks.predictors.curves import References, references
from implicit_bayes.benchmarks.predictors.paired import hold_out, log_bayes
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.ginc import PARAMETER_SEED, property_start_laws, released_ginc
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.released import released_documents
from implicit_bayes.simulators.sampler import sample_prompts
from implicit_bayes.theory import ModelError, filter_concepts
from implicit_bayes.theory.objects.prompts import prefix_length

EPSILON = 0.01
CHUNK = 100
"""Prompts filtered together."""
ABOUT = "about"


class Yardsticks(NamedTuple):
    """D held-out documents of T tokens, K example lengths, N numbers of examples, P prompts of each k, R references.

    Attributes:
        held_DxT, log_bayes_DxT: documents, and log p(o_t | o_<t), nats.
        published_DxT, log_bayes_published_DxT: the same of the published validation documents.
        prompts_KxPxL: prompts, filled up with 0 to one length.
        truth_KxPxNxV: p_prompt(y | x_test) of the true concept.
        right_RxKxN, answered_RxKxN: how many prompts each reference answers rightly, and answers at all.
        prefix_I: lengths of the prefixes after which posteriors are compared; of the first documents held.
        evidence_BxIxC, concept_BxIxCxV: log p(prefix | c), and p( . | prefix, c).
    """

    held_DxT: np.ndarray
    log_bayes_DxT: np.ndarray
    published_DxT: np.ndarray
    log_bayes_published_DxT: np.ndarray
    prompts_KxPxL: np.ndarray
    truth_KxPxNxV: np.ndarray
    right_RxKxN: np.ndarray
    answered_RxKxN: np.ndarray
    prefix_I: np.ndarray
    evidence_BxIxC: np.ndarray
    concept_BxIxCxV: np.ndarray


def released_instance() -> Instance:
    """``load_instance("ginc")``, without what reads instances from files.

    Returns:
        Instance of V = 50.
    """
    mixture = released_ginc(VOCABULARY).pretraining
    starts = np.tile(property_start_laws(), (mixture.n_concepts, 1, 1))
    concepts = tuple(range(mixture.n_concepts))
    return Instance(
        name="ginc",
        mixture=mixture,
        prompt_starts=starts,
        true_concepts=concepts,
        k=None,
        seed=PARAMETER_SEED,
        description="",
        released_vocabulary=VOCABULARY,
    )


def labels() -> list[str]:
    """Names of the R references.

    Returns:
        Labels in the order of the stored answers.
    """
    return [each.label for each in references([EPSILON])]


def about(settings: Settings, length: int) -> str:
    """What the yardsticks depend on, as JSON.

    Args:
        settings: of the run.
        length: T of the held-out documents.

    Returns:
        JSON; equal words mean that stored yardsticks can be used again.
    """
    fields = ("seed", "documents", "prompts", "implied", "ks", "ns", "rehearsal")
    return json.dumps({field: getattr(settings, field) for field in fields} | {"length": length})


def make(settings: Settings, length: int) -> Yardsticks:
    """Work all of it out.

    Args:
        settings: how much of it.
        length: T, tokens that the networks have positions for.

    Returns:
        Yardsticks: documents and prompts with exact Bayes's log-probabilities (nats), the references' right answers,
        and evidence and predictives for implied posteriors.
    """
    instance = released_instance()
    held = hold_out(instance.mixture, settings.documents, length, settings.seed)
    some = settings.documents if settings.rehearsal else None
    published = released_documents(VOCABULARY, "validation", some, length).tokens
    prompts, truth, right, answered = _prompts(instance, settings)
    prefix_I = np.unique(np.geomspace(1, length, 24).astype(int))
    found = filter_concepts(instance.mixture, held.tokens_BxT[: settings.implied], positions=prefix_I.tolist())
    return Yardsticks(
        held_DxT=held.tokens_BxT, log_bayes_DxT=held.log_bayes_BxT,
        published_DxT=published, log_bayes_published_DxT=log_bayes(instance.mixture, published),
        prompts_KxPxL=prompts, truth_KxPxNxV=truth, right_RxKxN=right, answered_RxKxN=answered, prefix_I=prefix_I,
        evidence_BxIxC=np.asarray(found.log_evidence), concept_BxIxCxV=np.asarray(found.predictive),
    )  # fmt: skip


def _prompts(instance: Instance, settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Prompts, truth, and the references' scores, for each k."""
    ask, ns, most = References(instance, references([EPSILON])), settings.ns, max(settings.ns)
    longest = prefix_length(max(settings.ks), most)
    shape = (len(labels()), len(settings.ks), len(ns))
    right, answered = np.zeros(shape, int), np.zeros(shape, int)
    tokens_K, truth_K = [], []
    for i, k in enumerate(settings.ks):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(settings.seed), 1 << 29), k)
        batch = sample_prompts(
            instance.mixture, instance.prompt_starts, key, settings.prompts, k, most,
            true_concepts=instance.true_concepts,
        )  # fmt: skip
        laws = []
        for begin in range(0, settings.prompts, CHUNK):
            part = type(batch)(*(x[begin : begin + CHUNK] for x in batch))
            truth_PxNxV, answers = ask.answers(part, k, list(ns))
            laws.append(truth_PxNxV)
            for r, (law_PxNxV, defined_PxN) in enumerate(answers):
                right[r, i] += (is_right(law_PxNxV, truth_PxNxV) & defined_PxN).sum(0)
                answered[r, i] += defined_PxN.sum(0)
        short = batch.tokens[:, : prefix_length(k, most)]
        tokens_K.append(np.pad(short, ((0, 0), (0, longest - short.shape[1]))))
        truth_K.append(np.concatenate(laws))
    return np.stack(tokens_K), np.stack(truth_K), right, answered


def write(path: Path, yardsticks: Yardsticks, words: str) -> None:
    """One .npz, atomically.

    Args:
        path: of the file.
        yardsticks: what is kept.
        words: of ``about``.
    """
    with written_aside(path, binary=True) as file:
        np.savez_compressed(file, allow_pickle=False, **yardsticks._asdict(), **{ABOUT: np.array(words)})


def read(path: Path, words: str) -> Yardsticks:
    """What ``write`` wrote.

    Args:
        path: of the file.
        words: of ``about``, which it must say too.

    Returns:
        Yardsticks.

    Raises:
        ModelError: damaged, or made with other settings.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = str(stored[ABOUT])
            yardsticks = Yardsticks(**{field: stored[field] for field in Yardsticks._fields})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"yardsticks: {path} cannot be read ({type(error).__name__}); remove it") from error
    if found != words:
        raise ModelError(f"yardsticks: {path} was made with {found}, not {words}; remove it, or ask for the same")
    return yardsticks
