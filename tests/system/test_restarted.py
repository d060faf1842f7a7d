"""What a restart of one actor must not change: the value of what is held, and that `ready` means answered."""

from __future__ import annotations

from tests.system import streams
from tests.system.daemon import Daemon, eventually


def unrealised(daemon: Daemon) -> str:
    amount: str = daemon.status()["brokers"]["paper"]["unrealized_pnl"]
    return amount


def test_a_broker_that_is_restarted_values_what_it_holds_at_the_newest_ticks(daemon: Daemon, streams_url: str) -> None:
    streams.publish(streams_url, "paper.signals.validated", [streams.signal(quantity=10, price="100")])
    eventually(lambda: daemon.status()["brokers"]["paper"]["fills"] == 1)
    streams.publish(streams_url, "market.ticks", [streams.tick(1001, "250")])
    eventually(lambda: float(unrealised(daemon)) > 1000)
    before = unrealised(daemon)

    daemon.request("POST", "/children/trading.paper/crash")
    eventually(lambda: daemon.child("trading.paper")["restarts"] == 1)
    daemon.wait_until("ready")

    assert unrealised(daemon) == before


def test_whoever_asks_a_ready_daemon_by_nats_is_answered(idle_daemon: Daemon, streams_url: str) -> None:
    with idle_daemon:
        assert streams.request(streams_url, "panda.status", {})["state"] == "ready"

        for restarts in range(1, 4):
            idle_daemon.request("POST", "/children/gateway/crash")
            eventually(lambda wanted=restarts: idle_daemon.child("gateway")["restarts"] == wanted)
            idle_daemon.wait_until("ready")

            assert streams.request(streams_url, "panda.status", {})["state"] == "ready"


def test_what_an_actor_failed_with_is_shown_with_its_time(daemon: Daemon) -> None:
    daemon.request("POST", "/children/auth/crash")
    eventually(lambda: daemon.child("auth")["restarts"] == 1)
    status = daemon.wait_until("ready")

    auth = next(child for child in status["children"] if child["name"] == "auth")
    assert status["since"] < auth["last_error_at"] <= status["as_of"]
