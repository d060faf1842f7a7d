"""Server processes that an earlier run left behind: found by their command lines in `/proc`, and ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import Signals

POLL_S = 0.01

Matches = Callable[[list[str]], bool]


class LeftoverError(Exception):
    """A process of an earlier run cannot be stopped; the message is one line."""


def find(matches: Matches) -> list[int]:
    """The ids of the running processes whose command line `matches`; a command line has at least one part."""
    processes = [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [int(entry.name) for entry in processes if matches(_argv(entry)) and entry.name != str(os.getpid())]


def stop(matches: Matches, signals: Sequence[Signals], patience_s: float) -> None:
    """Send each of `signals` in turn to the processes that match, `patience_s` apart, until none is left.

    Raises:
        LeftoverError: one belongs to another user, or outlives the last signal.
    """
    pids = find(matches)
    for signal in signals:
        for pid in pids:
            _send(pid, signal)
        deadline = time.monotonic() + patience_s
        while pids and time.monotonic() < deadline:
            time.sleep(POLL_S)
            pids = find(matches)
        if not pids:
            return
    raise LeftoverError(f"process {pids[0]} of an earlier run does not end")


def _argv(process: Path) -> list[str]:
    try:
        raw = (process / "cmdline").read_bytes()
    except OSError:
        return [""]
    return os.fsdecode(raw).rstrip("\0").split("\0")


def _send(pid: int, signal: Signals) -> None:
    try:
        os.kill(pid, signal)
    except ProcessLookupError:
        return
    except PermissionError:
        raise LeftoverError(f"process {pid} of an earlier run belongs to another user: stop it") from None
