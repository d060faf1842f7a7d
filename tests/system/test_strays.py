"""What a process left in the outbox when it ended, and keys of the inbox that nobody needs any more."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

from actors.database.commit import encode_outbox
from actors.rows import OutboundMessage
from tests.conftest import execute
from tests.system import streams
from tests.system.daemon import Daemon, eventually
from tests.system.test_signals import a_crowd, assert_each_counted_once


def leave(url: str, subject: str, number: int, age: timedelta) -> list[str]:
    """Rows as a daemon leaves them that ended between its commit and its publishing; returns the messages' ids."""
    ids = []
    for _ in range(number):
        message = streams.envelope("order_failed", {})
        ids.append(message["id"])
        encoded = encode_outbox([OutboundMessage(subject, message["id"], json.dumps(message).encode())]).hex()
        execute(
            url,
            f"INSERT INTO outbox (id, messages, created_at) VALUES ('{uuid.uuid4()}', '\\x{encoded}', "
            f"now() - interval '{age.total_seconds()} s')",
        )
    return ids


def test_what_another_process_left_is_published_though_nothing_is_restarted(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    left = leave(database_url, "paper.orders.failed", 3, timedelta(seconds=60))

    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3)

    assert [message["id"] for _, message, _ in streams.read(streams_url, "PAPER_ORDERS")] == left
    eventually(lambda: execute(database_url, "SELECT count(*) FROM outbox") == [(0,)])


def test_a_long_outbox_is_published_a_piece_at_a_time(idle_daemon: Daemon, database_url: str, streams_url: str) -> None:
    rows, large = 12, 300_000
    for number in range(rows):
        payload = (str(number) + ":").encode() + uuid.uuid4().bytes * (large // 16)
        noise = b"".join(uuid.uuid4().bytes for _ in range(large // 16))
        message = OutboundMessage("paper.orders.failed", f"id {number}", payload[:2] + noise)
        execute(
            database_url,
            f"INSERT INTO outbox (id, messages, created_at) VALUES ('{uuid.uuid4()}', "
            f"'\\x{encode_outbox([message]).hex()}', now() - interval '{rows - number} s')",
        )

    with idle_daemon:
        eventually(lambda: execute(database_url, "SELECT count(*) FROM outbox") == [(0,)])

    assert streams.count(streams_url, "PAPER_ORDERS") == rows


def test_rows_of_a_broker_that_another_process_acts_for_are_left_to_it(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    leave(database_url, "zerodha.orders.failed", 1, timedelta(seconds=60))
    leave(database_url, "paper.orders.failed", 1, timedelta(seconds=60))

    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 1)

    eventually(lambda: execute(database_url, "SELECT count(*) FROM outbox") == [(1,)])
    assert daemon.status()["nats"]["error"] is None
    assert daemon.status()["nats"]["unpublished"] == 0


def test_old_keys_are_forgotten_while_signals_are_traded(daemon: Daemon, database_url: str, streams_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO inbox (consumer, message_id, received_at) "
        "SELECT 'trading-paper', 'old ' || n, now() - interval '3 days' FROM generate_series(1, 5000) AS n",
    )
    signals = a_crowd(50)
    streams.publish(streams_url, "paper.signals.validated", signals)

    assert_each_counted_once(database_url, streams_url, signals)
    eventually(lambda: execute(database_url, "SELECT count(*) FROM inbox") == [(50,)])
