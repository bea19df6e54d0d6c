"""Programs that hear an interrupt from the keyboard, whatever started the tests."""

import sys

_HEARD = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"


def foreground(*arguments):
    """The command that runs Python with these arguments: a shell starts what it puts in the background deaf to
    interrupts, and so its children. (``preexec_fn`` would fork a process in which JAX has threads.)"""
    return [sys.executable, "-c", _HEARD, sys.executable, *arguments]
