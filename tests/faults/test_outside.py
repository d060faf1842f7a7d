"""Servers that are killed, frozen or cut off: nobody restarts, nothing is lost, and all goes on by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.gateway.connection import ACK_WAIT_S
from tests.faults import lease
from tests.faults.invariants import assert_all_hold, assert_nobody_restarted
from tests.faults.servers import Servers, standing_still
from tests.faults.trader import Trader
from tests.system.daemon import Daemon, eventually

SERVERS = ("postgres", "nats")
STILL_S = 3.0


@pytest.mark.parametrize("name", SERVERS)
def test_a_killed_server_costs_nothing_but_time(reaching: Daemon, servers: Servers, trader: Trader, name: str) -> None:
    trader.everything(servers.nats_url, 100)
    servers.kill(name)
    section = "database" if name == "postgres" else "nats"
    eventually(lambda: reaching.status()[section]["state"] == "away")
    servers.server(name).restart()

    trader.everything(servers.nats_url, 100)
    reaching.wait_until("ready")
    assert_all_hold(servers.database_url, servers.nats_url, trader)
    assert_nobody_restarted(reaching)


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_stands_still_for_a_while_costs_nothing_but_time(
    reaching: Daemon, servers: Servers, trader: Trader, name: str
) -> None:
    trader.everything(servers.nats_url, 100)
    pid = servers.server(name).pid
    assert pid is not None
    with standing_still(pid, STILL_S):
        if name == "postgres":
            trader.trade(servers.nats_url, 100)

    trader.everything(servers.nats_url, 100)
    assert_all_hold(servers.database_url, servers.nats_url, trader)
    assert_nobody_restarted(reaching)


def cut(servers: Servers, name: str) -> None:
    servers.proxy(name).cut()


def reset(servers: Servers, name: str) -> None:
    servers.proxy(name).cut(reset=True)


def delay(servers: Servers, name: str) -> None:
    servers.proxy(name).delay_s = 0.15


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("fault", [cut, reset, delay])
def test_a_network_that_cuts_or_resets_or_delays_costs_nothing_but_time(
    reaching: Daemon, servers: Servers, trader: Trader, fault: Callable[[Servers, str], None], name: str
) -> None:
    trader.everything(servers.nats_url, 50)
    for _ in range(3):
        fault(servers, name)
        trader.trade(servers.nats_url, 50)

    servers.proxy(name).heal()
    trader.everything(servers.nats_url, 50)
    assert_all_hold(servers.database_url, servers.nats_url, trader)
    assert_nobody_restarted(reaching)


def test_acknowledgements_that_are_lost_with_their_connection_are_written_again_at_once(
    reaching: Daemon, servers: Servers, trader: Trader
) -> None:
    proxy = servers.proxy("nats")
    proxy.cut_before = lambda piece: proxy.cuts < 3 and b"+ACK" in piece
    trader.trade(servers.nats_url, 50)
    eventually(lambda: proxy.cuts == 3)

    assert_all_hold(servers.database_url, servers.nats_url, trader, ACK_WAIT_S * 2 / 3)
    assert_nobody_restarted(reaching)


def test_a_daemon_that_stands_still_until_its_lease_is_over_takes_it_again(
    reaching: Daemon, servers: Servers, trader: Trader
) -> None:
    epoch = reaching.status()["brokers"]["paper"]["lease"]["epoch"]
    trader.everything(servers.nats_url, 50)
    reaching.stand_still()
    trader.trade(servers.nats_url, 50)
    lease.expire(servers.database_url)
    reaching.go_on()

    trader.everything(servers.nats_url, 50)
    eventually(lambda: reaching.status()["brokers"]["paper"]["lease"]["epoch"] > epoch)
    assert_all_hold(servers.database_url, servers.nats_url, trader)
    assert_nobody_restarted(reaching)
