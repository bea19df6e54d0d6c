"""Child processes that leave when we do: on an interrupt from the keyboard, on SIGTERM, and on SIGKILL.

A terminal sends an interrupt to every process of the group; children must not answer it with tracebacks of their own,
so they are started with it blocked, and ended by their parent. Where the parent is killed they notice that they have
another one now.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

PARENT = "IMPLICIT_BAYES_PARENT"
"""Environment variable by which a program started by ``run`` or ``start`` knows whom it works for."""
T = TypeVar("T")
PATIENCE = 5.0
"""Seconds between asking a child to end and making it."""


@contextmanager
def deaf() -> Iterator[None]:
    """What is started in this block never receives an interrupt from the keyboard; this process gets it afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Children:
    """A pool of fresh processes, ended with the block that it is the context of: at once if that ends in an error.

    Args:
        workers: how many.
        initializer, initargs: called first in each; a function of a module.
    """

    def __init__(self, workers: int, initializer: Callable[..., None] | None = None, initargs: tuple[object, ...] = ()):
        # By name, so that a child watches its parent before it imports anything heavy.
        named = f"{initializer.__module__}:{initializer.__qualname__}" if initializer else ""
        self.workers, self.begin = workers, (os.getpid(), named, initargs)
        self.others = set(multiprocessing.active_children())
        self.executor = self._fresh()

    def _fresh(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, spawn, initializer=_begin, initargs=self.begin)

    def submit(self, call: Callable[..., T], *arguments: object) -> "Future[T]":
        """See ``concurrent.futures.Executor.submit``.

        Returns:
            A future; the process that runs it ends with this one.
        """
        with deaf():  # processes are started as they are needed
            return self.executor.submit(call, *arguments)

    def renew(self) -> None:
        """Start again with new processes: one that dies takes the whole pool with it."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = self._fresh()

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            end(process for process in multiprocessing.active_children() if process not in self.others)
        self.executor.shutdown(cancel_futures=True)


def end(processes: Iterable[BaseProcess]) -> None:
    """Terminate processes of multiprocessing, by force where that does not do."""
    every = list(processes)
    for process in every:
        process.terminate()
    last = time.monotonic() + PATIENCE
    for process in every:
        process.join(max(0.0, last - time.monotonic()))
        if process.is_alive():
            process.kill()


def start(command: Sequence[str], **settings: Any) -> subprocess.Popen[str]:  # Popen's own
    """``subprocess.Popen`` of a program of ours, which calls ``watch_parent`` first; text in and out.

    Returns:
        The running process.
    """
    environment = {**os.environ, PARENT: str(os.getpid())}
    with deaf():
        return subprocess.Popen(command, text=True, env=environment, **settings)


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A program of ours to its end, its output captured; it is killed where we are interrupted.

    Returns:
        Exit status, standard output and standard error, as text.
    """
    process = start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, error = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    return subprocess.CompletedProcess(list(command), process.returncode, out, error)


def watch_parent(parent: int | None = None) -> None:
    """End this process as soon as its parent is gone.

    Args:
        parent: its process number; by default what ``start`` said, and nothing is done where nobody said anything.
    """
    named = os.environ.get(PARENT, "") if parent is None else str(parent)
    if not named.isdecimal():
        return

    def watch() -> None:
        while os.getppid() == int(named):
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _begin(parent: int, named: str, initargs: tuple[object, ...]) -> None:
    watch_parent(parent)
    if named:
        module, _, name = named.partition(":")
        getattr(importlib.import_module(module), name)(*initargs)
