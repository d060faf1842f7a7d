"""Somebody else pulls a broker's consumer: a daemon that stood still until another took over, or anybody."""

from __future__ import annotations

from pathlib import Path

from actors.gateway.connection import ACK_WAIT_S
from tests.faults import lease
from tests.faults.arming import Faults
from tests.faults.invariants import assert_all_hold
from tests.faults.trader import Trader
from tests.system import streams
from tests.system.daemon import Daemon, eventually


def test_a_daemon_that_goes_on_after_another_took_over_changes_nothing_and_no_order(
    daemon: Daemon, tmp_path: Path, database_url: str, streams_url: str, trader: Trader
) -> None:
    trader.trade(streams_url, 50)
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    other = Faults(tmp_path / "other-faults").daemon(tmp_path / "other", **servers)
    lease.keep(database_url)
    other.start()
    try:
        other.wait_until_broker("standby")
        daemon.stand_still()
        trader.trade(streams_url, 100)
        lease.expire(database_url)
        other.wait_until_broker("trading")
        trader.trade(streams_url, 100)

        daemon.go_on()
        trader.trade(streams_url, 100)

        assert_all_hold(database_url, streams_url, trader)
        daemon.wait_until_broker("standby")
    finally:
        other.kill()


def test_messages_that_somebody_else_pulls_come_again_at_once_and_before_later_ones(
    daemon: Daemon, database_url: str, streams_url: str, trader: Trader
) -> None:
    trader.trade(streams_url, 20)

    taken = streams.pull_meanwhile(
        streams_url, "PAPER_SIGNALS", "trading-paper", 10, lambda: trader.trade(streams_url, 100)
    )

    assert taken > 0
    assert_all_hold(database_url, streams_url, trader, timeout_s=ACK_WAIT_S * 2 / 3)
    daemon.wait_until_broker("trading")


def test_what_another_asked_of_the_consumer_before_a_daemon_took_the_broker_gets_nothing(
    tmp_path: Path, daemon: Daemon, database_url: str, streams_url: str, trader: Trader
) -> None:
    trader.trade(streams_url, 20)
    other = Faults(tmp_path / "other-faults").daemon(
        tmp_path / "other", DATABASE__POSTGRES_URL=database_url, NATS__URL=streams_url
    )

    made_at = streams.consumer_made_at(streams_url, "PAPER_SIGNALS", "trading-paper")

    def take_over() -> None:
        daemon.kill()
        lease.expire(database_url)
        other.wait_until_broker("trading")
        eventually(lambda: streams.consumer_made_at(streams_url, "PAPER_SIGNALS", "trading-paper") != made_at)
        trader.trade(streams_url, 40)
        assert_all_hold(database_url, streams_url, trader, timeout_s=ACK_WAIT_S * 2 / 3)

    lease.keep(database_url)
    other.start()
    try:
        other.wait_until_broker("standby")
        taken = streams.pull_meanwhile(streams_url, "PAPER_SIGNALS", "trading-paper", 10, take_over)
        assert taken == 1, "the one that came is that the consumer was deleted"
    finally:
        other.kill()
