"""Our two networks in PyTorch, written the way that is fast there, with weights copied from ours.

The LSTM is ``torch.nn.LSTM`` on one-hot tokens: with the token table as its input weights it is our LSTM without the
token-wise scale, which has no counterpart in PyTorch's fused kernel. The Transformer is ours, its local window either
in blocks of queries or as a band of full attention, both through ``scaled_dot_product_attention``.
"""

import jax
import numpy as np

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as error:
    raise ImportError("the benchmark against PyTorch needs it: pip install 'implicit-bayes[reference]'") from error

from implicit_bayes.lm.attention import BASE
from implicit_bayes.lm.lstm import LSTM
from implicit_bayes.lm.transformer import Transformer
from implicit_bayes.theory.objects.types import Array

WINDOWS = ("blocks", "band")
"""Ways to compute the local window."""


def _parameter(array: Array | None) -> nn.Parameter:
    return nn.Parameter(torch.tensor(np.array(array)))


class TorchLSTM(nn.Module):
    """One layer, as lm.lstm.LSTM without embedding and without scale.

    Args:
        ours: whose weights it begins with.
    """

    def __init__(self, ours: LSTM):
        super().__init__()
        self.vocabulary, width = ours.config.vocabulary, ours.config.width
        self.cell = nn.LSTM(self.vocabulary + 1, width, bias=False)
        self.cell.weight_ih_l0 = _parameter(ours.table.T)
        self.cell.weight_hh_l0 = _parameter(ours.weights[0].T)
        self.output = nn.Linear(width, self.vocabulary)
        self.output.weight, self.output.bias = _parameter(ours.output.weight_IxO.T), _parameter(ours.output.bias_O)
        self.hidden: nn.Linear | None = None
        if ours.readout:
            first, second = ours.readout
            self.hidden = nn.Linear(width, ours.config.readout)
            self.hidden.weight, self.hidden.bias = _parameter(first.weight_IxO.T), _parameter(first.bias_O)
            self.added = nn.Linear(ours.config.readout, self.vocabulary, bias=False)
            self.added.weight = _parameter(second.weight_IxO.T)

    def forward(self, begun_BxT: torch.Tensor) -> torch.Tensor:
        """(B, T) tokens, each document begun with token V -> (B, T, V) logits.

        Returns:
            (B, T, V) float32, equal to ours up to rounding.
        """
        one_hot_TxBxW = F.one_hot(begun_BxT.T, self.vocabulary + 1).float()
        h_TxBxH = self.cell(one_hot_TxBxW)[0]
        logits_TxBxV = self.output(h_TxBxH)
        if self.hidden is not None:
            logits_TxBxV = logits_TxBxV + self.added(F.relu(self.hidden(h_TxBxH)).square())
        return logits_TxBxV.transpose(0, 1)

    def gradients(self) -> dict[str, np.ndarray]:
        """By the names that ours have (lm.checkpoints.flatten).

        Returns:
            float32 arrays of our shapes.
        """
        cell = dict(self.cell.named_parameters())
        found = {
            "table": _gradient(cell["weight_ih_l0"]).T,
            "weights.0": _gradient(cell["weight_hh_l0"]).T,
            "output.weight_IxO": _gradient(self.output.weight).T,
            "output.bias_O": _gradient(self.output.bias),
        }
        if self.hidden is not None:
            found |= {
                "readout.0.weight_IxO": _gradient(self.hidden.weight).T,
                "readout.0.bias_O": _gradient(self.hidden.bias),
                "readout.1.weight_IxO": _gradient(self.added.weight).T,
            }
        return found


