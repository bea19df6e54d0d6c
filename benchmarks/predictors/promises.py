"""What a language model promises, checked: before the work at the longest prompt, and on every answer.

A model that somebody brings may answer two tokens well and a thousand badly: too short a context, a law that no longer
sums to one, nan. What this suite computes itself (a mixture's predictive) is not put through these checks.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp

from implicit_bayes.benchmarks.common.machine import memory
from implicit_bayes.lm.model import LanguageModel, NetworkModel
from implicit_bayes.theory import ModelError

TOLERANCE = 1e-3
"""Of the logarithm of a law's sum; float32 over fifty thousand tokens needs some."""
ROWS = {"length": 32, "n": 100}
"""Documents (twice sixteen: the model's answers beside Bayes's) and prompts that are asked about together."""
FLAGS = {"length": "--length", "n": "--n or --k"}


def check_promises(models: Sequence[LanguageModel], vocabulary: int, longest: Mapping[str, int]) -> None:
    """Ask every model about as many tokens as it will be asked about.

    Args:
        models: of any kind; mixtures are exempt.
        vocabulary: V.
        longest: setting -> tokens that it leads to: ``length`` (documents), ``n`` (prompts).

    Raises:
        ModelError: naming the model, the position and the promise that is broken.
    """
    for field, tokens in longest.items() if models else ():
        each = 8 * ROWS[field] * vocabulary
        if each * (tokens + 1) > (most := memory() // 2):
            words = f"{ROWS[field]} answers of {tokens} tokens over a vocabulary of {vocabulary:,}"
            size = f"take {each * (tokens + 1) / 2**30:.1f} GiB, more than {most / 2**30:.1f}"
            raise ModelError(f"{field}: {words} {size}; give {FLAGS[field]} of less (at most {most // each - 1})")
    for model in models:
        if _ours(model):
            continue
        context = context_of(model)
        for field, tokens in longest.items():
            if context is not None and tokens >= context:
                words = f"asks {model.name} about {tokens} tokens, but it has {context} positions"
                raise ModelError(f"{field}: {words}, for {context - 1}; give {FLAGS[field]} of less")
        if isinstance(model, NetworkModel):
            continue  # its weights were checked as they were read
        most = max(longest.values())
        row = np.arange(most, dtype=np.int32) % vocabulary
        answer(model, np.stack([row, row[::-1]]), vocabulary)


def context_of(model: LanguageModel) -> int | None:
    """Rows of a network's table of learned positions, the beginning of a document included; None if it has none.

    Returns:
        A number of rows, or None.
    """
    return getattr(getattr(getattr(model, "network", None), "config", None), "context", None)


def answer(
    model: LanguageModel, tokens_BxT: Int[np.ndarray, "B T"], vocabulary: int | None = None
) -> Float[np.ndarray, "B T1 V"]:
    """A model's log-probabilities, if they are what ``lm.model.LanguageModel`` promises.

    Args:
        model: asked.
        tokens_BxT: tokens.
        vocabulary: V, where it is known.

    Returns:
        (B, T + 1, V) nats, as the model gave them; exact references and networks in training are not checked.

    Raises:
        ModelError: naming the model, the position and the promise.
    """
    if _ours(model):
        return model.log_probabilities(tokens_BxT)
    length = tokens_BxT.shape[1]
    try:
        found = np.asarray(model.log_probabilities(tokens_BxT))
    except ModelError:
        raise
    except Exception as error:  # the user's own code
        words = f"does not answer for {length} tokens ({type(error).__name__}: {error})"
        raise ModelError(f"model: {model.name} {words}; ask for fewer with --length, --n and --k") from error
    width = found.shape[-1] if vocabulary is None and found.ndim == 3 else vocabulary
    wanted = (len(tokens_BxT), length + 1, width)
    if found.shape != wanted or found.dtype.kind != "f":
        words = f"answers {length} tokens with {found.dtype} of shape {found.shape}"
        raise ModelError(f"model: {model.name} {words} where logarithms of shape {wanted} are promised")
    _check_laws(model, found)
    return found


def answer_at(
    model: LanguageModel, tokens_BxT: Int[np.ndarray, "B T"], positions: Sequence[int]
) -> Float[np.ndarray, "B P V"]:
    """``answer`` after chosen numbers of tokens; a network of ours works out no others.

    Args:
        model: asked.
        tokens_BxT: tokens.
        positions: numbers of leading tokens, 0 .. T.

    Returns:
        (B, P, V) nats, in the order of ``positions``.

    Raises:
        ModelError: as ``answer``; of a network of ours, about these positions.
    """
    tokens = tokens_BxT[:, : max(positions)]
    if not isinstance(model, NetworkModel) or type(model).log_probabilities is not NetworkModel.log_probabilities:
        return answer(model, tokens)[:, list(positions)]
    found = model.log_probabilities_at(tokens, positions)
    if not _ours(model) and np.isnan(found).any():
        return answer(model, tokens)[:, list(positions)]  # which says where it is
    return found


def _check_laws(model: LanguageModel, log_q_BxSxV: np.ndarray) -> None:
    if isinstance(model, NetworkModel):  # a log-softmax sums to one unless something is not a number
        wrong_S = np.isnan(log_q_BxSxV).any((0, 2))
    else:
        with np.errstate(all="ignore"):
            wrong_S = ~(np.abs(logsumexp(log_q_BxSxV, axis=-1)) < TOLERANCE).all(0)
    if wrong_S.any():
        at = int(wrong_S.argmax())
        with np.errstate(all="ignore"):
            sums = np.exp(log_q_BxSxV[:, at].astype(np.float64)).sum(-1)
        words = f"gives a law that sums to {sums[np.argmax(~(np.abs(sums - 1) < TOLERANCE))]:.4g} after {at} tokens"
        raise ModelError(f"model: {model.name} {words}, where every law is promised to sum to 1")


class InTraining(NetworkModel):
    """A network while it is trained: nothing that a user brings, and training watches its loss and weights itself."""


def _ours(model: LanguageModel) -> bool:
    return getattr(model, "exact", False) is True or isinstance(model, InTraining)
