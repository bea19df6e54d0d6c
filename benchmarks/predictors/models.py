"""Language models by name: the shipped ones, a RUN or a file of weights, Bayes itself, and one that learnt nothing."""

import itertools
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Float64, Int

from implicit_bayes.benchmarks.predictors.factories import from_factory, is_factory
from implicit_bayes.benchmarks.predictors.references import is_reference, reference
from implicit_bayes.lm.checkpoints import load_latest
from implicit_bayes.lm.model import CanBeUntrained, LanguageModel, NetworkModel
from implicit_bayes.lm.presets import preset
from implicit_bayes.lm.run import RunConfig, draw_network, read_config
from implicit_bayes.lm.step import Network, start
from implicit_bayes.lm.weights import read_weights
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.theory import MixtureOfHMMs, ModelError, filter_mixture
from implicit_bayes.theory.filtering.dispatch import prepare

SHIPPED = ("lstm-small", "transformer-small")
"""Names of lm/pretrained/; trained on ``ginc``."""
LARGER = {100: ("lstm-100", "transformer-100"), 150: ("lstm-150", "transformer-150")}
"""Names of lm/pretrained/ by vocabulary; trained on ``ginc-100`` and ``ginc-150``. One may be known and not shipped."""
OTHER_LAW = ("lstm-resets",)
"""Names of lm/pretrained/ that were trained on ``ginc`` with state resets: found by name, never among ``shipped``."""
TAUGHT = ("lstm-taught", "transformer-taught")
"""Names of lm/pretrained/ that learnt the exact law of every token of ``ginc`` instead of the token (lm.targets):
yardsticks of what the same networks can hold, found by name, never among ``shipped``."""
STORED = (*SHIPPED, *LARGER[100], *LARGER[150], *OTHER_LAW, *TAUGHT)
"""Every name that lm/pretrained/ may hold."""
CHUNK = 16


class MixtureModel:
    """A mixture of HMMs as a LanguageModel: exact Bayes, in float64. A row after an impossible prefix is all -inf, no
    law."""

    exact = True
    """Computed here, so that its answers need no checks."""

    def __init__(self, name: str, mixture: MixtureOfHMMs):
        self._name, self.mixture, self.tables = name, mixture, prepare(mixture)

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        return self._name

    @property
    def parameters(self) -> int:
        """Nothing was trained."""
        return 0

    def log_probabilities(self, tokens_BxT: Int[np.ndarray, "B T"]) -> Float64[np.ndarray, "B T1 V"]:
        """See lm.model.LanguageModel.

        Returns:
            (B, T + 1, V) nats, the empty prefix first; -inf throughout where the prefix is impossible.
        """
        parts = []
        for begin in range(0, len(tokens_BxT), CHUNK):
            out = filter_mixture(self.mixture, tokens_BxT[begin : begin + CHUNK], tables=self.tables)
            defined = np.asarray(out.defined)[..., None]
            with np.errstate(divide="ignore"):
                parts.append(np.log(np.where(defined, np.asarray(out.predictive), 0.0)))
        return np.concatenate(parts)


def find_models(names: Sequence[str | LanguageModel], instance: Instance, ask: bool = True) -> list[LanguageModel]:
    """Models by name; models themselves are taken as they are.

    Args:
        names: of each a stored model (``lstm-small``, ``transformer-small``, ``lstm-resets``, ``lstm-taught``,
            ``transformer-taught``), ``bayes`` (the instance's own mixture), ``bayes(EPS)`` (smoothed), ``untrained``,
            ``shipped`` (all that were trained on this instance, which may be none), the path of a RUN, or of a file
            of weights, or ``module.py:factory`` (benchmarks.predictors.factories).
        instance: what they are to be asked about.
        ask: whether what a factory makes is asked one question first.

    Returns:
        Models in the order of the names, no two of one name.

    Raises:
        ModelError: no such model, or one of another vocabulary.
    """
    models: list[LanguageModel] = []
    for name in each_name(names, instance):
        if not isinstance(name, str):
            models.append(name)
        else:
            models.append(untrained(models, instance) if name == "untrained" else find_model(name, instance, ask))
    if "untrained" in names:  # named before the models that it may be
        at = [model.name for model in models].index("untrained")
        models[at] = untrained(models[:at] + models[at + 1 :], instance)
    twice = [label for label, count in Counter(model.name for model in models).items() if count > 1]
    if twice:
        raise ModelError(f"model: two of the models would be called {twice[0]!r}; rename one RUN or file")
    return models


