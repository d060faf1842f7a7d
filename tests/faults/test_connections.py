"""Connections that are lost in mid delivery, and ends of them that nobody says anything of."""

from __future__ import annotations

from actors.gateway.connection import ACK_WAIT_S
from tests.conftest import execute
from tests.faults.arming import Faults
from tests.faults.evidence import gather
from tests.faults.invariants import assert_all_hold, assert_nobody_restarted, publications_are_in_order
from tests.faults.servers import Servers
from tests.faults.trader import Trader
from tests.system.daemon import Daemon, eventually

PATIENCE_S = ACK_WAIT_S * 2 / 3


def test_messages_lost_on_their_way_with_a_connection_come_again_before_later_ones(
    reaching: Daemon, servers: Servers, trader: Trader
) -> None:
    trader.everything(servers.nats_url, 20)
    servers.nats_proxy.delay_s = 0.5
    trader.trade(servers.nats_url, 40)
    servers.nats_proxy.cut(reset=True)
    servers.nats_proxy.heal()
    trader.trade(servers.nats_url, 40)

    assert_all_hold(servers.database_url, servers.nats_url, trader, PATIENCE_S)


def test_a_postgres_that_is_gone_without_a_word_is_noticed(reaching: Daemon, servers: Servers, trader: Trader) -> None:
    trader.everything(servers.nats_url, 20)
    servers.postgres_proxy.silent = True
    trader.trade(servers.nats_url, 40)
    eventually(lambda: reaching.status()["nats"]["in_flight"] >= 40)
    servers.postgres_proxy.heal()

    assert_all_hold(servers.database_url, servers.nats_url, trader, PATIENCE_S)
    assert_nobody_restarted(reaching)


def test_what_is_committed_while_nats_is_away_is_published_after_what_was_lost_on_its_way_there(
    reaching: Daemon, faults: Faults, servers: Servers, trader: Trader
) -> None:
    faults.arm("writing", "hold")
    trader.trade(servers.nats_url, 20)
    faults.wait_until_hit("writing")
    trader.trade(servers.nats_url, 20)
    eventually(lambda: reaching.status()["nats"]["in_flight"] == 40)
    servers.nats_proxy.silent = True
    faults.arm("writing", "hold")
    faults.let_go()
    faults.wait_until_hit("writing")
    eventually(lambda: reaching.status()["nats"]["unpublished"] == 1)

    servers.nats_proxy.refusing = True
    servers.nats_proxy.cut()
    eventually(lambda: reaching.status()["nats"]["state"] == "away")
    faults.let_go()
    eventually(lambda: reaching.status()["nats"]["unpublished"] == 2)
    servers.nats_proxy.heal()

    eventually(lambda: execute(servers.database_url, "SELECT count(*) FROM outbox") == [(0,)])
    assert not list(publications_are_in_order(gather(servers.database_url, servers.nats_url), trader))
