"""The command line: ``implicit-bayes SUBCOMMAND …`` (also ``python -m implicit_bayes SUBCOMMAND …``).

Bad input ends with exit status 2 and one line on standard error that names the field and the remedy.
"""

import contextlib
import difflib
import io
import re
import sys
from collections.abc import Callable, Sequence

import tyro

from implicit_bayes.benchmarks.cli import help_text
from implicit_bayes.benchmarks.cli.process import check_addresses, complain, guarded
from implicit_bayes.benchmarks.cli.products import figures, report, reproduce, sample, train
from implicit_bayes.benchmarks.cli.questions import Work, bench, check, gap, search, statements, verify

COMMANDS: dict[str, Callable[..., Work]] = {
    "verify": verify,
    "train": train,
    "gap": gap,
    "check": check,
    "search": search,
    "sample": sample,
    "reproduce": reproduce,
    "report": report,
    "figures": figures,
    "bench": bench,
    "statements": statements,
}


def run(arguments: Sequence[str], keep: bool = False) -> int:
    """Run one subcommand, to an exit status whatever ends it (``benchmarks.cli.process``).

    Args:
        arguments: of the command line.
        keep: whether JAX's compilations are kept on disk (``benchmarks.common.compilation``): a setting of the process.

    Returns:
        0 done, 1 failed or a check is broken, 2 input refused; 128 and a signal's number where one ended it.
    """
    return guarded(lambda: _run(arguments, keep))


def _run(arguments: Sequence[str], keep: bool) -> int:
    try:
        call = parse(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    from implicit_bayes.benchmarks.common.storage import CheckFailed
    from implicit_bayes.lm.faults import TrainingStopped
    from implicit_bayes.theory.objects.checks import ModelError

    try:
        _do(call(), keep)
    except (CheckFailed, TrainingStopped) as error:
        complain(str(error))
        return 1
    except ModelError as error:
        complain(str(error))
        return 2
    except ImportError as error:
        from implicit_bayes.benchmarks.common import extras

        module = extras.absent(error)
        if module is None:
            raise
        complain(extras.missing(module))
        return 2
    return 0


def _do(work: Work, keep: bool) -> None:
    check_addresses()
    import jax

    from implicit_bayes.benchmarks.common.compilation import keep_compilations

    if keep:
        keep_compilations()
    with jax.enable_x64(True):
        work()


def parse(arguments: Sequence[str]) -> Callable[[], Work]:
    """The chosen subcommand with its arguments bound; argument errors become one line and SystemExit(2).

    Returns:
        Nothing has run yet: a call gives the work, which a second call does.

    Raises:
        SystemExit: 2 for arguments that are off, 0 after --help or --version.
    """
    name, rest = (arguments[0], list(arguments[1:])) if arguments else ("--help", [])
    if name in ("--help", "-h"):
        print(help_text.overview(COMMANDS, DESCRIPTION), end="")
        raise SystemExit(0)
    if name == "--version":
        print(f"implicit-bayes {version()}")
        raise SystemExit(0)
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        guess = f"did you mean {near[0]!r}? " if near else ""
        complain(f"unknown subcommand {name!r}; {guess}choose {', '.join(COMMANDS)}")
        raise SystemExit(2)
    if {"--help", "-h"} & set(rest):
        print(help_text.of_command(COMMANDS[name]), end="")
        raise SystemExit(0)
    bound: dict[str, Callable[[], Work]] = {}
    captured = io.StringIO()
    try:
        with contextlib.redirect_stderr(captured):
            tyro.cli(_defer(COMMANDS[name], bound), prog=f"implicit-bayes {name}", args=rest)
    except SystemExit as stop:
        if stop.code:
            complain(one_line(captured.getvalue()) or "the arguments are off; see --help")
        raise
    return bound["call"]


def version() -> str:
    """The installed version; "unknown" where the project is run without being installed.

    Returns:
        As in pyproject.toml.
    """
    from importlib import metadata

    try:
        return metadata.version("implicit-bayes")
    except metadata.PackageNotFoundError:
        return "unknown"


def _defer(command: Callable[..., Work], bound: dict[str, Callable[[], Work]]) -> Callable[..., None]:
    """The same signature and help as ``command``, but only remembers the call (so parsing errors stay apart)."""
    import functools

    @functools.wraps(command)
    def remember(*args: object, **kwargs: object) -> None:
        seed = kwargs.get("seed")
        if isinstance(seed, int) and not 0 <= seed < 1 << 63:
            words = "is negative; give 0 or more" if seed < 0 else "is too large; give less than 2^63"
            print(f"seed: {seed} {words}", file=sys.stderr)  # as the parser of arguments does
            raise SystemExit(2)
        bound["call"] = functools.partial(command, *args, **kwargs)

    return remember


def one_line(box: str) -> str:
    """The words of an argument parser's box, on one line.

    Returns:
        Words between single spaces.
    """
    words = re.sub(r"[─│╭╮╰╯━┃]+", " ", box)
    return re.sub(r"\s+", " ", words).strip()


DESCRIPTION = """Verify in-context learning as implicit Bayesian inference (Xie et al. 2022).

Start with: implicit-bayes verify ginc --out out/ginc
"""
