"""Logins: one row a user, the newest save in it, answered after the commit."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet

from benchmarks.path.wire import Wire
from tests.conftest import execute
from tests.system import streams
from tests.system.daemon import Daemon, eventually


def tokens(url: str) -> dict[str, str]:
    rows = execute(url, "SELECT user_id, session_data->>'access_token' FROM trading_sessions")
    return {str(user): str(token) for user, token in rows}


def test_64_publishers_for_8_users_leave_8_rows_each_the_newest_save(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    together = threading.Barrier(64)

    def save(publisher: int) -> None:
        saves = [
            streams.session_save(f"user{n % 8}", f"token-{publisher}-{n}") for n in range(publisher, publisher + 8)
        ]
        together.wait(90)
        streams.publish(streams_url, "auth.sessions.save", saves)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)

    eventually(lambda: execute(database_url, "SELECT count(*) FROM inbox WHERE consumer = 'auth'") == [(512,)])
    newest = {message["data"]["user_id"]: message for _, message, _ in streams.read(streams_url, "SESSIONS")}
    assert tokens(database_url) == {user: message["data"]["access_token"] for user, message in newest.items()}
    assert len(newest) == 8


def test_64_requesters_for_8_users_are_each_answered_after_the_commit(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    together = threading.Barrier(64)
    answers: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def save(number: int) -> None:
        together.wait(90)
        user, token = f"user{number % 8}", f"token-{number}"
        answer = streams.request(streams_url, "panda.sessions.save", {"user_id": user, "access_token": token})
        answers[user].append(answer)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)

    stored = {
        str(user): (str(identity), updated_at)
        for user, identity, updated_at in execute(
            database_url, "SELECT user_id, session_id, updated_at FROM trading_sessions"
        )
    }
    assert len(stored) == 8
    for user, several in answers.items():
        assert len(several) == 8
        assert {answer["session_id"] for answer in several} == {stored[user][0]}
        assert max(datetime.fromisoformat(answer["updated_at"]) for answer in several) == stored[user][1]


def test_a_later_login_replaces_the_token_and_keeps_one_row(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    first = streams.request(streams_url, "panda.sessions.save", streams.session_save("u1", "old", broker="paper"))
    second = streams.request(streams_url, "panda.sessions.save", streams.session_save("u1", "new", broker="paper"))

    assert tokens(database_url) == {"u1": "new"}
    assert first["session_id"] == second["session_id"]
    assert second["updated_at"] > first["updated_at"]
    assert daemon.status()["brokers"]["paper"]["session"]["user_id"] == "u1"


def test_a_save_that_comes_again_does_not_take_the_session_back_in_time(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    old, new = streams.session_save("u1", "old"), streams.session_save("u1", "new")
    streams.publish(streams_url, "auth.sessions.save", [old])
    streams.publish(streams_url, "auth.sessions.save", [new])
    streams.publish(streams_url, "auth.sessions.save", [streams.json.dumps(old).encode()])
    streams.publish(streams_url, "auth.sessions.save", [streams.session_save("u2", "last")])

    eventually(lambda: "u2" in tokens(database_url))
    assert tokens(database_url) == {"u1": "new", "u2": "last"}


def test_requests_happen_now_though_the_clock_was_set_back_and_what_a_stream_brings_late_still_loses(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    streams.request(streams_url, "panda.sessions.save", streams.session_save("u1", "old"))
    execute(database_url, "UPDATE trading_sessions SET updated_at = updated_at + interval '1 hour'")

    streams.publish(
        streams_url, "auth.sessions.save", [streams.session_save("u1", "late"), streams.session_save("u2", "last")]
    )
    eventually(lambda: "u2" in tokens(database_url))
    assert tokens(database_url)["u1"] == "old"
    saved = streams.request(streams_url, "panda.sessions.save", streams.session_save("u1", "new"))
    assert tokens(database_url)["u1"] == "new"
    ended = daemon.request("DELETE", "/sessions/u1?reason=logout")

    assert datetime.fromisoformat(saved["updated_at"]) > datetime.now(UTC) + timedelta(minutes=59)
    assert datetime.fromisoformat(ended["updated_at"]) > datetime.fromisoformat(saved["updated_at"])
    assert (saved["state"], ended["state"]) == ("active", "invalidated")
    assert tokens(database_url)["u1"] == "None"


def test_the_stored_session_is_loaded_before_the_health_checks_run(idle_daemon: Daemon, streams_url: str) -> None:
    expires_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    with idle_daemon:
        message = streams.session_save("u1", "token", broker="paper", expires_at=expires_at)
        streams.request(streams_url, "panda.sessions.save", message)
        idle_daemon.kill()

    with idle_daemon:
        status = idle_daemon.status()

    assert status["brokers"]["paper"]["session"]["user_id"] == "u1"
    log = idle_daemon.log()
    assert '"sessions": 1, "event": "sessions loaded"' in log
    names = [child["name"] for child in status["children"]]
    assert names.index("auth") < names.index("health")
    health = next(child for child in status["children"] if child["name"] == "health")
    assert "auth" in health["depends_on"]


def test_a_request_of_a_connection_that_is_gone_takes_no_save_away(
    idle_daemon: Daemon, database_url: str, streams_url: str
) -> None:
    with idle_daemon:
        idle_daemon.kill()

    def save() -> None:
        idle_daemon.start()
        streams.publish(streams_url, "auth.sessions.save", [streams.session_save(f"u{n}", "new") for n in range(5)])
        eventually(lambda: len(tokens(database_url)) == 5)

    try:
        streams.pull_meanwhile(streams_url, "SESSIONS", "auth", 100, save)
    finally:
        idle_daemon.kill()


def test_an_ended_session_is_not_loaded_again(idle_daemon: Daemon, streams_url: str) -> None:
    with idle_daemon:
        streams.request(streams_url, "panda.sessions.save", streams.session_save("u1", "token", broker="paper"))
        idle_daemon.request("DELETE", "/sessions/u1?reason=logout")
        shown = idle_daemon.request("GET", "/sessions/u1")
        assert shown["state"] == "invalidated"
        idle_daemon.stop()

    with idle_daemon:
        assert idle_daemon.status()["brokers"]["paper"]["session"]["state"] == "none"


def test_a_session_whose_time_is_over_is_ended_and_its_token_forgotten(
    idle_daemon: Daemon, database_url: str, streams_url: str
) -> None:
    over = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    with idle_daemon:
        streams.request(
            streams_url,
            "panda.sessions.save",
            streams.session_save("u1", "token", broker="paper", expires_at=over, user_name="Anna"),
        )
        refusal = streams.request(streams_url, "panda.sessions.use", {"user_id": "u1"})
        idle_daemon.stop()

    with idle_daemon:
        ended = "SELECT is_active, session_data->>'invalidation_reason' FROM trading_sessions"
        eventually(lambda: execute(database_url, ended) == [(False, "token_expired")])
        shown = idle_daemon.request("GET", "/sessions/u1")

    assert "no session is active for u1" in refusal["error"]
    assert tokens(database_url) == {"u1": "None"}
    assert (shown["state"], shown["invalidation_reason"], shown["user_name"]) == ("expired", "token_expired", "Anna")


def test_a_session_shows_when_it_was_used(daemon: Daemon, database_url: str, streams_url: str) -> None:
    save = streams.session_save("u1", "very-secret-token", broker="paper")
    streams.request(streams_url, "panda.sessions.save", save)
    unused = daemon.request("GET", "/sessions/u1")

    answer = streams.request(streams_url, "panda.sessions.use", {"broker": "paper"})

    used = eventually(lambda: daemon.request("GET", "/sessions/u1")["last_activity_timestamp"])
    assert unused["last_activity_timestamp"] is None
    assert used > unused["updated_at"]
    assert daemon.request("GET", "/sessions/u1")["updated_at"] == unused["updated_at"]
    assert answer["user_id"] == "u1"
    assert "very-secret-token" not in str(answer)


def test_a_token_is_sealed_in_the_database_when_keys_are_set(
    tmp_path: Any, database_url: str, streams_url: str
) -> None:
    key = Fernet.generate_key().decode()
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    with Daemon(tmp_path / "state", AUTH__TOKEN_KEYS=key, **servers) as daemon:
        streams.request(streams_url, "panda.sessions.save", streams.session_save("u1", "very-secret-token"))
        assert "very-secret-token" not in str(daemon.request("GET", "/sessions"))
        assert "very-secret-token" not in str(streams.request(streams_url, "panda.sessions.get", b"u1"))
        daemon.stop()
    assert "very-secret-token" not in daemon.log()
    assert tokens(database_url)["u1"].startswith("fernet:")

    other = Daemon(tmp_path / "state", AUTH__TOKEN_KEYS=Fernet.generate_key().decode(), **servers).start()
    assert other.ended() == 78
    assert "AUTH__TOKEN_KEYS" in other.log()


def test_a_request_whose_reply_subject_is_no_text_harms_nobody(daemon: Daemon, streams_url: str) -> None:
    body = json.dumps({"user_id": "u", "access_token": "t"}).encode()
    with Wire(streams_url) as wire:
        for _ in range(3):
            wire.send(b"PUB panda.sessions.save \xff\xfe %d\r\n%s\r\n" % (len(body), body))
            wire.send(b"PUB panda.status \xff\xfe 2\r\n{}\r\n")
        wire.flush()

    answer = streams.request(streams_url, "panda.sessions.save", {"user_id": "v", "access_token": "t"})

    assert answer["user_id"] == "v"
    assert {child["restarts"] for child in daemon.status()["children"]} == {0}
