"""The real service as a subprocess, and a client of its operator socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import nats.errors

STOP_S = 60.0
CHECKOUT = Path(__file__).resolve().parents[2]
SERVICE = (sys.executable, "-c", "import settings, supervisor, sys; sys.exit(supervisor.run(settings.load()))")


STANDSTILL_S = 2.0
"""What takes longer between two looks is more than a slow machine: it stood still, or an answer did not come."""


class OperatorConnection(http.client.HTTPConnection):
    """HTTP over the operator socket."""

    def __init__(self, path: Path, timeout_s: float = 30.0) -> None:
        super().__init__("operator", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        directory = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{directory}/{self._path.name}")
        finally:
            os.close(directory)


def eventually(what: Callable[[], Any], timeout_s: float = 90.0, every_s: float = 0.02) -> Any:
    """Call until the result is true or the time is over; the last result or error is the failure's reason.

    A machine that pauses takes hardly anything of the time: of each look, `STANDSTILL_S` at the most count.
    """
    left_s, looked_at = timeout_s, time.monotonic()
    pause = threading.Event()
    while True:
        try:
            result = what()
            problem: object = result
        except (OSError, http.client.HTTPException, nats.errors.Error, AssertionError, KeyError, ValueError) as error:
            result, problem = None, error
        if result:
            return result
        now = time.monotonic()
        left_s, looked_at = left_s - min(now - looked_at, STANDSTILL_S), now
        assert left_s > 0, f"not within {timeout_s:g} s: {problem!r}"
        pause.wait(every_s)


class Daemon:
    """One `run` on a state directory; `environment` adds settings, `command` is what runs the service."""

    def __init__(self, state_dir: Path, *, command: Sequence[str] = SERVICE, **environment: str) -> None:
        self.state_dir = state_dir
        self._command = command
        self.log_path = state_dir.parent / f"{state_dir.name}.log"
        self._environment = {**os.environ, "STATE_DIR": str(state_dir), **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the process and do not wait."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(self._command, cwd=CHECKOUT, env=self._environment, stdout=log, stderr=log)
        return self

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_until("ready")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the operator socket; returns the JSON answer."""
        connection = OperatorConnection(self.state_dir / "alpha-panda.sock")
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.request("GET", "/status")
        return status

    def child(self, name: str) -> dict[str, Any]:
        return next(child for child in self.status()["children"] if child["name"] == name)

    def wait_until(self, state: str, timeout_s: float = 90.0) -> dict[str, Any]:
        """Wait for the state, failing at once when the process ends first."""

        def reached() -> dict[str, Any] | None:
            if self.running.poll() is not None:
                raise RuntimeError(f"the daemon ended with {self.running.returncode}: {self.log()[-2000:]}")
            status = self.status()
            assert status["state"] == state, status["why_not_ready"]
            return status

        found: dict[str, Any] = eventually(reached, timeout_s)
        return found

    def wait_until_broker(self, state: str, broker: str = "paper", timeout_s: float = 90.0) -> dict[str, Any]:
        """Wait for the broker's state; returns what the status says of it."""

        def reached() -> dict[str, Any]:
            said: dict[str, Any] = self.status()["brokers"][broker]
            assert said["state"] == state, said
            return said

        found: dict[str, Any] = eventually(reached, timeout_s)
        return found

    def crash(self, child: str) -> None:
        """Have the child crash; the control actor may be gone before it answers."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.request("POST", f"/children/{child}/crash")

    def stand_still(self) -> None:
        """SIGSTOP, and wait until it stands."""
        self.running.send_signal(signal.SIGSTOP)
        self.wait_until_still()

    def wait_until_still(self) -> None:
        eventually(self._stands)

    def go_on(self) -> None:
        """SIGCONT to a process that stands or is about to: one sent too early would be lost."""
        self.wait_until_still()
        self.running.send_signal(signal.SIGCONT)

    def _stands(self) -> bool:
        stat = Path(f"/proc/{self.running.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def ended(self, timeout_s: float = 90.0) -> int:
        """Wait until it has ended; returns the exit code."""
        eventually(lambda: self.running.poll() is not None, timeout_s)
        return int(self.running.returncode)

    def stop(self) -> int:
        """SIGTERM; returns the exit code. A stop is bounded, whatever is away."""
        self.running.send_signal(signal.SIGTERM)
        return self.ended(STOP_S)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone, which a disk that is busy with what it wrote can put off."""
        self.running.kill()
        self.ended()

    def log(self) -> str:
        return self.log_path.read_text()
