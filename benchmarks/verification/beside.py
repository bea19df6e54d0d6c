"""Language models asked in processes of their own, while this one is at the exact work.

Exact Bayes is sequential and keeps one core busy; networks can have the others. A process costs a few seconds (it
imports and compiles for itself), so that small work stays here, as does everything where there is one core, an
accelerator (whose memory is not shared out), or a model that is not a network of ours (it may fill the memory alone).
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import jax

from implicit_bayes.benchmarks.common.compilation import keep_compilations
from implicit_bayes.benchmarks.common.machine import cores
from implicit_bayes.benchmarks.gap.measure import Start
from implicit_bayes.benchmarks.predictors.models import find_model, find_models
from implicit_bayes.benchmarks.verification.verify import Answer, Settings, ask_model, fresh_documents
from implicit_bayes.lm.model import LanguageModel, NetworkModel
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import ModelError

WORTH = 1 << 18
"""Prompt tokens from which on a process of its own pays."""


def worth_it(settings: Settings, models: Sequence[LanguageModel]) -> bool:
    """Whether these models should be asked in processes of their own, here and now."""
    prompts = min(settings.prompts, settings.model_prompts)
    tokens = prompts * sum((k + 1) * (max(settings.ns) + 1) for k in settings.ks)
    networks = bool(models) and all(isinstance(model, NetworkModel) for model in models)
    return networks and tokens >= WORTH and cores() > 1 and jax.default_backend() == "cpu"


@contextlib.contextmanager
def asked(name: str, models: Sequence[str], settings: Settings, start: Start) -> Iterator[Callable[[], list[Answer]]]:
    """Ask models in processes of their own, one each but no more than there are cores.

    Args:
        name: of the instance.
        models: their names, each for ``find_model``.
        settings: of the verification.
        start: shows the progress of all processes.

    Returns:
        A context whose value waits for the answers, in the order of the models; leaving it early stops the processes.
        It raises ModelError where a process died, and what a process raised.
    """
    import multiprocessing

    spawn = multiprocessing.get_context("spawn")
    news = spawn.SimpleQueue()
    pool = ProcessPoolExecutor(min(len(models), cores()), spawn, initializer=_begin, initargs=(news,))
    show = threading.Thread(target=_show, args=(news, start), daemon=True)
    show.start()
    try:
        futures = [pool.submit(_ask, name, list(models), i, settings) for i in range(len(models))]

        def answers() -> list[Answer]:
            try:
                return [future.result() for future in futures]
            except BrokenProcessPool as error:
                raise ModelError("model: a process that asked a language model died; was the memory full?") from error

        yield answers
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        news.put(None)
        show.join()


_news: Any = None
"""A child's way to tell what it is at."""


def _begin(news: Any) -> None:
    global _news
    _news = news
    keep_compilations()


def _ask(name: str, models: list[str], which: int, settings: Settings) -> Answer:
    """In a child: one model. What ``untrained`` is depends on the others; they alone are read for it."""
    with jax.enable_x64(True):
        instance = load_instance(name)
        of_all = models[which] == "untrained"
        model = find_models(models, instance)[which] if of_all else find_model(models[which], instance)
        return ask_model(instance, settings, model, fresh_documents(instance, settings), _tell)


def _tell(words: str, total: int) -> Callable[[int], None]:
    _news.put((words, total))
    return lambda done: _news.put((words, -done))


def _show(news: Any, start: Start) -> None:
    """Repeat on this process's screen what the children tell."""
    bars: dict[str, Callable[[int], None]] = {}
    while (item := news.get()) is not None:
        words, count = item
        if words in bars:
            bars[words](-count)
        else:
            bars[words] = start(words, count)
