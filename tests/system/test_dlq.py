"""Dead letters are published again once their cause is mended, and nothing trades or logs in twice by it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.conftest import execute
from tests.system import books, streams
from tests.system.daemon import Daemon, eventually
from tests.system.proxy import proxy
from tests.system.test_signals import assert_each_counted_once

SIGNALS = "paper.signals.validated"
REFUSE_SIGNAL = "ALTER TABLE trading_events ADD CONSTRAINT refused CHECK (strategy_id <> 'refused')"
TAKE_SIGNAL = "ALTER TABLE trading_events DROP CONSTRAINT refused"
REFUSE_LOGIN = "ALTER TABLE trading_sessions ADD CONSTRAINT refused CHECK (session_data->>'user_name' <> 'refused')"
TAKE_LOGIN = "ALTER TABLE trading_sessions DROP CONSTRAINT refused"


def letters(daemon: Daemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon.request("GET", "/dlq")["dead_letters"]
    return found


def the_letter(daemon: Daemon) -> str:
    return str(eventually(lambda: letters(daemon))[0]["id"])


def replay(daemon: Daemon, letter: str, *, again: bool = False) -> dict[str, Any]:
    answer: dict[str, Any] = daemon.request("POST", f"/dlq/{letter}/replay?again={str(again).lower()}")
    return answer


@pytest.fixture
def refused(daemon: Daemon, database_url: str, streams_url: str) -> dict[str, Any]:
    """A signal that the database refused, so that it is a dead letter."""
    execute(database_url, REFUSE_SIGNAL)
    signal = streams.signal(strategy="refused")
    streams.publish(streams_url, SIGNALS, [signal])
    eventually(lambda: streams.count(streams_url, "PAPER_DLQ") == 1)
    assert books.stored(database_url) == {}
    return signal


def test_a_letter_of_a_broker_without_an_adapter_is_not_said_to_need_a_setting(
    daemon: Daemon, database_url: str, refused: dict[str, Any]
) -> None:
    execute(database_url, "UPDATE dead_letters SET subject = 'papr.signals.validated'")

    error = replay(daemon, the_letter(daemon))["error"]

    assert "no stream of this daemon takes papr.signals.validated: no adapter is named papr, only " in error


def test_a_replay_trades_once_when_the_cause_is_mended_however_often_it_is_repeated(
    daemon: Daemon, database_url: str, streams_url: str, refused: dict[str, Any]
) -> None:
    execute(database_url, TAKE_SIGNAL)
    letter = the_letter(daemon)

    first = replay(daemon, letter)
    assert_each_counted_once(database_url, streams_url, [refused])
    refusal = replay(daemon, letter)
    second = replay(daemon, letter, again=True)

    assert first["subject"] == SIGNALS
    assert "was replayed at" in refusal["error"]
    assert first["message_id"] != second["message_id"]
    eventually(lambda: daemon.status()["nats"]["streams"]["PAPER_SIGNALS"]["messages"] == 3)
    other = streams.signal()
    streams.publish(streams_url, SIGNALS, [other])
    assert_each_counted_once(database_url, streams_url, [refused, other])
    sent = [(data, headers["Nats-Msg-Id"]) for _, data, headers in streams.read(streams_url, "PAPER_SIGNALS")]
    assert sent[:3] == [(refused, refused["id"]), (refused, first["message_id"]), (refused, second["message_id"])]
    assert letters(daemon)[0]["replays"] == 2


def test_a_restarted_daemon_replays_what_an_earlier_one_gave_up(
    daemon: Daemon, database_url: str, streams_url: str, refused: dict[str, Any]
) -> None:
    execute(database_url, TAKE_SIGNAL)
    daemon.kill()

    with daemon:
        replay(daemon, the_letter(daemon))
        assert_each_counted_once(database_url, streams_url, [refused])


def test_a_replay_that_fails_again_is_a_letter_of_its_own_and_only_that_one_trades(
    daemon: Daemon, database_url: str, streams_url: str, refused: dict[str, Any]
) -> None:
    old = the_letter(daemon)
    replay(daemon, old)
    eventually(lambda: len(letters(daemon)) == 2)
    new = letters(daemon)[0]
    assert new["id"] != old
    execute(database_url, TAKE_SIGNAL)

    replay(daemon, old, again=True)
    eventually(
        lambda: daemon.status()["nats"]["streams"]["PAPER_SIGNALS"] == {"messages": 3, "pending": 0, "ack_pending": 0}
    )
    assert books.stored(database_url) == {}
    replay(daemon, new["id"])

    assert_each_counted_once(database_url, streams_url, [refused])


def test_a_replay_whose_commit_has_no_answer_is_published_once(
    tmp_path: Path, database_url: str, streams_url: str
) -> None:
    with (
        proxy(database_url) as between,
        Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=between.url, NATS__URL=streams_url) as daemon,
    ):
        execute(database_url, REFUSE_SIGNAL)
        signal = streams.signal(strategy="refused")
        streams.publish(streams_url, SIGNALS, [signal])
        letter = the_letter(daemon)
        execute(database_url, TAKE_SIGNAL)
        claimed: list[bool] = []

        def commit_of_replay(data: bytes) -> bool:
            if b"UPDATE dead_letters" in data:
                claimed.append(True)
            return bool(claimed) and b"COMMIT" in data and between.cuts == 0

        between.cut_after = commit_of_replay
        answer = replay(daemon, letter)

        assert "try again" in answer["error"]
        assert between.cuts == 1
        assert_each_counted_once(database_url, streams_url, [signal])
        assert "was replayed at" in replay(daemon, letter)["error"]
        eventually(lambda: execute(database_url, "SELECT count(*) FROM outbox") == [(0,)])
        assert streams.count(streams_url, "PAPER_SIGNALS") == 2


def test_bytes_that_are_no_text_are_replayed_as_they_were(daemon: Daemon, streams_url: str) -> None:
    streams.publish(streams_url, SIGNALS, [b"\xff\xfe\x00"])

    done = replay(daemon, the_letter(daemon))

    eventually(lambda: len(letters(daemon)) == 2)
    again = daemon.request("GET", f"/dlq/{letters(daemon)[0]['id']}")
    assert (again["payload"], again["payload_hex"]) == (None, "fffe00")
    assert again["headers"]["Nats-Msg-Id"] == done["message_id"]


@pytest.fixture
def sealing(tmp_path: Path, database_url: str, streams_url: str) -> Iterator[Daemon]:
    """A daemon with a key."""
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    with Daemon(tmp_path / "sealing", AUTH__TOKEN_KEYS=Fernet.generate_key().decode(), **servers) as daemon:
        yield daemon


def test_a_login_that_is_replayed_does_not_replace_a_newer_one(
    sealing: Daemon, database_url: str, streams_url: str
) -> None:
    execute(database_url, REFUSE_LOGIN)
    old = streams.session_save("alice", "old-token", user_name="refused")
    streams.publish(streams_url, "auth.sessions.save", [old])
    letter = the_letter(sealing)
    execute(database_url, TAKE_LOGIN)
    newer = streams.session_save("alice", "new-token", user_name="newer")
    streams.publish(streams_url, "auth.sessions.save", [newer])
    handled = "SELECT count(*) FROM inbox WHERE consumer = 'auth'"
    eventually(lambda: execute(database_url, handled) == [(2,)])

    replay(sealing, letter)

    newest = "SELECT session_data->>'user_name', (SELECT max(stream_seq) FROM inbox) FROM trading_sessions"
    eventually(lambda: execute(database_url, newest)[0][1] == 3)
    assert execute(database_url, newest) == [("newer", 3)]


def test_a_login_that_nothing_came_after_is_saved_by_its_replay(
    sealing: Daemon, database_url: str, streams_url: str
) -> None:
    execute(database_url, REFUSE_LOGIN)
    save = streams.session_save("alice", "only-token", user_name="refused")
    streams.publish(streams_url, "auth.sessions.save", [save])
    letter = the_letter(sealing)
    execute(database_url, TAKE_LOGIN)
    ((kept,),) = execute(database_url, "SELECT payload FROM dead_letters")

    replay(sealing, letter)

    saved = "SELECT user_id, session_data->>'access_token' LIKE 'fernet:%' FROM trading_sessions"
    eventually(lambda: execute(database_url, saved) == [("alice", True)])
    replayed = streams.read_raw(streams_url, "SESSIONS")[-1]
    assert json.loads(replayed.data) == save
    assert bytes(kept).startswith(b"fernet:")  # type: ignore[call-overload]
    shown = sealing.request("GET", f"/dlq/{letter}")
    assert "only-token" not in json.dumps(shown)
    assert json.loads(shown["payload"])["data"]["user_id"] == "alice"
    assert shown["bytes"] == sealing.request("GET", "/dlq")["dead_letters"][0]["bytes"] == len(replayed.data)


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b'{"data": {"user_id": "alice", "access_token": "s3cr3t", "broker": 7}}', b"masked:"),
        (b'{"data": {"user_id": "alice", "access_token": "s3cr3t', b"withheld:"),
    ],
)
def test_without_a_key_no_token_is_kept_and_a_replay_is_refused(
    daemon: Daemon, database_url: str, streams_url: str, data: bytes, kept: bytes
) -> None:
    streams.publish(streams_url, "auth.sessions.save", [data])
    letter = the_letter(daemon)

    refusal = replay(daemon, letter)

    ((payload,),) = execute(database_url, "SELECT payload FROM dead_letters")
    assert bytes(payload).startswith(kept)  # type: ignore[call-overload]
    assert "no key was set in AUTH__TOKEN_KEYS" in refusal["error"]
    ((_, message, _),) = eventually(lambda: streams.read(streams_url, "SYSTEM_DLQ"))
    original = message["data"]["original_message"]
    assert (original["size"], original["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert letters(daemon)[0]["bytes"] == len(data)
    seen = str([payload, message, daemon.request("GET", f"/dlq/{letter}")])
    assert "s3cr3t" not in seen


def test_a_tick_of_the_past_is_not_replayed(daemon: Daemon, streams_url: str) -> None:
    streams.publish(streams_url, "market.ticks", [b"bad tick"])

    assert "price of the past" in replay(daemon, the_letter(daemon))["error"]


def test_a_letter_of_a_broker_that_is_not_served_here_is_not_replayed(daemon: Daemon, database_url: str) -> None:
    letter = uuid.uuid4()
    row = f"('{letter}', 'zerodha.signals.validated', 'r', 'trading-zerodha', '')"
    execute(database_url, f"INSERT INTO dead_letters (id, subject, reason, consumer, payload) VALUES {row}")

    assert "ACTIVE_BROKERS" in replay(daemon, str(letter))["error"]


@pytest.mark.parametrize(
    ("method", "path", "problem"),
    [
        ("GET", "/dlq?limit=0", "limit"),
        ("GET", "/dlq?limit=99999999999999", "limit"),
        ("GET", "/dlq?reason=%00", "NUL"),
        ("GET", "/dlq/xyz", "no id"),
        ("GET", "/dlq/abc", "no id"),
        ("GET", "/dlq/abcd", "no dead letter has the id"),
        ("GET", "/dlq/older-than/nan", "seconds"),
        ("POST", "/dlq/c1a0f0c2-8a5e-5d0e-9f43-52f0d7a3b1e6/replay", "no dead letter has the id"),
        ("DELETE", "/dlq", "before"),
        ("DELETE", "/dlq?before=2026-01-01T00:00:00", "before"),
    ],
)
def test_a_wrong_request_is_refused_and_nobody_crashes(daemon: Daemon, method: str, path: str, problem: str) -> None:
    assert problem in daemon.request(method, path)["error"]
    assert {child["restarts"] for child in daemon.status()["children"]} == {0}
