"""Where the process begins and ends. Signals end it quietly, also while the imports of the command line are running.

Ctrl-C does so for every command, and SIGTERM for the daemon, which minds it by itself once there is something to stop.

And `status` shall answer at once, of whose time a quarter went into looking for garbage among what is imported, and
into taking all of it apart again.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from types import FrameType

from console.failure import INTERRUPTED, OK

STANDARD = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def main() -> None:
    """Run the command of the process's arguments, and end the process with its exit code."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else the caller wants it ignored
    if ours:
        signal.signal(signal.SIGINT, _end)
    if sys.argv[1:][-1:] == ["run"] and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)
    _open_streams()
    gc.disable()
    from console.app import execute  # noqa: PLC0415 - this is what takes the time

    gc.enable()
    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _leave(execute(sys.argv[1:]))


def _end(number: int, _frame: FrameType | None) -> None:
    """At once: nothing is held yet, and an exception from within an import may be caught, changed or printed."""
    os._exit(INTERRUPTED if number == signal.SIGINT else OK)


def _open_streams() -> None:
    """A standard stream that was closed leads nowhere: else the next socket had its number, and got what is printed."""
    while (number := os.open(os.devnull, os.O_RDWR)) < len(STANDARD):
        os.set_inheritable(number, True)
    os.close(number)
    for number, (name, mode) in enumerate(STANDARD):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _leave(exit_code: int) -> None:
    """At once where no thread is left that another would wait for. Whether the output was taken is known by now."""
    if threading.active_count() == 1:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(exit_code)
    sys.exit(exit_code)
