"""Language models asked in processes of their own, while this one is at the exact work.

Exact Bayes is sequential and keeps one core busy; networks can have the others. A process costs a few seconds (it
imports and compiles for itself), so that small work stays here, as does everything where there is one core, an
accelerator (whose memory is not shared out), or a model that is not a network of ours (it may fill the memory alone).
"""

import contextlib
import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Lock

import jax

from implicit_bayes.benchmarks.common.children import Children
from implicit_bayes.benchmarks.common.compilation import keep_compilations
from implicit_bayes.benchmarks.common.freed_memory import VERIFYING, keep_freed_memory
from implicit_bayes.benchmarks.common.machine import cores
from implicit_bayes.benchmarks.gap.measure import Start
from implicit_bayes.benchmarks.predictors.models import find_model, find_models
from implicit_bayes.benchmarks.verification.settings import Settings
from implicit_bayes.benchmarks.verification.verify import Answer, ask_model, fresh_documents
from implicit_bayes.lm.model import LanguageModel, NetworkModel
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import ModelError

WORTH = 1 << 18
"""Prompt tokens from which on a process of its own pays."""


def worth_it(settings: Settings, models: Sequence[LanguageModel]) -> bool:
    """Whether these models should be asked in processes of their own, here and now.

    Args:
        settings: of the verification.
        models: to ask.

    Returns:
        Whether they are all networks, with enough to answer, on a CPU of several cores.
    """
    prompts = min(settings.prompts, settings.model_prompts)
    tokens = prompts * sum((k + 1) * (max(settings.ns) + 1) for k in settings.ks)
    networks = bool(models) and all(isinstance(model, NetworkModel) for model in models)
    return networks and tokens >= WORTH and cores() > 1 and jax.default_backend() == "cpu"


@contextlib.contextmanager
def asked(
    name: str, models: Sequence[str | LanguageModel], settings: Settings, start: Start
) -> Iterator[Callable[[], list[Answer]]]:
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
    spawn = multiprocessing.get_context("spawn")
    reader, writer = spawn.Pipe(duplex=False)
    done = threading.Event()
    show = threading.Thread(target=_show, args=(reader, done, start), daemon=True)
    show.start()
    try:
        with Children(min(len(models), cores()), _begin, (writer, spawn.Lock())) as pool:
            futures = [pool.submit(_ask, name, list(models), i, settings) for i in range(len(models))]

            def answers() -> list[Answer]:
                try:
                    return [future.result() for future in futures]
                except BrokenProcessPool as error:
                    words = "model: a process that asked a language model died; was the memory full?"
                    raise ModelError(words) from error

            yield answers
    finally:
        done.set()
        show.join(1.0)  # a child that was ended in the middle of a message leaves half of one


_news: tuple[Connection, Lock] | None = None
"""A child's way to tell what it is at: where to, and a lock among the children."""


def _begin(writer: Connection, lock: Lock) -> None:
    global _news
    _news = writer, lock
    keep_compilations()
    keep_freed_memory(VERIFYING)


def _ask(name: str, models: list[str], which: int, settings: Settings) -> Answer:
    """In a child: one model. What ``untrained`` is depends on the others; they alone are read for it."""
    with jax.enable_x64(True):
        instance = load_instance(name)
        of_all = models[which] == "untrained"
        model = find_models(models, instance)[which] if of_all else find_model(models[which], instance)
        return ask_model(instance, settings, model, fresh_documents(instance, settings), _tell)


def _tell(words: str, total: int) -> Callable[[int], None]:
    _send(words, total)
    return lambda done: _send(words, -done)


def _send(words: str, count: int) -> None:
    assert _news is not None
    writer, lock = _news
    with lock:
        writer.send((words, count))


def _show(reader: Connection, done: threading.Event, start: Start) -> None:
    """Repeat on this process's screen what the children tell."""
    bars: dict[str, Callable[[int], None]] = {}
    while not done.is_set():
        if not reader.poll(0.1):
            continue
        words, count = reader.recv()
        if words in bars:
            bars[words](-count)
        else:
            bars[words] = start(words, count)
