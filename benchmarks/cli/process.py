"""The program as a process: its streams, its signals, and one line for whatever ends it early.

Nothing heavy is imported before the handlers stand, so that an interrupt at any moment ends without a traceback.
Exit status: 0 done, 1 a failed check or a machine at its limits, 2 bad input, 130 and 143 interrupted and terminated,
141 where whoever read the output has left.
"""

import codecs
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import cast

from implicit_bayes.benchmarks.common.letters import SPELT, spelt

BROKEN_PIPE = 128 + signal.SIGPIPE
COLLECT_AFTER = 100_000
"""Objects made from one search for garbage to the next: with Python's 700 it takes a tenth of a short command."""
LIMITS = "what was finished is kept"
ADDRESSES = 2 << 30
"""Bytes of address space with which verify ginc ends; with three quarters of it LLVM ended in a segmentation fault."""


class Terminated(BaseException):
    """SIGTERM arrived; clean up as for an interrupt."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one subcommand and exit with its status."""
    _open_streams()
    gc.set_threshold(COLLECT_AFTER, 20, 100)
    with suppress(ValueError):  # not the main thread: whoever embeds us has handlers of their own
        signal.signal(signal.SIGTERM, _terminate)
    status = guarded(lambda: _run(sys.argv[1:] if arguments is None else list(arguments)))
    if status in (130, 143):  # children are gone; threads that a library left would only complain
        os._exit(status)
    sys.exit(status)


def _run(arguments: Sequence[str]) -> int:
    from implicit_bayes.benchmarks.cli.commands import run

    if arguments[:1] == ["verify"]:
        from implicit_bayes.benchmarks.common.freed_memory import VERIFYING, keep_freed_memory

        keep_freed_memory(VERIFYING)
        if not any(each.startswith("--model") for each in arguments):
            _hide_dask()
    return run(arguments, keep=True)


def _hide_dask() -> None:
    """xarray imports Dask, where there is one, at the first array that it is given: a sixth of a second, for nothing
    where no array is Dask's. A module that is None is one that cannot be imported."""
    modules = cast(dict[str, object], sys.modules)
    modules.setdefault("dask", None)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def guarded(call: Callable[[], int]) -> int:
    """The exit status of a call, with one line on standard error for interrupts and for the machine's limits.

    Args:
        call: returns an exit status.

    Returns:
        The call's own status; 1 for a limit of the machine, 130 and 143 for an interrupt and for SIGTERM, and
        BROKEN_PIPE where whoever read the output went away.
    """
    try:
        status = call()
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        complain("interrupted; files from before this run are as they were, and a training goes on with --resume")
        return 130
    except Terminated:
        complain("terminated; files from before this run are as they were, and a training goes on with --resume")
        return 143
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except MemoryError as error:
        complain(f"memory: not enough ({error or 'allocation failed'}); ask for less, or raise the limit; {LIMITS}")
        return 1
    except OSError as error:
        _drop_output()
        where = f": {error.filename}" if error.filename else ""
        complain(f"the system says: {error.strerror or error}{where}; {LIMITS}")
        return 1
    except RuntimeError as error:
        if not any(word in str(error) for word in ("RESOURCE_EXHAUSTED", "can't start new thread", "out of memory")):
            raise
        complain(f"memory: not enough ({str(error)[:200]}); ask for less, or raise the limit; {LIMITS}")
        return 1


def check_addresses() -> None:
    """Stop where compiled code would die of a limit on the address space instead of saying so.

    Raises:
        MemoryError: ``ulimit -v`` is below ADDRESSES.
    """
    with suppress(ImportError):  # no such limits here
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY and limit < ADDRESSES:
            has = f"this shell allows {limit / 2**30:.1f} GiB of addresses, ulimit -v"
            raise MemoryError(f"{has}, and compiled code takes {ADDRESSES / 2**30:g}")


def _open_streams() -> None:
    """Make sure that descriptors 0 to 2 are open (a file opened later must not become standard output), and that no
    character is beyond what they can write."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    codecs.register_error(SPELT, spelt)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=SPELT)


def _drop_output() -> None:
    """Send what is still to be written to standard output nowhere, so that the interpreter's last flush succeeds."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def complain(message: str) -> None:
    """One line on standard error."""
    with suppress(OSError, ValueError):
        print("implicit-bayes: error: " + " ".join(message.split()), file=sys.stderr, flush=True)
