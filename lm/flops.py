"""Arithmetic of a training step, and what share of a chip's peak it reaches.

Counted are the products of matrices that the model needs, two operations a multiply-add, three times the forward pass
(the backward pass has two products for each):

    Transformer   3 ( 2 · 12 L D² + 4 L D K + 2 D V )   a token, K the mean number of keys that a causal query sees
    LSTM          3 ( 2 · (4 E H + 4 H²) + (L - 1) 2 · 8 H² + 2 H V )   a token, E the width of the embedding

What is computed and thrown away (scores of future keys), recomputed, or elementwise counts as nothing: the share is the
model FLOPs utilisation of Chowdhery et al. 2022 (PaLM), appendix B, with the causal half of attention only.
"""

from typing import Protocol, runtime_checkable

import numpy as np

from implicit_bayes.lm.lstm import LSTMConfig
from implicit_bayes.lm.transformer import TransformerConfig

PEAKS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
}
"""bfloat16 matrix operations a second, without sparsity, by words in the device's name (NVIDIA's data sheets); the
first that fits."""


def operations_per_token(network: LSTMConfig | TransformerConfig, length: int) -> float:
    """Operations in products of matrices, a token of a training on rows of ``length`` tokens (see the module).

    Args:
        network: configuration.
        length: tokens that a row predicts.

    Returns:
        Floating-point operations, a multiplication and an addition counting two; forward and backward pass together.
    """
    if isinstance(network, LSTMConfig):
        width = network.width
        first = 4 * width * ((network.embedding or 0) + width)
        rest = (network.layers - 1) * 8 * width * width
        return 6.0 * (first + rest + width * network.vocabulary + network.readout * (width + network.vocabulary))
    keys = float(np.minimum(np.arange(1, length + 1), network.window or length).mean())
    layer = 12 * network.width**2 + 2 * network.width * keys
    return 6.0 * (network.layers * layer + network.width * network.vocabulary)


@runtime_checkable
class Chip(Protocol):
    """What ``peak`` asks of a device."""

    @property
    def device_kind(self) -> str:
        """The maker's name of it."""
        ...


def peak(device: Chip, half: bool) -> float | None:
    """bfloat16 peak of a JAX device, operations a second; None where it is not known, or not what is computed in.

    Args:
        device: of JAX's, or anything with its ``device_kind``.
        half: whether bfloat16 is computed in.

    Returns:
        Operations a second of one device, or None.
    """
    if not half:
        return None
    return next((rate for words, rate in PEAKS.items() if words in device.device_kind), None)
