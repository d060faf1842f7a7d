"""What the service manager is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.runtime.systemd import Notifier


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


def test_the_address_is_not_left_to_children(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

    Notifier.from_environment()

    assert Notifier.from_environment()._address is None


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all"])
def test_without_a_manager_nothing_happens(address: str | None) -> None:
    Notifier(address).send("READY=1")
