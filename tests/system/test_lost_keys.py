"""A key that is lost is no dead end: the sessions that it sealed are found, forgotten, and the daemon starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.conftest import execute
from tests.console.conftest import Command, command
from tests.system import streams
from tests.system.daemon import Daemon

__all__ = ["command"]


@pytest.fixture
def state_dir(tmp_path: Path, database_url: str, streams_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a daemon on servers of others; its settings are also those of commands."""
    given = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url, "STATE_DIR": str(tmp_path / "state")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "state"


def use_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH__TOKEN_KEYS", Fernet.generate_key().decode())


def test_a_lost_key_is_found_and_its_sessions_are_forgotten_so_that_the_daemon_starts(
    state_dir: Path, command: Command, database_url: str, streams_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_key(monkeypatch)
    with Daemon(state_dir) as daemon:
        for user in ("alice", "bob"):
            streams.request(streams_url, "panda.sessions.save", streams.session_save(user, f"token of {user}"))
        early = command("sessions", "forget", "--unreadable")
        assert daemon.stop() == 0
    assert (early.code, "a daemon trades on this database" in early.err) == (75, True)
    sealed = execute(database_url, "SELECT session_data->>'access_token' FROM trading_sessions WHERE user_id = 'bob'")
    use_key(monkeypatch)
    refused = Daemon(state_dir).start()
    assert refused.ended() == 78
    assert "`alpha-panda sessions forget --unreadable`" in refused.log()

    looked = {step["component"]: step for step in json.loads(command("doctor", "--json").out)}["Stored tokens"]
    forgotten = command("sessions", "forget", "--unreadable")
    again = command("sessions", "forget", "--unreadable")

    assert looked["status"] == "unhealthy"
    assert "sealed with another key" in looked["message"]
    assert "sessions forget --unreadable" in looked["cure"]
    assert (forgotten.code, again.code) == (0, 0)
    assert forgotten.out == "2 sessions forgotten; these users log in again\n"
    assert again.out == "no session is unreadable\n"
    assert {f"session forgotten {user}" for user in ("alice", "bob")} == {
        f"{line['event']} {line['user']}" for line in map(json.loads, forgotten.err.splitlines())
    }
    assert str(sealed[0][0]) not in forgotten.out + forgotten.err
    rows = execute(
        database_url,
        "SELECT is_active, session_data ? 'access_token', session_data->>'invalidation_reason' FROM trading_sessions",
    )
    assert rows == [(False, False, "token_key_lost")] * 2
    with Daemon(state_dir) as daemon:
        assert {one["state"] for one in daemon.request("GET", "/sessions")} == {"invalidated"}


def test_sessions_that_a_key_opens_are_not_forgotten(
    state_dir: Path, command: Command, database_url: str, streams_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_key(monkeypatch)
    with Daemon(state_dir) as daemon:
        streams.request(streams_url, "panda.sessions.save", streams.session_save("alice", "token"))
        daemon.stop()

    assert command("sessions", "forget", "--unreadable").out == "no session is unreadable\n"
    assert execute(database_url, "SELECT is_active FROM trading_sessions") == [(True,)]


def test_a_key_that_is_not_configured_is_not_taken_for_a_lost_one(
    state_dir: Path, command: Command, database_url: str, streams_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_key(monkeypatch)
    with Daemon(state_dir) as daemon:
        streams.request(streams_url, "panda.sessions.save", streams.session_save("alice", "token"))
        daemon.stop()
    monkeypatch.delenv("AUTH__TOKEN_KEYS")

    refused = Daemon(state_dir).start()
    assert refused.ended() == 78
    assert "is sealed, and no key is configured: set AUTH__TOKEN_KEYS_FILE" in refused.log()
    assert command("sessions", "forget", "--unreadable").code == 78
    assert execute(database_url, "SELECT is_active FROM trading_sessions") == [(True,)]


def test_what_is_to_be_forgotten_must_be_said(command: Command) -> None:
    assert command("sessions", "forget").code == 64
