"""Models that the user brings: ``module.py:factory``, a Python file and a function in it that returns one.

The function takes nothing and returns anything that satisfies lm.model.LanguageModel. It is asked one question before
it is used, so that a model that does not fit is refused before the work and not after.
"""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np

from implicit_bayes.benchmarks.common.extras import absent, missing
from implicit_bayes.benchmarks.predictors.promises import answer
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.theory import ModelError

PATTERN = re.compile(r"(?P<path>.+\.py):(?P<factory>\w+)")


def is_factory(name: str) -> bool:
    """Whether a model's name is of the form ``module.py:factory``."""
    return PATTERN.fullmatch(name) is not None


def from_factory(name: str, vocabulary: int, ask: bool = True) -> LanguageModel:
    """The model that ``module.py:factory`` makes.

    Args:
        name: path of the file, a colon, and the function.
        vocabulary: V that it is to be asked about.
        ask: whether to ask it one question before it is used.

    Returns:
        A model that has ``name`` and ``log_probabilities``.

    Raises:
        ModelError: no such file or function, an error in either, no language model, or one of another vocabulary.
    """
    match = PATTERN.fullmatch(name)
    if match is None:
        raise ModelError(f"model: {name!r} is not of the form module.py:factory")
    path, function = Path(match["path"]), match["factory"]
    if not path.is_file():
        raise ModelError(f"model: {path} is not a file; name one as in module.py:factory")
    factory = getattr(_module(path), function, None)
    if not callable(factory):
        raise ModelError(f"model: {path} has no function {function}; define one that returns a language model")
    try:
        model = factory()
    except Exception as error:  # the user's own code
        module_name = absent(error)
        if module_name:
            raise ModelError(f"model: {name} {missing(module_name)}") from error
        raise ModelError(f"model: {name} failed with {type(error).__name__}: {error}") from error
    return check(model, name, vocabulary if ask else None)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code
        module_name = absent(error)
        if module_name:
            raise ModelError(f"model: {path} {missing(module_name)}") from error
        raise ModelError(f"model: {path} cannot be imported ({type(error).__name__}: {error})") from error
    return module


def check(model: object, source: str, vocabulary: int | None) -> LanguageModel:
    """Ask a model one question: three laws over V tokens, after 0, 1 and 2 tokens; none where V is None.

    Args:
        model: whatever a factory returned.
        source: of the factory, for errors.
        vocabulary: V, or None to ask nothing.

    Returns:
        The model itself.

    Raises:
        ModelError: what it is, or answers, is not a language model's.
    """
    if not isinstance(model, LanguageModel) or not isinstance(model.name, str):
        what = f"a {type(model).__name__} without name and log_probabilities"
        raise ModelError(f"model: {source} returned {what}; see lm.model.LanguageModel")
    if vocabulary is not None:
        answer(model, np.zeros((1, 2), np.int32), vocabulary)
    return model
