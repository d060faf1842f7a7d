"""Faults at named points: an answer that never comes, a server that is frozen, a message made to break its reader."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from actors.gateway.puller import PULL_BYTES
from persistence.embedded import EmbeddedPostgres
from persistence.migration import upgrade
from tests.conftest import execute
from tests.system import books, streams
from tests.system.daemon import Daemon, eventually
from tests.system.proxy import proxy
from tests.system.test_signals import a_crowd, assert_each_counted_once


def test_a_commit_whose_answer_is_lost_is_settled_once_and_published(
    tmp_path: Path, database_url: str, streams_url: str
) -> None:
    with proxy(database_url) as between:
        writing: list[bool] = []

        def commit_of_signals(data: bytes) -> bool:
            if b"INSERT INTO outbox" in data:
                writing.append(True)
            if writing and b"COMMIT" in data and between.cuts < 5:
                writing.clear()
                return True
            return False

        with Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=between.url, NATS__URL=streams_url) as daemon:
            between.cut_after = commit_of_signals
            signals: list[dict[str, object]] = []

            def cut_once_more() -> bool:
                some = a_crowd(50)
                signals.extend(some)
                streams.publish(streams_url, "paper.signals.validated", some)
                return between.cuts == 5

            eventually(cut_once_more)
            assert_each_counted_once(database_url, streams_url, signals)
            eventually(lambda: execute(database_url, "SELECT count(*) FROM outbox") == [(0,)])
            assert daemon.status()["children"][1]["restarts"] == 0


def test_a_stop_is_bounded_while_postgres_is_frozen(tmp_path: Path, streams_url: str) -> None:
    with EmbeddedPostgres(tmp_path / "own-postgres") as postgres:
        upgrade(postgres.url)
        with Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=postgres.url, NATS__URL=streams_url) as daemon:
            assert postgres.pid is not None
            frozen = [psutil.Process(postgres.pid), *psutil.Process(postgres.pid).children(recursive=True)]
            for process in frozen:
                process.suspend()
            try:
                streams.publish(streams_url, "paper.signals.validated", a_crowd(10))
                eventually(lambda: daemon.status()["database"]["state"] == "away")
                assert daemon.stop() == 0
            finally:
                for process in frozen:
                    process.resume()


def deep_signals() -> list[bytes]:
    signal = streams.signal()
    signal["data"]["original_signal"]["metadata"] = {"order_type": "@"}
    nested = json.dumps(signal).replace('"@"', "[" * 1000 + "]" * 1000)
    return [nested.encode(), json.dumps(signal).replace('"@"', "7").encode()]


def test_one_message_that_breaks_its_reader_takes_no_other_with_it(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    good = a_crowd(100)

    streams.publish(streams_url, "paper.signals.validated", [*good[:50], *deep_signals(), *good[50:]])

    assert_each_counted_once(database_url, streams_url, good)
    assert execute(database_url, "SELECT count(*) FROM dead_letters") == [(2,)]
    eventually(lambda: daemon.status()["nats"]["in_flight"] == 0)


def test_large_bad_messages_do_not_hold_up_the_good_ones(daemon: Daemon, database_url: str, streams_url: str) -> None:
    good = streams.signal()
    streams.publish(streams_url, "paper.signals.validated", [b"x" * (6 << 20) for _ in range(20)])

    streams.publish(streams_url, "paper.signals.validated", [good])

    assert_each_counted_once(database_url, streams_url, [good])
    eventually(lambda: execute(database_url, "SELECT count(*) FROM dead_letters") == [(20,)])
    books.assert_equal(database_url, [good])


def test_a_message_larger_than_one_request_asks_for_comes_and_the_next_one_after_it(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    good = streams.signal()

    streams.publish(streams_url, "paper.signals.validated", [b"x" * PULL_BYTES, good])

    assert_each_counted_once(database_url, streams_url, [good])
    eventually(lambda: execute(database_url, "SELECT length(payload) FROM dead_letters") == [(PULL_BYTES,)])
    eventually(lambda: streams.count(streams_url, "PAPER_DLQ") == 1)
    ((_, letter, _),) = streams.read(streams_url, "PAPER_DLQ")
    assert letter["data"]["original_message"]["value"] is None
    assert letter["data"]["original_message"]["size"] == PULL_BYTES


@pytest.mark.parametrize("path", ["/sessions/%00", "/sessions/a%00b"])
def test_a_nul_in_a_request_is_refused_and_nobody_crashes(daemon: Daemon, path: str) -> None:
    for _ in range(8):
        assert "NUL" in daemon.request("GET", path)["error"]
        assert "NUL" in daemon.request("DELETE", path)["error"]

    assert daemon.child("auth")["restarts"] == 0


def test_a_full_stream_is_said_and_what_waited_is_published_when_it_takes_more(
    daemon: Daemon, streams_url: str
) -> None:
    streams.limit(streams_url, "PAPER_ORDERS", 5)
    streams.publish(streams_url, "paper.signals.validated", a_crowd(10))
    eventually(lambda: any("not published" in reason for reason in daemon.status()["why_not_ready"]))
    assert len([line for line in daemon.log().splitlines() if "not published" in line]) < 20

    streams.limit(streams_url, "PAPER_ORDERS", -1)

    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 30)
    daemon.wait_until("ready")


def test_what_cannot_be_published_stops_the_signals_before_it_fills_the_memory(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    signals = a_crowd(24_000)
    streams.limit(streams_url, "PAPER_ORDERS", 5)
    streams.publish(streams_url, "paper.signals.validated", signals)

    def has_stopped() -> bool:
        filled = books.count_events(database_url).get("order_filled", 0)
        return filled > 10_000 and daemon.status()["nats"]["in_flight"] == 0

    eventually(has_stopped)
    assert streams.unsettled(streams_url, "PAPER_SIGNALS", "trading-paper") > 1_000

    streams.limit(streams_url, "PAPER_ORDERS", -1)

    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3 * len(signals))
    daemon.wait_until("ready")
