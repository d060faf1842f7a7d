"""PostgreSQL or NATS away: nothing restarts, nothing is lost, and all goes on by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.gateway.embedded import EmbeddedNats
from persistence.embedded import EmbeddedPostgres
from persistence.migration import upgrade
from tests.system import books, streams
from tests.system.daemon import Daemon, eventually
from tests.system.test_signals import a_crowd, assert_each_counted_once


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server that the test may stop."""
    with EmbeddedPostgres(tmp_path / "own-postgres") as server:
        upgrade(server.url)
        yield server


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[EmbeddedNats]:
    """A server that the test may stop."""
    with EmbeddedNats(tmp_path / "own-nats") as server:
        yield server


@pytest.fixture
def daemon(tmp_path: Path, postgres: EmbeddedPostgres, nats: EmbeddedNats) -> Iterator[Daemon]:
    with Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=postgres.url, NATS__URL=nats.url) as one:
        yield one


def kill(server: EmbeddedPostgres | EmbeddedNats) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: server.poll() is not None)


def test_postgres_killed_and_back(daemon: Daemon, postgres: EmbeddedPostgres, nats: EmbeddedNats) -> None:
    signals = a_crowd(400)
    streams.publish(nats.url, "paper.signals.validated", signals[:200])
    kill(postgres)
    streams.publish(nats.url, "paper.signals.validated", signals[200:])
    eventually(lambda: daemon.status()["database"]["state"] == "away")
    assert any("database is away" in reason for reason in daemon.status()["why_not_ready"])

    postgres.restart()

    daemon.wait_until("ready")
    assert_each_counted_once(postgres.url, nats.url, signals)
    assert {child["restarts"] for child in daemon.status()["children"]} == {0}


def test_nats_killed_and_back(daemon: Daemon, postgres: EmbeddedPostgres, nats: EmbeddedNats) -> None:
    signals = a_crowd(400)
    streams.publish(nats.url, "paper.signals.validated", signals[:200])
    kill(nats)
    eventually(lambda: daemon.status()["nats"]["state"] == "away")
    assert any("NATS is away" in reason for reason in daemon.status()["why_not_ready"])

    nats.restart()

    daemon.wait_until("ready")
    streams.publish(nats.url, "paper.signals.validated", signals[200:])
    assert_each_counted_once(postgres.url, nats.url, signals)
    assert {child["restarts"] for child in daemon.status()["children"]} == {0}


def test_the_daemon_is_ready_only_once_nats_is_there(
    tmp_path: Path, postgres: EmbeddedPostgres, nats: EmbeddedNats
) -> None:
    url = nats.url
    nats.stop()
    daemon = Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=postgres.url, NATS__URL=url)
    daemon.start()
    try:
        daemon.wait_until("degraded")
        nats.start()
        daemon.wait_until("ready")
    finally:
        daemon.kill()


def test_a_deleted_consumer_is_made_again(daemon: Daemon, postgres: EmbeddedPostgres, nats: EmbeddedNats) -> None:
    first, second = a_crowd(20), a_crowd(20)
    streams.publish(nats.url, "paper.signals.validated", first)
    eventually(lambda: books.count_events(postgres.url).get("order_filled") == 20)

    streams.delete_consumer(nats.url, "PAPER_SIGNALS", "trading-paper")
    streams.publish(nats.url, "paper.signals.validated", second)

    assert_each_counted_once(postgres.url, nats.url, first + second)


def test_a_deleted_stream_is_made_again_and_nothing_committed_stays_unpublished(
    daemon: Daemon, postgres: EmbeddedPostgres, nats: EmbeddedNats
) -> None:
    streams.delete_stream(nats.url, "PAPER_ORDERS")

    streams.publish(nats.url, "paper.signals.validated", a_crowd(20))

    eventually(lambda: streams.count(nats.url, "PAPER_ORDERS") == 60)


def test_a_full_stop_under_load_is_clean_and_loses_nothing(
    daemon: Daemon, postgres: EmbeddedPostgres, nats: EmbeddedNats
) -> None:
    signals = a_crowd(1500)
    streams.publish(nats.url, "paper.signals.validated", signals)

    assert daemon.stop() == 0

    done = books.count_events(postgres.url).get("order_filled", 0)
    assert books.count_events(postgres.url).get("pnl_snapshot", 0) == done
    assert streams.count(nats.url, "PAPER_ORDERS") == 3 * done
    with daemon:
        assert_each_counted_once(postgres.url, nats.url, signals)
