"""A daemon for the demo alone: in a directory of its own, with none of the user's settings, gone with the demo."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Any, Self

from console.failure import FAILED, UNAVAILABLE, DaemonDown, DaemonUnclear, Failure
from console.operator_socket import OperatorSocket
from persistence.server_process import child_environment
from persistence.server_user import ServerUserError, command
from settings import CHECKOUT

BROKER = "paper"
ORDERS = "PAPER_ORDERS"
STARTING_CASH = 1_000_000
START_S = 120.0
STOP_S = 60.0
POLL_S = 0.05


class DemoDaemon:
    """Runs while the `with` block does; the kernel ends it if the demo dies.

    Args:
        directory: its state directory, of nobody else.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log_path = directory / "daemon.log"
        self.socket = OperatorSocket(directory / "alpha-panda.sock")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        environment = {
            **child_environment(),
            "ACTIVE_BROKERS": BROKER,
            "LOG__FORMAT": "json",
            "PAPER_TRADING__STARTING_CASH": str(STARTING_CASH),
            "PYTHONPATH": str(CHECKOUT),
            "RUNTIME_DIR": str(self.directory),
            "STATE_DIR": str(self.directory),
        }
        try:
            argv = command([sys.executable, "-m", "supervisor", "run"], Signals.SIGTERM, None)
        except ServerUserError as error:
            raise Failure(str(error), UNAVAILABLE) from None
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """Stop the daemon as an operator would; returns its exit code."""
        assert self._process is not None
        self.socket.post("stop")
        return self._process.wait(STOP_S)

    def wait_until(
        self, what: str, holds: Callable[[dict[str, Any]], bool], timeout_s: float = START_S
    ) -> dict[str, Any]:
        """The first status document for which `holds` is true.

        Raises:
            Failure: there was none in time, or the daemon ended; `what` was waited for.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            document = self._status()
            if document is not None and holds(document):
                return document
            time.sleep(POLL_S)
        raise Failure(f"{what}: not within {timeout_s:g} s; see {self.log_path} (run it with --keep)", FAILED)

    def _status(self) -> dict[str, Any] | None:
        assert self._process is not None
        if (code := self._process.poll()) is not None:
            raise Failure(f"the daemon ended with exit code {code}: {self._last_words()}", FAILED)
        try:
            document: dict[str, Any] = self.socket.get("status")
        except (DaemonDown, DaemonUnclear):
            return None
        return document

    def _last_words(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"