class Renamed:
    """A model under another name."""

    def __init__(self, name: str, model: LanguageModel):
        self.name, self.model = name, model

    def __getattr__(self, attribute: str) -> Any:  # whatever the model has
        return getattr(self.model, attribute)

    def log_probabilities(self, tokens_BxT: Int[np.ndarray, "B T"]) -> Float[np.ndarray, "B T1 V"]:
        """See lm.model.LanguageModel.

        Returns:
            (B, T + 1, V) nats, the model's own.
        """
        return self.model.log_probabilities(tokens_BxT)


def untrained(models: Sequence[LanguageModel], instance: Instance, seed: int = 0) -> LanguageModel:
    """The model called ``untrained``: the first of the others that can be untrained, with fresh weights; the small LSTM
    where none of them can.

    Args:
        models: the others.
        instance: whose vocabulary the small LSTM takes.
        seed: of the fresh weights.

    Returns:
        A model whose name is "untrained".

    Raises:
        ModelError: the model's own ``untrained`` failed.
    """
    chosen = next((each for each in models if isinstance(each, CanBeUntrained)), None)
    if chosen is None:
        small = preset("lstm", "small", instance.mixture.n_tokens)
        config = RunConfig(
            instance=instance.name,
            architecture="lstm",
            preset="small",
            network=small.network,
            optimiser=small.optimiser,
            schedule=small.schedule,
            seed=seed,
        )
        with jax.enable_x64(False):
            return NetworkModel("untrained", draw_network(config))
    try:
        fresh = chosen.untrained(seed)
        return fresh if fresh.name == "untrained" else Renamed("untrained", fresh)
    except ModelError:
        raise
    except Exception as error:  # the user's own code
        name = getattr(chosen, "name", "the model")
        raise ModelError(
            f"model: untrained: {name} cannot be had untrained ({type(error).__name__}: {error})"
        ) from error


def each_name(names: Sequence[str | LanguageModel], instance: Instance) -> list[str | LanguageModel]:
    """One name a model, ``shipped`` spelt out, none twice; models themselves among them stay.

    Args:
        names: as they were typed, or models.
        instance: whose shipped models are meant.

    Returns:
        Names and models in their order.
    """
    each = [(name,) if name != "shipped" else shipped_for(instance) for name in names]
    return list(dict.fromkeys(itertools.chain.from_iterable(each)))


