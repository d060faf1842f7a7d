"""The test's side of `tests.faults.launcher`: arm a point, learn that it was struck, let go what is held there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tests.faults.points import BY_NAME
from tests.system.daemon import Daemon, eventually

LAUNCHER = (sys.executable, "-m", "tests.faults.launcher")


class Faults:
    """The points of one daemon.

    Args:
        directory: of its own; it is made.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        self._gate = directory / "gate"
        os.mkfifo(self._gate)

    def daemon(self, state_dir: Path, **environment: str) -> Daemon:
        """The real service with these points."""
        return Daemon(state_dir, command=LAUNCHER, FAULTS=str(self.directory), **environment)

    def arm(self, point: str, action: str, nth: int = 1) -> None:
        """Have the nth call from now on struck."""
        assert point in BY_NAME
        self.disarm()
        fresh = self.directory / f"{point}.new"
        fresh.write_text(f"{action} {nth}")
        fresh.rename(self.directory / point)

    def was_hit(self, point: str) -> bool:
        return (self.directory / f"{point}.hit").exists()

    def wait_until_hit(self, point: str, timeout_s: float = 60.0) -> None:
        eventually(lambda: self.was_hit(point), timeout_s)

    def disarm(self) -> None:
        """Forget what is armed and what was struck."""
        for point in BY_NAME:
            (self.directory / point).unlink(missing_ok=True)
            (self.directory / f"{point}.hit").unlink(missing_ok=True)

    def let_go(self) -> None:
        """Open the gate for who is held."""

        def opened() -> Any:
            os.close(os.open(self._gate, os.O_WRONLY | os.O_NONBLOCK))
            return True

        eventually(opened)
