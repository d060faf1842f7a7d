"""`status` with a daemon, without one, and with something else in its place."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.console.conftest import Command
from tests.system.daemon import Daemon

DOCUMENT = {
    "node",
    "pid",
    "version",
    "state",
    "since",
    "as_of",
    "why_not_ready",
    "children",
    "brokers",
    "database",
    "nats",
    "checks",
    "dead_letters",
    "zombies",
}
CHILD = {
    "name",
    "state",
    "since",
    "restarts",
    "last_error",
    "mailbox",
    "handled",
    "failed",
    "dead_letters",
    "handling",
    "depends_on",
}
BROKER = {
    "state",
    "lease",
    "session",
    "signals",
    "orders",
    "fills",
    "realized_pnl",
    "unrealized_pnl",
    "last_signal_age_s",
}
DATABASE = {"state", "url", "embedded", "schema", "last_commit_age_s", "commits", "rows"}
NATS = {"state", "url", "embedded", "streams"}


@pytest.fixture
def socket_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the operator socket of this test's settings would be."""
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    return tmp_path / "alpha-panda.sock"


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Something that is not a daemon serves the socket: it gives every caller the same answer."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        caller, _ = listener.accept()
        with caller:
            caller.recv(65536)
            caller.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(10)
        listener.close()


def test_a_ready_daemon_shows_its_actors_brokers_and_servers(command: Command, daemon: Daemon) -> None:
    daemon.wait_until("ready")

    result = command("status")

    assert result.code == 0
    assert result.out.startswith("Alpha Panda ready")
    for name in ("control", "database", "auth", "health", "trading.paper", "gateway", "PostgreSQL", "NATS"):
        assert f"\n{name} " in result.out


@pytest.mark.parametrize("columns", [80, 110, 120])
def test_the_screen_fits_its_columns_without_colours(
    command: Command, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    out = command("status").out

    assert max(map(len, out.splitlines())) <= columns
    assert "\x1b" not in out
    assert "…" not in out


def test_json_has_the_keys_of_the_contract(command: Command, daemon: Daemon) -> None:
    result = command("status", "--json")

    document = json.loads(result.out)
    assert document.keys() >= DOCUMENT
    assert all(child.keys() >= CHILD for child in document["children"])
    assert document["children"][0]["mailbox"].keys() >= {"depth", "high_water", "capacity", "oldest_age_s"}
    assert document["brokers"]["paper"].keys() >= BROKER
    assert document["brokers"]["paper"]["lease"].keys() >= {"owner", "epoch", "mine"}
    assert document["brokers"]["paper"]["session"].keys() >= {"user_id", "expires_at", "state"}
    assert document["database"].keys() >= DATABASE
    assert document["nats"].keys() >= NATS
    assert document["checks"][0].keys() >= {"component", "passed", "message", "duration_ms", "as_of"}
    password = (daemon.state_dir / "postgres" / "password").read_text().strip()
    assert password not in result.out


def test_a_daemon_that_is_down_is_critical(command: Command, socket_path: Path) -> None:
    result = command("status")

    assert result.code == 2
    assert result.out.startswith("unreachable")
    assert "alpha-panda run" in result.out


def test_the_cure_names_the_command_as_it_was_called(
    command: Command, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHA_PANDA_PROGRAM", "./panda")

    assert "`./panda run`" in command("status").out
    assert "see `./panda status --help`" in command("status", "--bogus").err


def test_a_daemon_that_is_down_is_shown_as_it_was_last(command: Command, daemon: Daemon, socket_path: Path) -> None:
    document = daemon.status()
    (socket_path.parent / "last_status.json").write_text(json.dumps(document))

    seen, printed = command("status", "--json"), command("status")

    found = json.loads(seen.out)
    assert seen.code == printed.code == 2
    assert found["state"] == "unreachable"
    assert found["last"] == document
    assert 0 <= found["age_s"] < 600
    assert found["why_not_ready"]
    assert found["as_of"].endswith("Z")
    assert "The last known state, of " in printed.out
    assert "trading.paper" in printed.out


def test_a_damaged_last_status_is_as_good_as_none(command: Command, socket_path: Path) -> None:
    (socket_path.parent / "last_status.json").write_text('{"as_of": "now"')

    result = command("status", "--json")

    assert result.code == 2
    assert json.loads(result.out)["last"] is None


def test_a_socket_that_a_crash_left_behind_is_a_daemon_that_is_down(command: Command, socket_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(socket_path))
    left.close()

    assert command("status").code == 2


def test_something_else_in_the_place_of_the_socket_is_unknown(command: Command, socket_path: Path) -> None:
    socket_path.mkdir()

    result = command("status")

    assert result.code == 3
    assert "something else than a socket" in result.out


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    ],
)
def test_an_answer_that_no_daemon_gives_is_unknown(command: Command, socket_path: Path, answer: bytes) -> None:
    with answering(socket_path, answer):
        result = command("status", "--json")

    assert result.code == 3
    assert json.loads(result.out)["state"] == "unreachable"


def test_a_socket_with_a_path_of_any_length_is_found(
    command: Command, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path / ("deep" * 20) / ("down" * 20)
    far.parent.mkdir()
    far.symlink_to(daemon.state_dir)
    monkeypatch.setenv("RUNTIME_DIR", str(far))

    assert command("status").code == 0
