"""The keys of stored tokens change while the daemon runs, and nothing is lost or left in clear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.conftest import execute
from tests.console.conftest import Command, command
from tests.system import streams
from tests.system.daemon import Daemon, eventually

__all__ = ["command"]

NewKeys = Callable[..., None]


@pytest.fixture
def keys() -> dict[str, str]:
    return {name: Fernet.generate_key().decode() for name in ("old", "new", "lost")}


@pytest.fixture
def key_file(tmp_path: Path, keys: dict[str, str]) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"{keys['old']}\n")
    return path


@pytest.fixture
def servers(database_url: str, streams_url: str) -> dict[str, str]:
    return {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}


@pytest.fixture
def sealing(
    tmp_path: Path, key_file: Path, servers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Daemon]:
    """A daemon with a key file; commands find it."""
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    with Daemon(tmp_path / "state", AUTH__TOKEN_KEYS_FILE=str(key_file), **servers) as daemon:
        yield daemon


def stored(database_url: str) -> dict[str, str]:
    rows = execute(database_url, "SELECT user_id, session_data->>'access_token' FROM trading_sessions")
    return {str(user): str(token) for user, token in rows}


def opened(text: str, key: str) -> str:
    return Fernet(key).decrypt(text.removeprefix("fernet:")).decode()


def save(url: str, user: str, token: str) -> dict[str, Any]:
    answer: dict[str, Any] = streams.request(url, "panda.sessions.save", {"user_id": user, "access_token": token})
    return answer


def test_everything_is_sealed_with_the_first_key_of_the_file_as_it_is_now(
    sealing: Daemon, command: Command, key_file: Path, keys: dict[str, str], database_url: str, streams_url: str
) -> None:
    for number in range(205):
        save(streams_url, f"user{number:03}", f"token-{number}")
    execute(
        database_url,
        "UPDATE trading_sessions SET session_data = jsonb_set(session_data, '{access_token}', '\"in-clear\"')"
        " WHERE user_id = 'user007'",
    )
    streams.publish(streams_url, "auth.sessions.save", [b'{"data": {"access_token": "s3cr3t"}}'])
    eventually(lambda: execute(database_url, "SELECT count(*) FROM dead_letters") == [(1,)])
    before = execute(database_url, "SELECT user_id, updated_at FROM trading_sessions ORDER BY user_id")
    key_file.write_text(f"{keys['new']}\n{keys['old']}\n")

    rotated = command("sessions", "rotate-keys")
    again = command("sessions", "rotate-keys", "--json")

    assert rotated.code == 0
    assert [line.split() for line in rotated.out.splitlines()[-2:]] == [
        ["sessions", "204", "0", "1", "0"],
        ["dead", "letters", "1", "0", "0", "0"],
    ]
    assert '"current": 205' in again.out
    tokens = {user: opened(text, keys["new"]) for user, text in stored(database_url).items()}
    assert tokens == {f"user{n:03}": f"token-{n}" if n != 7 else "in-clear" for n in range(205)}
    assert execute(database_url, "SELECT user_id, updated_at FROM trading_sessions ORDER BY user_id") == before
    save(streams_url, "later", "token-later")
    assert opened(stored(database_url)["later"], keys["new"]) == "token-later"
    key_file.write_text(keys["new"])
    sealing.stop()
    with sealing:
        assert sealing.request("GET", "/sessions/user000")["access_token"] == "********"


def test_a_key_that_is_dropped_in_the_same_step_still_opens_what_it_sealed(
    sealing: Daemon, command: Command, key_file: Path, keys: dict[str, str], database_url: str, streams_url: str
) -> None:
    save(streams_url, "u", "token")
    key_file.write_text(keys["new"])

    assert command("sessions", "rotate-keys").code == 0
    assert opened(stored(database_url)["u"], keys["new"]) == "token"


@pytest.mark.parametrize("text", ["hunter2", "", "{new}\nhunter2"])
def test_bad_keys_are_refused_and_the_old_ones_stay(
    sealing: Daemon,
    command: Command,
    key_file: Path,
    keys: dict[str, str],
    database_url: str,
    streams_url: str,
    text: str,
) -> None:
    save(streams_url, "u", "token")
    key_file.write_text(text.format(**keys))

    refused = command("sessions", "rotate-keys")

    assert refused.code == 78
    assert "the keys stay as they were" in refused.err
    assert "hunter2" not in refused.err + sealing.log()
    save(streams_url, "v", "another")
    assert {user: opened(token, keys["old"]) for user, token in stored(database_url).items()} == {
        "u": "token",
        "v": "another",
    }


def test_a_token_that_no_key_opens_is_named_and_left_alone(
    sealing: Daemon, command: Command, key_file: Path, keys: dict[str, str], database_url: str, streams_url: str
) -> None:
    save(streams_url, "u", "token")
    lost = "fernet:" + Fernet(keys["lost"]).encrypt(b"lost").decode()
    execute(
        database_url,
        f"UPDATE trading_sessions SET session_data = jsonb_set(session_data, '{{access_token}}', '\"{lost}\"')",
    )

    result = command("sessions", "rotate-keys")

    assert result.code == 1
    assert "no key opens u:" in result.err
    assert stored(database_url) == {"u": lost}


def test_logins_that_come_meanwhile_are_never_overwritten(
    sealing: Daemon, command: Command, key_file: Path, keys: dict[str, str], database_url: str, streams_url: str
) -> None:
    users = [f"user{number}" for number in range(40)]
    streams.publish(streams_url, "auth.sessions.save", [streams.session_save(user, "old") for user in users])
    eventually(lambda: len(stored(database_url)) == 40)
    key_file.write_text(f"{keys['new']}\n{keys['old']}")

    for round_number in range(5):
        saves = [streams.session_save(user, f"new-{round_number}") for user in users]
        streams.publish(streams_url, "auth.sessions.save", saves)
        assert command("sessions", "rotate-keys").code == 0

    handled = "SELECT count(*) FROM inbox WHERE consumer = 'auth'"
    eventually(lambda: execute(database_url, handled) == [(240,)])
    assert {opened(token, keys["new"]) for token in stored(database_url).values()} == {"new-4"}


def test_without_any_key_there_is_nothing_to_rotate_to(
    tmp_path: Path, servers: dict[str, str], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    with Daemon(tmp_path / "state", **servers) as daemon:
        result = command("sessions", "rotate-keys")
        assert command("sessions", "show", "nobody").code == 1
        failed = sum(child["failed"] for child in daemon.status()["children"])

    assert result.code == 78
    assert "set AUTH__TOKEN_KEYS" in result.err
    assert failed == 0


@pytest.mark.parametrize("text", ["", "hunter2"])
def test_a_file_without_a_good_key_ends_the_start_before_anything_is_made(
    tmp_path: Path, key_file: Path, servers: dict[str, str], text: str
) -> None:
    key_file.write_text(text)

    daemon = Daemon(tmp_path / "state", AUTH__TOKEN_KEYS_FILE=str(key_file), **servers).start()

    assert daemon.ended() == 78
    assert f"alpha-panda: AUTH__TOKEN_KEYS_FILE {key_file}" in daemon.log()
    assert "unencrypted" not in daemon.log()


def test_what_is_likely_not_meant_is_warned_of(tmp_path: Path, key_file: Path, servers: dict[str, str]) -> None:
    key_file.chmod(0o640)
    left = tmp_path / "state" / "postgres" / "data"
    left.mkdir(parents=True)
    given = {"AUTH__TOKEN_KEYS_FILE": str(key_file), "LOG_LEVEL": "debug", "ACTIVE_BROKERS": "paper,zerodha"}

    with Daemon(tmp_path / "state", **given, **servers) as daemon:
        told = daemon.log()

    assert f"AUTH__TOKEN_KEYS_FILE {key_file} can be read by others (640): chmod 600" in told
    assert told.count("LOG_LEVEL is no setting: did you mean LOG__LEVEL?") == 1
    assert told.count("zerodha is in ACTIVE_BROKERS, and not enabled by TRADING__ZERODHA__ENABLED") == 1
    assert f'"left_in": "{left}", "event": "the books of the embedded database are not used"' in told


def test_a_new_key_is_one_that_the_service_takes(command: Command) -> None:
    made = command("sessions", "new-key")

    assert made.code == 0
    assert len(Fernet(made.out.strip()).decrypt(Fernet(made.out.strip()).encrypt(b"x"))) == 1
