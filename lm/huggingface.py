"""PyTorch and Hugging Face causal language models as models of this suite.

A causal network gives, at every position, a law of the next token. Three things have to be settled before its answers
can be compared with Bayes:

- *before the first token* most networks have no law. With ``begin_token`` the documents are fed with that token in
  front, and the law after it is the first; without one the first law is uniform over the V tokens, by convention;
- *more outputs than V tokens*: the law is renormalised over tokens 0 .. V - 1, log q(v) - log sum_{u < V} q(u). The
  mass that this takes from elsewhere is what ``lost_mass`` reports;
- *a context* that is too short is an error, never a silent cut.

PyTorch and transformers come with the extra ``implicit-bayes[hf]`` and are imported where they are used.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int

from implicit_bayes.theory.objects.checks import ModelError

Tensor = Any
"""torch.Tensor; PyTorch need not be installed, and is imported where it is asked."""
Torch = Callable[[Tensor], Tensor]
"""A network of PyTorch's."""
Model = Any
"""A causal language model of transformers, which need not be installed either."""

ROWS = 1 << 14
"""Positions whose logits are worked out together."""


class TorchModel:
    """A PyTorch network as a LanguageModel (lm.model)."""

    def __init__(
        self,
        name: str,
        network: Torch,
        vocabulary: int,
        begin_token: int | None = None,
        context: int | None = None,
        outputs: int | None = None,
        layers: Callable[[Tensor], Sequence[Tensor]] | None = None,
        fresh: Callable[[], Torch] | None = None,
    ):
        """Args:
            name: what tables and figures call it.
            network: (B, S) int64 tensor -> (B, S, W) logits, W >= V, position s seeing tokens 0 .. s only. A module is
                put into evaluation mode, and stays on its device.
            vocabulary: V.
            begin_token: fed before every document, any token that the network knows; None: the first law is uniform.
            context: most tokens that the network takes, ``begin_token`` included, or None for no limit.
            outputs: W, if known beforehand.
            layers: (B, S) int64 tensor -> a list of (B, S, D) tensors, what each layer holds after each token, for
                the probes of ``gap``; None: there are no probes.
            fresh: makes the network with untrained weights (PyTorch's seed is set before the call, and put back).
                None: a copy of the network whose every module is asked to ``reset_parameters``.

        Raises:
            ModelError: no vocabulary, or a begin token or vocabulary that the network does not have.
        """
        if vocabulary < 1:
            raise ModelError(f"vocabulary: {vocabulary} is below 1")
        if outputs is not None and vocabulary > outputs:
            raise ModelError(f"vocabulary: {name} knows {outputs} tokens, {vocabulary} are asked of it")
        if begin_token is not None and not 0 <= begin_token < (outputs or math.inf):
            raise ModelError(f"begin_token: {name} has no token {begin_token}")
        self._name, self.network, self.vocabulary = name, network, vocabulary
        self.begin_token, self.context = begin_token, context
        self.layers, self.fresh = layers, fresh
        if hasattr(network, "eval"):
            network.eval()

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        return self._name

    @property
    def parameters(self) -> int:
        """How many numbers were trained (0 of a network that does not say)."""
        own = getattr(self.network, "parameters", list)
        return sum(each.numel() for each in own())

    def __getattr__(self, name: str) -> Any:  # whatever the model has
        """``activations`` is there where ``layers`` were given, so that a model without them is not probed."""
        if name == "activations" and self.__dict__.get("layers") is not None:
            return self._activations
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def _activations(self, tokens_BxT: Int[np.ndarray, "B T"]) -> list[np.ndarray]:
        """See ShowsActivations."""
        import torch

        begun = int(self.begin_token is not None)
        parts: list[list[np.ndarray]] = []
        rows = max(1, ROWS // max(1, tokens_BxT.shape[1]))
        for begin in range(0, len(tokens_BxT), rows):
            part = tokens_BxT[begin : begin + rows]
            fed_BxS = np.concatenate([np.full((len(part), begun), self.begin_token or 0), part], axis=1)
            with torch.no_grad():
                found = self.layers(self._tensor(fed_BxS))  # type: ignore[misc]
            parts.append([each.float().cpu().numpy()[:, begun:] for each in found])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def untrained(self, seed: int) -> "TorchModel":
        """See CanBeUntrained.

        Returns:
            A model called "untrained", its weights drawn by torch from the seed; torch's global random state is left as
            it was.

        Raises:
            ModelError: no ``fresh`` was given, and a module of the network cannot reset its parameters.
        """
        import torch

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = self._reset() if self.fresh is None else self.fresh()
        return self._like(network)

    def _like(self, network: Torch) -> "TorchModel":
        """The same model of another network (whose layers are not shown: they are the trained network's)."""
        return TorchModel("untrained", network, self.vocabulary, self.begin_token, self.context)

    def _reset(self) -> Torch:
        """A copy with every parameter drawn anew."""
        import copy

        if not hasattr(self.network, "modules"):
            raise ModelError(f"untrained: {self.name} is no module; give fresh=, which makes the untrained network")
        network = copy.deepcopy(self.network)
        for module in network.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
            elif next(iter(module.parameters(recurse=False)), None) is not None:
                what = type(module).__name__
                raise ModelError(f"untrained: {self.name} has a {what} without reset_parameters; give fresh=")
        return network

    def _tensor(self, fed_BxS: np.ndarray) -> Tensor:
        import torch

        own = next(iter(getattr(self.network, "parameters", list)()), None)
        return torch.as_tensor(fed_BxS.astype(np.int64), device=None if own is None else own.device)

    def log_probabilities(self, tokens_BxT: Int[np.ndarray, "B T"]) -> Float32[np.ndarray, "B T1 V"]:
        """See LanguageModel.

        Returns:
            (B, T + 1, V) nats, renormalised over the V tokens, the empty prefix first.

        Raises:
            ModelError: more tokens than the context, tokens outside 0 .. V - 1, or logits that are no law's.
        """
        return self._ask(tokens_BxT)[0]

    def lost_mass(self, tokens_BxT: Int[np.ndarray, "B T"]) -> Float64[np.ndarray, "B T1"]:
        """The share of each law that lay outside the V tokens before it was renormalised.

        Returns:
            (B, T + 1) probabilities, the empty prefix first; large ones mean that the network speaks of other tokens.
        """
        return self._ask(tokens_BxT)[1]

    def _ask(self, tokens_BxT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        batch, length = tokens_BxT.shape
        begun = self.begin_token is not None
        if self.context is not None and length + begun > self.context:
            what = f"{length} tokens{' and one to begin with' if begun else ''}"
            raise ModelError(f"length: {what} where {self.name} takes {self.context}; ask for shorter documents")
        if tokens_BxT.size and not 0 <= tokens_BxT.min() <= tokens_BxT.max() < self.vocabulary:
            raise ModelError(f"tokens: {self.name} is asked about tokens outside 0..{self.vocabulary - 1}")
        log_q = np.full((batch, length + 1, self.vocabulary), -math.log(self.vocabulary), np.float32)
        lost = np.zeros((batch, length + 1))
        fed_BxS = np.concatenate([np.full((batch, int(begun)), self.begin_token or 0), tokens_BxT], axis=1)
        rows = max(1, ROWS // max(1, fed_BxS.shape[1]))
        for begin in range(0, batch if fed_BxS.shape[1] else 0, rows):
            part = slice(begin, begin + rows)
            log_q[part, 1 - begun :], lost[part, 1 - begun :] = self._laws(fed_BxS[part])
        return log_q, lost

    def _laws(self, fed_BxS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(B, S, V) log-probabilities after every token that was fed, and (B, S) the mass outside."""
        import torch

        with torch.no_grad():
            logits_BxSxW = self.network(self._tensor(fed_BxS))
        shape = tuple(logits_BxSxW.shape)
        if shape[:2] != fed_BxS.shape or len(shape) != 3 or shape[2] < self.vocabulary:
            wanted = f"{(*fed_BxS.shape, self.vocabulary)} or more outputs"
            raise ModelError(f"model: {self.name} gives logits of shape {shape} where {wanted} are needed")
        all_log_q = torch.log_softmax(logits_BxSxW.double(), -1)
        log_q = all_log_q[..., : self.vocabulary]
        inside = torch.logsumexp(log_q, -1, keepdim=True)
        outside = all_log_q[..., self.vocabulary :].exp().sum(-1)
        if not bool(torch.isfinite(inside).all()):
            raise ModelError(f"model: {self.name} gives logits that are no law over tokens 0..{self.vocabulary - 1}")
        return (log_q - inside).float().cpu().numpy(), outside.cpu().numpy()


class HuggingFaceModel(TorchModel):
    """A causal language model of ``transformers`` as a LanguageModel.

    Give ``begin_token=model.config.bos_token_id`` where the model was trained with that token in front of every
    document; it is not taken from the configuration unasked, since many models were not.
    """

    def __init__(self, name: str, model: Model, vocabulary: int | None = None, begin_token: int | None = None):
        """Args:
            name: what tables and figures call it.
            model: e.g. a ``GPT2LMHeadModel``; its token ids 0 .. V - 1 are taken for the suite's tokens.
            vocabulary: V; by default all of the model's.
            begin_token: see TorchModel.

        Raises:
            ModelError: see TorchModel.
        """
        config = model.config
        context = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        vocabulary = config.vocab_size if vocabulary is None else vocabulary
        self.model = model
        super().__init__(
            name, _Logits(model), vocabulary, begin_token, context, config.vocab_size, layers=self._hidden_states
        )

    def _hidden_states(self, tokens: Tensor) -> list[Tensor]:
        """Every block's output; the embeddings, which come first, are left out."""
        return list(self.model(input_ids=tokens, use_cache=False, output_hidden_states=True).hidden_states[1:])

    def untrained(self, seed: int) -> "HuggingFaceModel":
        """The same configuration with fresh weights.

        Returns:
            A model called "untrained", its weights drawn by torch from the seed; torch's global random state is left as
            it was.
        """
        import torch

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            fresh = type(self.model)(self.model.config)
        return HuggingFaceModel("untrained", fresh, self.vocabulary, self.begin_token)


class _Logits:
    """tokens -> logits of a Hugging Face model."""

    def __init__(self, model: Model):
        self.model, self.parameters, self.eval = model, model.parameters, model.eval

    def __call__(self, tokens: Tensor) -> Tensor:
        return self.model(input_ids=tokens, use_cache=False).logits
