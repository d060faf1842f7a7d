"""Requests of whoever may ask and do nothing else: they cost little, tell nothing, and reach nothing further."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import psutil
import pytest
from nats.aio.client import Client

from benchmarks.path.wire import Wire, pub
from tests.conftest import execute
from tests.system import streams
from tests.system.daemon import Daemon, eventually

GET, USE, SAVE = "panda.sessions.get", "panda.sessions.use", "panda.sessions.save"
TOKEN = "s3cr3t-t0ken-n3ver-shown"
MEBIBYTE = 1 << 20
TAKEN = (
    *("paper.orders.filled", "paper.signals.validated", "paper.signals.validated.dlq", "market.ticks"),
    *("auth.sessions.save", "auth.sessions.invalidate", "zerodha.orders.filled"),
)
SERVERS_OWN = ("$JS.API.STREAM.PURGE.PAPER_ORDERS", "$SYS.REQ.SERVER.PING")


def figures(url: str) -> dict[str, dict[str, Any]]:
    """What the service protocol tells of each endpoint, by its subject."""
    return {one["subject"]: one for one in streams.request(url, "$SRV.STATS", {})["endpoints"]}


def counted(url: str, subject: str, requests: int) -> None:
    """Wait until so many requests on the subject are done with."""
    eventually(lambda: figures(url)[subject]["num_requests"] == requests)


def heard_on(url: str, subjects: Sequence[str], frames: Sequence[bytes], asked: str, requests: int) -> list[str]:
    """The subjects, of these, that got a message while the frames were sent and counted as requests."""

    async def work(client: Client) -> list[str]:
        subscriptions = [await client.subscribe(subject) for subject in subjects]
        await client.flush()

        def send() -> None:
            with Wire(url) as wire:
                wire.send(b"".join(frames))
                wire.flush()
            counted(url, asked, requests)

        await asyncio.to_thread(send)
        await client.flush()
        return [(await one.next_msg(5)).subject for one in subscriptions for _ in range(one.pending_msgs)]

    return streams.with_client(url, work)


def unharmed(daemon: Daemon) -> bool:
    status = daemon.status()
    return {child["restarts"] for child in status["children"]} == {0} and status["nats"]["state"] == "up"


def test_requests_of_a_megabyte_are_refused_before_they_are_kept(daemon: Daemon, streams_url: str) -> None:
    process, rounds, each = psutil.Process(daemon.running.pid), 30, 20
    body = b'{"user_id":"' + b"a" * 1_000_000 + b'"}'
    streams.request(streams_url, GET, b"warm")
    before = highest = process.memory_info().rss

    with Wire(streams_url) as wire:
        for _ in range(rounds):
            wire.send(pub(GET, body, "_INBOX.nobody") * each)
            wire.flush()
            figures(streams_url)
            highest = max(highest, process.memory_info().rss)
    counted(streams_url, GET, rounds * each + 1)

    highest = max(highest, process.memory_info().rss)
    assert highest - before < 100 * MEBIBYTE
    assert figures(streams_url)[GET]["num_errors"] == rounds * each + 1
    assert "larger than 8192 bytes" in figures(streams_url)[GET]["last_error"]


@pytest.mark.parametrize(("subject", "bound"), [(GET, 8192), (USE, 8192), (SAVE, 32768), ("panda.status", 8192)])
def test_every_request_is_bounded_by_its_length(daemon: Daemon, streams_url: str, subject: str, bound: int) -> None:
    for body in (b'"' * 600_000, b"\xff" * 400_000, b" " * (bound + 1)):
        assert streams.request(streams_url, subject, body) == {"error": f"larger than {bound} bytes"}
    assert streams.request(streams_url, subject, b" " * bound) != {"error": f"larger than {bound} bytes"}

    assert unharmed(daemon)
    assert "reconnecting" not in daemon.log()


def test_a_user_of_more_than_255_characters_is_refused_in_every_request(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    user = "u" * 256
    refusals = [
        streams.request(streams_url, GET, user.encode()),
        streams.request(streams_url, GET, {"user_id": user}),
        streams.request(streams_url, USE, {"user_id": user}),
        streams.request(streams_url, USE, {"broker": user}),
        streams.request(streams_url, SAVE, {"user_id": user, "access_token": "t"}),
    ]
    streams.publish(
        streams_url, "auth.sessions.invalidate", [streams.envelope("session_invalidate", {"user_id": user})]
    )

    assert all("255 characters" in one["error"] and len(one["error"]) < 100 for one in refusals)
    reasons = "SELECT reason FROM dead_letters"
    ((reason,),) = eventually(lambda: execute(database_url, reasons))
    assert "255 characters" in str(reason)


def test_a_save_with_the_longest_token_is_stored(daemon: Daemon, database_url: str, streams_url: str) -> None:
    notes = dict.fromkeys(("user_name", "user_shortname", "email", "ip_address", "user_agent"), "n" * 1024)
    save = streams.session_save("u" * 255, "t" * 8192, broker="b" * 255, **notes)

    assert streams.request(streams_url, SAVE, save)["user_id"] == "u" * 255
    assert streams.request(streams_url, USE, {"user_id": "u" * 255})["state"] == "active"


def test_a_token_in_a_malformed_request_shows_nowhere(daemon: Daemon, streams_url: str) -> None:
    malformed = [
        b'{"user_id": "bob", "access_token": "%s", }' % TOKEN.encode(),
        b'user_id: bob, access_token: "%s"' % TOKEN.encode(),
        b'{"user_id": "access_token=%s"}' % TOKEN.encode(),
    ]
    answers = [streams.request(streams_url, subject, body) for body in malformed for subject in (GET, USE, SAVE)]
    streams.request(streams_url, GET, TOKEN.encode())

    assert all("error" in answer for answer in answers)
    shown = (answers, figures(streams_url), daemon.status(), daemon.log())
    assert TOKEN not in str(shown)
    assert figures(streams_url)[GET]["last_error"] == "SessionNotFound"


@pytest.mark.parametrize("asked", [GET, USE, "panda.status"])
def test_no_answer_goes_where_the_asker_may_not_publish(
    daemon: Daemon, database_url: str, streams_url: str, asked: str
) -> None:
    streams.request(streams_url, SAVE, {"user_id": "alice", "access_token": TOKEN, "broker": "paper"})
    forbidden = (*TAKEN, *SERVERS_OWN, SAVE)
    body = b'{"user_id": "alice"}'
    frames = [pub(asked, body, reply) for reply in forbidden]

    heard = heard_on(streams_url, [*TAKEN, SAVE], frames, asked, len(forbidden))

    assert heard == []
    assert [streams.count(streams_url, name) for name in ("TICKS", "SESSIONS", "PAPER_SIGNALS", "PAPER_ORDERS")] == [
        0
    ] * 4
    kept = "SELECT session_data->>'access_token' FROM trading_sessions"
    assert execute(database_url, kept) == [(TOKEN,)]
    assert figures(streams_url)[asked]["num_errors"] == len(forbidden)
    assert "request not answered" in daemon.log()
    assert unharmed(daemon)


def test_a_save_whose_answer_may_not_go_there_is_not_done(daemon: Daemon, database_url: str, streams_url: str) -> None:
    body = json.dumps({"user_id": "mallory", "access_token": "t"}).encode()

    assert heard_on(streams_url, ["auth.sessions.save"], [pub(SAVE, body, "auth.sessions.save")], SAVE, 1) == []
    assert execute(database_url, "SELECT user_id FROM trading_sessions") == []


def test_many_such_requests_are_few_lines_in_the_log(daemon: Daemon, streams_url: str) -> None:
    frames = [pub(GET, b"bob", "paper.orders.filled")] * 2000

    assert heard_on(streams_url, ["paper.orders.filled"], frames, GET, 2000) == []
    assert 1 <= daemon.log().count("request not answered") < 100


@pytest.mark.parametrize("prefix", ["_INBOX.panda-bench", "_INBOX_alice", "team.inbox", "panda.inbox"])
def test_a_client_with_an_inbox_prefix_of_its_own_is_answered(daemon: Daemon, streams_url: str, prefix: str) -> None:
    heard = heard_on(streams_url, [f"{prefix}.>"], [pub(GET, b"bob", f"{prefix}.nuid.1")], GET, 1)

    assert heard == [f"{prefix}.nuid.1"]


def test_service_discovery_answers_to_inboxes_alone(daemon: Daemon, streams_url: str) -> None:
    verbs = [f"$SRV.{verb}" for verb in ("PING", "INFO", "STATS")]
    frames = [pub(verb, b"", reply) for verb in verbs for reply in ("paper.orders.filled", SAVE, "team.inbox.1")]

    heard = heard_on(streams_url, ["paper.orders.filled", SAVE, "team.inbox.*"], [*frames, pub(GET, b"bob")], GET, 1)

    assert heard == ["team.inbox.1"] * 3
