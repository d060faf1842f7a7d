"""What the service manager is told."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.runtime.systemd import Notifier, take_watchdog


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.settimeout(5)
        yield one


def test_states_arrive_as_one_datagram(manager: socket.socket, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    manager.bind(address)

    Notifier(address).send("READY=1", "STATUS=trading")

    assert manager.recv(1000) == b"READY=1\nSTATUS=trading"


def test_an_abstract_address_begins_with_an_at_sign(manager: socket.socket, tmp_path: Path) -> None:
    manager.bind(f"\0{tmp_path}")

    Notifier(f"@{tmp_path}").send("STOPPING=1")

    assert manager.recv(1000) == b"STOPPING=1"


def test_what_the_manager_passes_is_not_left_to_children(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))

    assert Notifier.from_environment().watchdog_s == 30.0

    assert Notifier.from_environment()._address is None
    assert {name for name in os.environ if name.startswith("WATCHDOG")} == set()


@pytest.mark.parametrize(
    ("passed", "seconds"),
    [
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "7"}, 1.5),
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0", "WATCHDOG_PID": "7"}, None),
        ({"WATCHDOG_USEC": "soon", "WATCHDOG_PID": "7"}, None),
        ({"WATCHDOG_PID": "7"}, None),
        ({}, None),
    ],
)
def test_the_process_that_is_watched_learns_within_which_time(passed: dict[str, str], seconds: float | None) -> None:
    assert take_watchdog(passed, 7) == seconds
    assert passed == {}


def test_a_reload_says_when_it_began(manager: socket.socket, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    manager.bind(address)
    before = time.monotonic_ns() // 1000

    Notifier(address).reloading()

    state, _, began = manager.recv(1000).decode().partition("\n")
    assert state == "RELOADING=1"
    assert before <= int(began.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_a_stop_says_how_long_it_may_take(manager: socket.socket, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    manager.bind(address)

    Notifier(address).stopping(within_s=60.0)

    assert manager.recv(1000).split(b"\n")[:2] == [b"STOPPING=1", b"EXTEND_TIMEOUT_USEC=60000000"]


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all"])
def test_without_a_manager_nothing_happens(address: str | None) -> None:
    Notifier(address).send("READY=1")
