"""Moments that need more than a killed daemon: an answer that is lost, a server killed, the lease taken away."""

from __future__ import annotations

import pytest

from actors.gateway.connection import ACK_WAIT_S
from tests.faults import lease
from tests.faults.arming import Faults
from tests.faults.invariants import assert_all_hold, assert_nobody_restarted
from tests.faults.servers import Servers
from tests.faults.trader import Trader
from tests.system.daemon import Daemon, eventually


def lose_the_answer_to_a_commit(servers: Servers) -> None:
    writing: list[bool] = []

    def is_commit_of_signals(data: bytes) -> bool:
        writing.extend([True] * (b"INSERT INTO outbox" in data))
        return bool(writing) and b"COMMIT" in data and servers.postgres_proxy.cuts == 0

    servers.postgres_proxy.cut_after = is_commit_of_signals


def test_a_commit_whose_answer_is_lost_counts_once(reaching: Daemon, servers: Servers, trader: Trader) -> None:
    lose_the_answer_to_a_commit(servers)

    trader.everything(servers.nats_url, 40)

    eventually(lambda: servers.postgres_proxy.cuts == 1)
    assert_all_hold(servers.database_url, servers.nats_url, trader)
    assert_nobody_restarted(reaching)


def test_a_commit_whose_answer_is_lost_counts_once_when_the_daemon_dies_then(
    reaching: Daemon, servers: Servers, trader: Trader
) -> None:
    lose_the_answer_to_a_commit(servers)
    trader.everything(servers.nats_url, 40)
    eventually(lambda: servers.postgres_proxy.cuts == 1)
    reaching.kill()

    with reaching:
        assert_all_hold(servers.database_url, servers.nats_url, trader)


def test_an_acknowledgement_that_the_server_took_and_lost_changes_nothing(
    reaching: Daemon, faults: Faults, servers: Servers, trader: Trader
) -> None:
    faults.arm("acknowledged", "hold")
    trader.trade(servers.nats_url, 40)
    faults.wait_until_hit("acknowledged")
    servers.kill("nats")
    servers.nats.restart()
    reaching.kill()

    faults.disarm()
    with reaching:
        trader.everything(servers.nats_url, 20)
        assert_all_hold(servers.database_url, servers.nats_url, trader)


def test_a_publication_acknowledged_by_a_server_that_dies_then_is_there_once(
    reaching: Daemon, faults: Faults, servers: Servers, trader: Trader
) -> None:
    faults.arm("reporting", "hold")
    trader.trade(servers.nats_url, 40)
    faults.wait_until_hit("reporting")
    servers.kill("nats")
    servers.nats.restart()
    faults.let_go()

    reaching.wait_until("ready")
    trader.everything(servers.nats_url, 20)
    assert_all_hold(servers.database_url, servers.nats_url, trader, ACK_WAIT_S * 2 / 3)
    assert_nobody_restarted(reaching)


@pytest.mark.parametrize("action", ["hold", "stop"])
def test_a_batch_whose_lease_is_lost_leaves_nothing_and_is_handled_by_the_next_holder(
    daemon: Daemon, faults: Faults, database_url: str, streams_url: str, trader: Trader, action: str
) -> None:
    trader.everything(streams_url, 20)
    faults.arm("writing", action)
    trader.trade(streams_url, 40)
    faults.wait_until_hit("writing")
    lease.take_away(database_url)
    if action == "hold":
        faults.let_go()
    else:
        daemon.go_on()
    standing_by = daemon.wait_until_broker("standby")
    assert (standing_by["lease"]["mine"], standing_by["realized_pnl"]) == (False, None)

    lease.expire(database_url)
    daemon.wait_until_broker("trading")

    assert_all_hold(database_url, streams_url, trader)
    assert_nobody_restarted(daemon)
