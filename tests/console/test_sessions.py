"""A session's life through the commands; its token goes in and never comes out."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.conftest import execute
from tests.console.conftest import Command
from tests.system.daemon import Daemon

TOKEN = "a-token-that-nobody-may-see"


@pytest.fixture
def user() -> str:
    return f"user-{uuid.uuid4().hex[:8]}"


def test_a_session_is_saved_shown_listed_and_invalidated(command: Command, daemon: Daemon, user: str) -> None:
    expiry = "2035-01-31T06:00:00+05:30"

    saved = command("sessions", "save", user, "--broker", "paper", "--expires-at", expiry, given=TOKEN.encode())
    shown = command("sessions", "show", user, "--json")
    listed = command("sessions", "list")
    ended = command("sessions", "invalidate", user, "--reason", "logout", "--json")

    assert [result.code for result in (saved, shown, listed, ended)] == [0, 0, 0, 0]
    session = json.loads(shown.out)
    assert (session["user_id"], session["state"], session["broker"]) == (user, "active", "paper")
    assert session["expires_at"] == "2035-01-31T00:30:00.000000Z"
    assert session["access_token"] == "********"
    assert user in listed.out
    assert json.loads(ended.out)["state"] == "invalidated"
    printed = "".join(result.out + result.err for result in (saved, shown, listed, ended))
    assert TOKEN not in printed
    assert TOKEN not in daemon.log_path.read_text()


def test_a_second_login_replaces_the_first(command: Command, daemon: Daemon, user: str) -> None:
    first, second = (
        json.loads(command("sessions", "save", user, "--user-name", name, "--json", given=b"token\n").out)
        for name in ("Before", "After")
    )

    sessions = json.loads(command("sessions", "list", "--json").out)

    assert second["user_name"] == "After"
    assert second["session_id"] == first["session_id"]
    assert [session["user_id"] for session in sessions].count(user) == 1


def test_what_an_operator_says_counts_though_the_clock_was_set_back(
    command: Command, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    token = "SELECT session_data->>'access_token' FROM trading_sessions WHERE user_id = 'carol'"
    with Daemon(tmp_path, RUNTIME_DIR=str(tmp_path), DATABASE__POSTGRES_URL=database_url, NATS__URL=""):
        command("sessions", "save", "carol", given=b"old")
        execute(database_url, "UPDATE trading_sessions SET updated_at = updated_at + interval '1 hour'")

        saved = command("sessions", "save", "carol", "--user-name", "New", "--json", given=b"new")
        stored = execute(database_url, token)
        ended = command("sessions", "invalidate", "carol", "--json")

    assert (saved.code, json.loads(saved.out)["user_name"], stored) == (0, "New", [("new",)])
    assert (ended.code, json.loads(ended.out)["state"]) == (0, "invalidated")
    assert execute(database_url, token) == [(None,)]


def test_a_broker_that_nobody_knows_is_wrong_usage_and_nothing_is_stored(
    command: Command, daemon: Daemon, user: str
) -> None:
    result = command("sessions", "save", user, "--broker", "nosuch", given=b"token")

    assert result.code == 64
    assert "--broker nosuch: no broker of that name; there are: paper, zerodha" in result.err
    assert command("sessions", "show", user).code == 1


def test_a_broker_whose_adapter_is_elsewhere_may_have_sessions(command: Command, daemon: Daemon, user: str) -> None:
    assert command("sessions", "save", user, "--broker", "zerodha", given=b"token").code == 0


@pytest.mark.parametrize("given", [b"", b" \n"])
def test_a_session_without_a_token_is_refused(command: Command, daemon: Daemon, user: str, given: bytes) -> None:
    result = command("sessions", "save", user, given=given)

    assert result.code == 64
    assert "no token was given" in result.err


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--expires-at", "tomorrow", "not a time"),
        ("--expires-at", "2035-01-31T06:00:00", "no time zone"),
        ("--login-method", "magic", "login_method"),
    ],
)
def test_a_wrong_detail_is_refused(
    command: Command, daemon: Daemon, user: str, option: str, value: str, problem: str
) -> None:
    result = command("sessions", "save", user, option, value, given=TOKEN.encode())

    assert result.code == 64
    assert problem in result.err
    assert TOKEN not in result.err


@pytest.mark.parametrize("word", ["show", "invalidate"])
def test_a_user_without_a_session_is_named(command: Command, daemon: Daemon, user: str, word: str) -> None:
    result = command("sessions", word, user)

    assert result.code == 1
    assert f"no session is stored for {user}" in result.err
