"""Where the process begins: signals end it quietly, also while the imports of the command line are running.

Ctrl-C does so for every command, and SIGTERM for the daemon, which minds it by itself once there is something to stop.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from console.failure import INTERRUPTED, OK


def main() -> None:
    """Run the command of the process's arguments, and end the process with its exit code."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else the caller wants it ignored
    if ours:
        signal.signal(signal.SIGINT, _end)
    if sys.argv[1:][-1:] == ["run"] and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)
    from console.app import main as run  # noqa: PLC0415 - this is what takes the time

    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _end(number: int, _frame: FrameType | None) -> None:
    """At once: nothing is held yet, and an exception from within an import may be caught, changed or printed."""
    os._exit(INTERRUPTED if number == signal.SIGINT else OK)