def find_model(name: str, instance: Instance, ask: bool = True) -> LanguageModel:
    """A language model by name, ready to be asked about one instance.

    Args:
        name: ``lstm-small`` and the other shipped models; ``bayes`` (exact Bayes of the instance as a model) or
            ``bayes(EPS)`` (smoothed); ``untrained``; ``ngram-N``, ``window-W``, ``fitted-hmm-H`` or
            ``uniform`` (predictors.references, fitted_hmm); the path of a RUN or of its weights.npz;
            ``module.py:factory``.
        instance: what it is to be asked about: its vocabulary must be the model's.
        ask: whether what a factory makes is asked one question first.

    Returns:
        LanguageModel, whose ``log_probabilities`` takes this instance's tokens.

    Raises:
        ModelError: no such model, or one of another vocabulary.
    """
    mixture = instance.mixture
    if name == "bayes":
        return MixtureModel(name, mixture)
    if name.startswith("bayes(") and name.endswith(")"):
        return MixtureModel(name, mixture.smooth(_epsilon(name[6:-1])))
    if name == "untrained":
        return untrained([], instance)
    if is_reference(name):
        return reference(name, instance)
    if name.startswith("fitted-hmm-") and name[11:].isdecimal():
        from implicit_bayes.benchmarks.predictors.fitted_hmm import fitted_hmm

        return fitted_hmm(int(name[11:]), instance)
    if is_factory(name):
        return from_factory(name, mixture.n_tokens, ask)
    config, network = _stored(name)
    if config.network.vocabulary != mixture.n_tokens:
        words = f"learnt {config.network.vocabulary} tokens ({config.instance}), {instance.name} has {mixture.n_tokens}"
        raise ModelError(f"model: {name} {words}; name a model trained on this instance")
    taught = config.target == "law" and name not in STORED
    return NetworkModel(f"{_label(name)} (taught)" if taught else _label(name), network)


def _label(name: str) -> str:
    """What tables call the model at a path: RUN for RUN and for RUN/weights.npz, else the file's name."""
    path = Path(name)
    return path.resolve().parent.name if path.name == "weights.npz" else path.name.removesuffix(".npz") or name


def shipped_for(instance: Instance) -> tuple[str, ...]:
    """The shipped models that were trained on this very instance and are installed.

    Returns:
        Names that ``find_model`` takes; none for an instance that is not released.
    """
    names = {50: SHIPPED, **LARGER}.get(instance.released_vocabulary or 0, ())
    return tuple(name for name in names if shipped_path(name).is_file())


def installed() -> tuple[str, ...]:
    """The names of lm/pretrained/ whose weights are here.

    Returns:
        Names that ``find_model`` takes.
    """
    return tuple(name for name in STORED if shipped_path(name).is_file())


def shipped_path(name: str) -> Path:
    """Where the weights of a shipped model lie.

    Returns:
        A path, whether or not there is such a file.
    """
    return Path(str(resources.files("implicit_bayes.lm") / "pretrained" / name / "weights.npz"))


def _epsilon(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0.0 < value <= 1.0:
        raise ModelError(f"model: bayes({word}): the smoothing lies in (0, 1], as in bayes(0.01)")
    return value


def _shipped(name: str) -> tuple[RunConfig, Network]:
    if name in (*LARGER[100], *LARGER[150]) and not shipped_path(name).is_file():
        architecture, size = name.split("-")
        way = f"implicit-bayes train --instance ginc-{size} --model {architecture} --preset long --out RUN"
        raise ModelError(f"model: {name} is not shipped with this version; train one ({way}) and name RUN")
    return read_weights(shipped_path(name))


def _stored(name: str) -> tuple[RunConfig, Network]:
    if name in STORED and (shipped_path(name).is_file() or not Path(name).exists()):
        return _shipped(name)
    path = Path(name)
    if path.suffix == ".py":
        raise ModelError(f"model: {name} names no function in it; write {name}:make if make() returns the model")
    if name.lower() in ("none", "no", "") and not path.exists():
        raise ModelError(f"model: {name!r} is no model; for none at all give --model with no name after it")
    if path.is_file():
        return read_weights(path)
    if (path / "weights.npz").is_file():
        return read_weights(path / "weights.npz")
    if (path / "config.json").is_file():
        config = read_config(path)
        with jax.enable_x64(False):
            _, state, _ = load_latest(path / "checkpoints", start(draw_network(config), config.optimiser))
        return config, state.trained
    known = ", ".join(
        (*installed(), "bayes", "bayes(0.01)", "untrained", "ngram-3", "window-8", "fitted-hmm-100", "uniform")
    )
    paths = "the path of a RUN or of its weights.npz, nor module.py:factory"
    raise ModelError(f"model: {name!r} is none of {known}, nor {paths}")
