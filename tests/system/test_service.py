"""What the real service tells a service manager, and how it reloads."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.daemon import Daemon

LONG_S = 60.0


class Manager:
    """A manager's end of the notification socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def wait_for(self, *assignments: str) -> list[str]:
        """Wait for a datagram with lines that begin so; returns the lines."""
        self._socket.settimeout(LONG_S)
        while True:
            lines = self._socket.recv(4096).decode().splitlines()
            if all(any(line.startswith(one) for line in lines) for one in assignments):
                return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    one = Manager(tmp_path / "notify")
    yield one
    one.close()


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / "panda.env"
    path.write_text("LOG__FORMAT=json\n")
    return path


@pytest.fixture
def managed(tmp_path: Path, database_url: str, streams_url: str, manager: Manager, env_file: Path) -> Iterator[Daemon]:
    """The service, run with an env file, a manager that waits 3 s for a sign of life, and servers."""
    given = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    command = (sys.executable, "-m", "supervisor", "--env-file", str(env_file), "run")
    daemon = Daemon(tmp_path / "state", command=command, **servers, **given).start()
    try:
        manager.wait_for("READY=1")
        yield daemon
    finally:
        daemon.kill()


def test_the_manager_hears_of_life_figures_and_the_end(managed: Daemon, manager: Manager) -> None:
    manager.wait_for("WATCHDOG=1")
    line = manager.wait_for("STATUS=ready: ")[0]
    assert line.endswith(", postgres up, nats up")
    assert line.startswith("STATUS=ready: 1 broker, ")

    managed.running.send_signal(signal.SIGTERM)

    assert "EXTEND_TIMEOUT_USEC=60000000" in manager.wait_for("STOPPING=1")
    assert managed.ended() == 0


def test_a_hang_up_reloads_the_settings(managed: Daemon, manager: Manager, env_file: Path) -> None:
    env_file.write_text("LOG__FORMAT=json\nLOG__LEVEL=warning\nDATABASE__POOL_SIZE=3\nPAPER_TRADING__STARTING_CASH=5\n")

    os.kill(managed.running.pid, signal.SIGHUP)

    manager.wait_for("RELOADING=1", "MONOTONIC_USEC=")
    manager.wait_for("READY=1")
    for told in (
        '"LOG__LEVEL info -> warning", "event": "setting changed"',
        '"DATABASE__POOL_SIZE 20 -> 3", "event": "setting changed"',
        '"PAPER_TRADING__STARTING_CASH 1000000 -> 5", "event": "setting needs a restart"',
    ):
        assert told in managed.log()
    assert managed.wait_until("ready")["checks"]


def test_a_hang_up_with_settings_that_cannot_be_used_changes_nothing(
    managed: Daemon, manager: Manager, env_file: Path
) -> None:
    env_file.write_text("LOG__LEVEL=loud\n")

    os.kill(managed.running.pid, signal.SIGHUP)

    manager.wait_for("READY=1")
    assert "settings not reloaded" in managed.log()
    assert managed.wait_until("ready")


def test_an_abort_tells_where_the_threads_are(managed: Daemon) -> None:
    """Python reads their frames while they run; that may fault, which is told as well."""
    os.kill(managed.running.pid, signal.SIGABRT)

    assert managed.ended() in {-signal.SIGABRT, -signal.SIGSEGV}
    assert "Fatal Python error: Aborted" in managed.log()
    assert "(most recent call first)" in managed.log()
