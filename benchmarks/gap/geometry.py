"""Belief geometry: the simplex of exact beliefs beside its affine image of a network's activations.

For an edge-emitting process the belief after o_1..o_t is p(s_t | o_1..o_t) over its own S states; the state-emitting
form has it on pairs (s_t, o_t), and the token is summed out, so that nothing of the target is the last token itself.
Activations are mapped to it by the probes of ``benchmarks.gap.probes``, with their controls and intervals.

Source: Shai et al. 2024, "Transformers represent belief state geometry in their residual stream".
"""

from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.gap.probes import Beliefs, Probe, activations, exact_beliefs, probe, read_off
from implicit_bayes.lm.model import ShowsActivations
from implicit_bayes.theory.objects.edges import Edges


class Geometry(NamedTuple):
    """One model.

    Attributes:
        probes: every layer, for beliefs over the process's states, with controls.
        best: the one with the largest R2 on the held-out documents.
        read_PxS: what its probe says at the P points of the picture.
    """

    probes: list[Probe]
    best: Probe
    read_PxS: np.ndarray


def process_beliefs(edges: Edges, tokens_BxT: np.ndarray) -> Beliefs:
    """The targets of the probes, with beliefs over the process's own states.

    Args:
        edges: the process (or the mixture of some) in its state-emitting form.
        tokens_BxT: documents drawn from it.

    Returns:
        Beliefs whose ``state_BxTxH`` is over the process's states: pairs (state, token) are summed over tokens.
    """
    found = exact_beliefs(edges.mixture, tokens_BxT)
    states = edges.pairs_Hx2[:, 0]
    summed = found.state_BxTxH @ (states[:, None] == np.arange(states.max() + 1)).astype(np.float64)
    return found._replace(state_BxTxH=summed)


def belief_geometry(model: ShowsActivations, beliefs: Beliefs, points: np.ndarray, seed: int) -> Geometry:
    """Every layer's probe of the beliefs, and where the best one puts the points of the picture.

    Args:
        model: shows its activations.
        beliefs: of ``process_beliefs``.
        points: indices into the held-out documents' positions, all documents one after the other.
        seed: of controls and resampling.

    Returns:
        Geometry: a probe for each layer, the best of them, and (P, S) read-off beliefs at the chosen points.
    """
    rows = [row for row in probe(model, beliefs, seed) if row.target == "state belief"]
    best = max(rows, key=lambda row: row.r2.value)
    layer = activations(model, beliefs.tokens_BxT)[best.layer - 1]
    read = read_off(layer, beliefs.state_BxTxH, beliefs.train_B)
    return Geometry(rows, best, read.reshape(-1, read.shape[-1])[points])


def held_points(beliefs: Beliefs, count: int, skip: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions for a picture, drawn from the held-out documents without their first ``skip`` tokens.

    Args:
        beliefs: of documents, B of T tokens.
        count: positions to draw, if there are as many.
        skip: tokens left out at the beginning of a document.
        seed: of the draw.

    Returns:
        (P,) indices for ``belief_geometry``, and the (P, S) exact beliefs there.
    """
    held = beliefs.state_BxTxH[~beliefs.train_B]
    documents, length, states = held.shape
    late = np.arange(documents * length).reshape(documents, length)[:, min(skip, length - 1) :].reshape(-1)
    chosen = np.random.default_rng((seed, 9)).choice(late, min(count, len(late)), replace=False)
    return chosen, held.reshape(-1, states)[chosen]
