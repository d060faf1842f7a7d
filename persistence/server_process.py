"""One private server as a child of the daemon: start, readiness, stop, and taking over what a crash left.

What PostgreSQL and NATS have in common is here; what differs is in `persistence.embedded` and in
`actors.gateway.embedded`, which may import this module and nothing else of `persistence`.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import ClassVar, Self

from persistence import leftovers
from persistence.private_files import make_private_directory, write_private
from persistence.server_user import ServerUser, ServerUserError, command

POLL_S = 0.01
LOG_LIMIT_BYTES = 16 * 1024 * 1024
REASON = re.compile(r"\b(?:FATAL|PANIC):\s+(.+)|\[FTL\]\s+(.+)|\b(?:error|setpriv): (.+)")


class EmbeddedServerError(Exception):
    """A private server cannot start or run; the message is one line with the reason and the log."""


class EmbeddedServer(ABC):
    """A server in a directory of its own, with a password of its own, that lives no longer than this process.

    It is started and restarted from the main thread only: the kernel ends it when the thread that started it
    ends, so that no server is left behind however the daemon dies. It runs in a session of its own, so Ctrl-C
    does not reach it, and gets next to nothing of our environment. Only one process may use the directory:
    hold its `persistence.state_directory.StateDirectory`. Nothing of a failed start is deleted.
    """

    name: ClassVar[str]
    log_name: ClassVar[str]
    death_signal: ClassVar[Signals]
    stop_signals: ClassVar[tuple[Signals, ...]]

    def __init__(self, directory: Path, *, start_timeout_s: float = 60.0) -> None:
        self.directory = directory.absolute().resolve()
        self.log_path = self.directory / self.log_name
        self._start_timeout_s = start_timeout_s
        self._password = ""
        self._user: ServerUser | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log_offset = 0

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect, with the password: never log it. Known once started; `restart` keeps it."""

    @property
    def pid(self) -> int | None:
        """The process id of the server started last; None before the first start."""
        return None if self._process is None else self._process.pid

    def poll(self) -> int | None:
        """The exit status (negative: the signal) once the server has ended, None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the server and return when it answers; a server that runs already is left alone.

        Raises:
            EmbeddedServerError: it did not start; nothing is left running.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"start {self.name} from the main thread: it ends with the thread that started it")
        if self._process is not None and self._process.poll() is None:
            return
        ready = False
        try:
            make_private_directory(self.directory)
            self._take_over()
            self._launch(self._prepare())
            self._wait_until_ready()
            ready = True
        except OSError as error:
            raise self._failure(f"{error.filename or self.directory}: {error.strerror}") from error
        except ServerUserError as error:
            raise self._failure(str(error)) from error
        finally:
            if not ready:
                self.stop()

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop the server: politely for `timeout_s`, then by force. A stopped one is left alone."""
        process = self._process
        if process is None:
            return
        for signal in (*self.stop_signals, Signals.SIGKILL):
            if process.poll() is not None:
                return
            process.send_signal(signal)
            try:
                process.wait(timeout_s if signal is self.stop_signals[0] else 5.0)
            except subprocess.TimeoutExpired:
                continue
            return
        raise EmbeddedServerError(f"{self.name} (process {process.pid}) does not end, not even by SIGKILL")

    def restart(self) -> None:
        """Start the server again on the same address; one that still runs is stopped first. Main thread only.

        Raises:
            EmbeddedServerError: it did not start again.
        """
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _take_over(self) -> None:
        """Stop what an earlier run left behind in the directory."""

    @abstractmethod
    def _prepare(self) -> Sequence[str]:
        """Make the files the server needs, set `_user` if it runs as another user, and give its command."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Whether the server answers already; called over and over for as long as the process runs."""

    def _stop_leftovers(self, matches: leftovers.Matches, signals: Sequence[Signals], patience_s: float) -> None:
        try:
            leftovers.stop(matches, signals, patience_s)
        except leftovers.LeftoverError as error:
            raise self._failure(str(error)) from error

    def _load_password(self) -> None:
        """Read the password of this directory into `_password`, or make one."""
        path = self.directory / "password"
        if not path.exists():
            self._write("password", secrets.token_urlsafe(32) + "\n")
        self._password = path.read_text(encoding="ascii", errors="replace").strip()

    def _write(self, name: str, text: str) -> None:
        write_private(self.directory / name, text)

    def _launch(self, argv: Sequence[str]) -> None:
        with os.fdopen(self._open_log(), "wb") as log:
            self._process = subprocess.Popen(
                command(argv, self.death_signal, self._user),
                cwd=self.directory,
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _run_to_end(self, argv: Sequence[str], timeout_s: float, text: str = "") -> None:
        """Run a tool of the server to its end; what it prints goes to the log.

        Raises:
            EmbeddedServerError: it failed, or took longer than `timeout_s`.
        """
        with os.fdopen(self._open_log(), "wb") as log:
            try:
                done = subprocess.run(
                    command(argv, Signals.SIGTERM, self._user),
                    cwd=self.directory,
                    env=child_environment(),
                    input=text.encode(),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    timeout=timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise self._failure(f"{Path(argv[0]).name} took longer than {timeout_s:g} s") from None
        if done.returncode != 0:
            raise self._failure(self._logged_reason() or f"{Path(argv[0]).name} exited with {done.returncode}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while not self._is_ready():
            status = self.poll()
            if status is not None:
                raise self._failure(self._logged_reason() or f"it exited with status {status}")
            if time.monotonic() > deadline:
                raise self._failure(f"it was not ready within {self._start_timeout_s:g} s")
            time.sleep(POLL_S)

    def _open_log(self) -> int:
        """Open the log for one more run, a large one set aside, and remember where this run begins."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT_BYTES:
            self.log_path.replace(self.log_path.with_name(f"{self.log_name}.1"))
        descriptor = os.open(self.log_path, flags, 0o600)
        self._log_offset = os.fstat(descriptor).st_size
        return descriptor

    def _logged_reason(self) -> str:
        """What this run's part of the log says about its failure: the fatal line, else the last line."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_offset)
            lines = [line for line in log.read(256 * 1024).decode(errors="replace").splitlines() if line.strip()]
        for line in lines:
            if found := REASON.search(line):
                return next(part for part in found.groups() if part).strip()
        return lines[-1].strip() if lines else ""

    def _failure(self, reason: str) -> EmbeddedServerError:
        log = f"; log: {self.log_path}" if self.log_path.is_file() else ""
        return EmbeddedServerError(f"the embedded {self.name} did not start: {reason}{log}")


def child_environment() -> dict[str, str]:
    """The part of our environment a server may see: nothing that could be a secret."""
    names = ("PATH", "LANG", "HOME", "TZ", "TMPDIR")
    return {name: os.environ[name] for name in names if name in os.environ}


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def version_of(binary: Path) -> tuple[int, ...]:
    """The version a server binary reports with `--version`; `(0,)` when it does not run.

    Raises nothing: a binary that cannot be run is one that is not usable.
    """
    try:
        done = subprocess.run(
            [binary, "--version"],
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"(\d+(?:\.\d+)*)", done.stdout)
    return (0,) if found is None else tuple(int(part) for part in found[1].split("."))
