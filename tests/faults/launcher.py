"""Runs the real daemon with its points of `tests.faults.points` made to fail on demand.

`FAULTS` names a directory. A file there with the name of a point arms it: `ACTION NTH`, the NTH call from then on
being struck, once, after which the file is named `POINT.hit`. The actions: `kill` (SIGKILL to itself), `stop`
(SIGSTOP to itself, and on when it is continued), `raise`, and `hold` until somebody opens the FIFO `gate` for writing.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import settings
import supervisor
from tests.faults.points import POINTS, Point


class Injected(Exception):
    """The error of the action `raise`."""


class Armed:
    """One point in this process, counted over all threads."""

    def __init__(self, point: Point, directory: Path) -> None:
        self.point = point
        self._file = directory / point.name
        self._gate = directory / "gate"
        self._calls = 0
        self._lock = threading.Lock()

    @property
    def is_armed(self) -> bool:
        """Whether it is about to be struck, or was."""
        return self._file.exists() or self._file.with_suffix(".hit").exists()

    def strike(self) -> None:
        """Called at each passage."""
        with self._lock:
            if not self._file.exists():
                return
            action, nth = self._file.read_text().split()
            self._calls += 1
            if self._calls < int(nth):
                return
            self._calls = 0
            self._file.rename(self._file.with_suffix(".hit"))
        self._act(action)

    def _act(self, action: str) -> None:
        if action == "raise":
            raise Injected(self.point.name)
        if action == "hold":
            self._gate.read_bytes()
        else:
            os.kill(os.getpid(), {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[action])


def install(directory: Path) -> None:
    """Make every point passable and armable; fails when the table names a function that there is not."""
    for point in POINTS:
        armed = Armed(point, directory)
        _replace(point.target, functools.partial(_struck, armed))
        for target in point.without:
            _replace(target, functools.partial(_left_out, armed))


def _replace(target: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    owner, name = find(target)
    setattr(owner, name, wrap(getattr(owner, name)))


def find(target: str) -> tuple[Any, str]:
    """The module or class that has the function, and the function's name there.

    Raises:
        AttributeError: there is no such class or function.
    """
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    getattr(owner, name)
    return owner, name


def _struck(armed: Armed, call: Callable[..., Any]) -> Callable[..., Any]:
    after = armed.point.after
    if inspect.iscoroutinefunction(call):

        async def awaited(*arguments: Any, **named: Any) -> Any:
            if not after:
                armed.strike()
            result = await call(*arguments, **named)
            if after:
                armed.strike()
            return result

        return functools.wraps(call)(awaited)

    @functools.wraps(call)
    def called(*arguments: Any, **named: Any) -> Any:
        if not after:
            armed.strike()
        result = call(*arguments, **named)
        if after:
            armed.strike()
        return result

    return called


def _left_out(armed: Armed, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def perhaps(*arguments: Any, **named: Any) -> Any:
        return None if armed.is_armed else call(*arguments, **named)

    return perhaps


if __name__ == "__main__":
    install(Path(os.environ["FAULTS"]))
    sys.exit(supervisor.run(settings.load()))
