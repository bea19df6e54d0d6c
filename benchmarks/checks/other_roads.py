"""The filter's numbers by other roads, none of which shares a line with it: all hidden paths, and a plain recursion.

Source: the definition of a hidden Markov model (docs/theory, "Objects"), and the forward algorithm of textbooks.
"""

import numpy as np

from implicit_bayes.theory import MixtureOfHMMs


def by_paths(mixture: MixtureOfHMMs, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C,) p(o | c) and (C, V) p(o, v | c): the probability of every hidden path as one entry of a tensor, summed.

    Args:
        mixture: whose concepts are asked; its prior plays no part.
        tokens: (T,) one string, T at least 1; H^T numbers are held at once.

    Returns:
        Two arrays of probabilities, in float64.
    """
    evidence, following = [], []
    for c in range(mixture.n_concepts):
        concept = mixture.concept(c)
        kernel, emission = np.asarray(concept.transition), np.asarray(concept.emission)
        paths = np.asarray(concept.initial) * emission[:, tokens[0]]
        for token in tokens[1:]:
            paths = paths[..., None] * kernel * emission[:, token]
        by_last_H = paths.sum(tuple(range(paths.ndim - 1)))
        evidence.append(float(paths.sum()))
        following.append((by_last_H @ kernel) @ emission)
    return np.array(evidence), np.array(following)


def plain_recursion(mixture: MixtureOfHMMs, tokens_BxT: np.ndarray) -> np.ndarray:
    """(B, C) log p(o | c) by the forward recursion as it stands in textbooks, scaled at every token.

    Args:
        mixture: whose concepts are asked; its prior plays no part.
        tokens_BxT: documents of equal length.

    Returns:
        (B, C) nats; -inf where a concept cannot say the document.
    """
    prior_CxH, kernel, emission = (
        np.asarray(x, np.longdouble) for x in (mixture.initial, mixture.transition, mixture.emissions)
    )
    total = np.zeros((len(tokens_BxT), mixture.n_concepts), np.longdouble)
    belief = np.broadcast_to(prior_CxH, (len(tokens_BxT), *prior_CxH.shape))
    for t in range(tokens_BxT.shape[1]):
        belief = belief if t == 0 else np.einsum("bch,chg->bcg", belief, kernel)
        belief = belief * emission[:, :, tokens_BxT[:, t]].transpose(2, 0, 1)
        scale = belief.sum(-1)
        with np.errstate(divide="ignore"):
            total = total + np.log(scale)
        belief = belief / np.where(scale > 0, scale, 1)[..., None]
    return total.astype(np.float64)