class TorchTransformer(nn.Module):
    """As lm.transformer.Transformer in its ``modern`` dialect.

    Args:
        ours: whose weights it begins with.
        window: how attention is kept to the local window: blocks or band.
    """

    def __init__(self, ours: Transformer, window: str):
        super().__init__()
        self.config, self.window = ours.config, window
        leaves, _ = jax.tree_util.tree_flatten_with_path(ours)
        for path, leaf in leaves:
            self.register_parameter(_safe(_name(path)), _parameter(leaf))

    def _of(self, name: str) -> torch.Tensor:
        return getattr(self, _safe(name))

    def forward(self, begun_BxT: torch.Tensor) -> torch.Tensor:
        """(B, T) tokens, T a multiple of the window, each document begun with token V -> (B, T, V) logits.

        Returns:
            (B, T, V) float32, equal to ours up to rounding.
        """
        batch, length = begun_BxT.shape
        x_NxD = F.embedding(begun_BxT.reshape(-1), self._of("table"))
        for i in range(self.config.layers):
            at = f"layers.{i}."
            qkv = self._norm(x_NxD, f"{at}norm_attention") @ self._of(f"{at}qkv.weight_IxO")
            mixed_NxD = self._attend(self._tapped(qkv.reshape(batch, length, -1), f"{at}taps_SxO"))
            x_NxD = x_NxD + mixed_NxD @ self._of(f"{at}mix.weight_IxO")
            hidden_NxF = self._norm(x_NxD, f"{at}norm_feedforward") @ self._of(f"{at}up.weight_IxO")
            x_NxD = x_NxD + F.relu(hidden_NxF).square() @ self._of(f"{at}down.weight_IxO")
        logits = torch.addmm(self._of("output.bias_O"), self._norm(x_NxD, "norm"), self._of("output.weight_IxO"))
        return logits.reshape(batch, length, -1)

    def _norm(self, x_NxD: torch.Tensor, name: str) -> torch.Tensor:
        return F.rms_norm(x_NxD, x_NxD.shape[-1:], self._of(f"{name}.scale_D"), 1e-6)

    def _tapped(self, qkv_BxTxO: torch.Tensor, name: str) -> torch.Tensor:
        if self.config.taps == 1:
            return qkv_BxTxO
        taps_SxO, length = self._of(name), qkv_BxTxO.shape[1]
        begin = len(taps_SxO) - 1
        padded = F.pad(qkv_BxTxO, (0, 0, begin, 0))
        total = qkv_BxTxO * taps_SxO[0]
        for s in range(1, begin + 1):
            total = total + padded[:, begin - s : begin - s + length] * taps_SxO[s]
        return total

    def _attend(self, qkv_BxTxO: torch.Tensor) -> torch.Tensor:
        batch, length, _ = qkv_BxTxO.shape
        heads, window = self.config.heads, self.config.window or length
        q, k, v = qkv_BxTxO.reshape(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        q, k = _rotate(q), _rotate(k)
        if self.window == "band":
            i = torch.arange(length)
            seen = (i[:, None] >= i) & (i[:, None] - i < window)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        else:
            y = self._blocks(q, k, v, window)
        return y.transpose(1, 2).reshape(batch * length, -1)

    @staticmethod
    def _blocks(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int) -> torch.Tensor:
        batch, heads, length, size = q.shape
        blocks = length // window

        def pairs(x: torch.Tensor) -> torch.Tensor:
            x = F.pad(x, (0, 0, window, 0)).reshape(batch * heads, blocks + 1, window, size)
            return torch.cat([x[:, :-1], x[:, 1:]], dim=2)

        i, j = torch.arange(window)[:, None], torch.arange(2 * window)
        seen = (j > i) & (j <= i + window) & ((torch.arange(blocks)[:, None, None] > 0) | (j >= window))
        queries = q.reshape(batch * heads, blocks, window, size)
        y = F.scaled_dot_product_attention(queries, pairs(k), pairs(v), attn_mask=seen)
        return y.reshape(batch, heads, length, size)

    def gradients(self) -> dict[str, np.ndarray]:
        """By the names that ours have (lm.checkpoints.flatten).

        Returns:
            float32 arrays of our shapes.
        """
        return {
            name.replace("__", "."): _gradient(parameter)
            for name, parameter in self.named_parameters()
            if parameter.grad is not None
        }


def _gradient(parameter: torch.Tensor) -> np.ndarray:
    return np.zeros(parameter.shape, np.float32) if parameter.grad is None else parameter.grad.numpy()


def _name(path: tuple[object, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _safe(name: str) -> str:
    return name.replace(".", "__")


def _rotate(x: torch.Tensor) -> torch.Tensor:
    """lm.attention.rotate."""
    length, half = x.shape[-2], x.shape[-1] // 2
    angle = torch.arange(length)[:, None] * BASE ** (-torch.arange(half) / half)
    cos, sin = angle.cos().repeat(1, 2), angle.sin().repeat(1, 2)
    first, second = x[..., :half], x[..., half:]
    return x * cos + torch.cat([-second, first], dim=-1) * sin
