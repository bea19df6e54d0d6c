"""The accuracies that the paper published for its models on the released GINC, V = 50 (published.json, with source)."""

import json
from importlib import resources
from typing import NamedTuple

import numpy as np

from implicit_bayes.benchmarks.common.intervals import errors

NAMES = {
    "transformer_4_layers": "published Transformer, 4 layers (29M)",
    "transformer_12_layers": "published Transformer, 12 layers (85M)",
    "transformer_16_layers": "published Transformer, 16 layers (115M)",
    "lstm_6_layers": "published LSTM, 6 layers (28M)",
}
ABLATIONS = {
    "label": "published Transformer, 4 layers (29M)",
    "single_concept": "published, a single concept",
    "random_tokens": "published, random tokens",
    "no_entity_persistence": "published, no entity persistence",
    "transformer_4_layers_unseen_concepts": "published, unseen concepts",
}
RIVAL = {"lstm": "lstm_6_layers", "transformer": "transformer_12_layers"}
"""The published model that each of our architectures is set beside."""
SEEDS = 5
"""Trainings of every published model."""
PRINTED = 1.96
"""Standard errors that a published half width is long: too few for 95%, the mean being that of five."""


class Published(NamedTuple):
    """One published model.

    Attributes:
        label: for tables.
        ks, ns: K example lengths, N numbers of examples.
        accuracy_KxN, standard_error_KxN: percent; mean over five training seeds, and its standard error.
        half_width_KxN: of its 95% interval (Student's, 4 degrees of freedom).
    """

    label: str
    ks: tuple[int, ...]
    ns: tuple[int, ...]
    accuracy_KxN: np.ndarray
    standard_error_KxN: np.ndarray
    half_width_KxN: np.ndarray


def published(name: str) -> Published:
    """A published model's accuracies.

    Args:
        name: a key of ``NAMES`` or of ``ABLATIONS``.

    Returns:
        Published: accuracies in percent by k and n, means over five trainings with standard errors.
    """
    stored = json.loads((resources.files("implicit_bayes.benchmarks") / "published.json").read_text(encoding="utf-8"))
    rows = stored["accuracy"][name]
    ks = tuple(int(key.removeprefix("k=")) for key in rows)
    mean, half = (np.array([row[field] for row in rows.values()]) for field in ("mean", "half_width"))
    error = half / PRINTED
    return Published((NAMES | ABLATIONS)[name], ks, tuple(stored["n"]), mean, error, errors(SEEDS) * error)
