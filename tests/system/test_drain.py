"""A daemon that drains takes nothing in, finishes what it has, stays up, and goes on where it was."""

from __future__ import annotations

import threading
from typing import Any

from tests.conftest import execute
from tests.system import books, streams
from tests.system.daemon import Daemon, eventually
from tests.system.test_signals import a_crowd, assert_each_counted_once

SIGNALS = "paper.signals.validated"


def intake(daemon: Daemon) -> str:
    state: str = daemon.status()["nats"]["intake"]
    return state


def drain(daemon: Daemon) -> None:
    assert daemon.request("POST", "/drain") == {"intake": "draining"}
    eventually(lambda: intake(daemon) == "drained")


def placed(database_url: str) -> int:
    return books.count_events(database_url).get("order_placed", 0)


def test_what_is_in_hand_is_finished_and_the_rest_waits_in_its_stream(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    first, second = a_crowd(6000), a_crowd(50)
    publisher = threading.Thread(target=streams.publish, args=(streams_url, SIGNALS, first))
    publisher.start()
    eventually(lambda: placed(database_url) > 0)

    drain(daemon)

    publisher.join(60)
    traded = placed(database_url)
    streams.publish(streams_url, SIGNALS, second)
    stands = daemon.status()
    assert stands["state"] == "degraded"
    assert any(why.startswith("drained: takes no messages in") for why in stands["why_not_ready"])
    assert streams.count(streams_url, "PAPER_ORDERS") == 3 * traded
    waiting = len(first) + len(second) - traded
    eventually(lambda: streams.unsettled(streams_url, "PAPER_SIGNALS", "trading-paper") == waiting)
    assert placed(database_url) == traded

    assert daemon.request("DELETE", "/drain") == {"intake": "open"}
    assert_each_counted_once(database_url, streams_url, [*first, *second])
    daemon.wait_until("ready")


def test_it_lasts_while_actors_are_restarted(daemon: Daemon, database_url: str, streams_url: str) -> None:
    drain(daemon)
    for name in ("gateway", "trading.paper", "database"):
        daemon.request("POST", f"/children/{name}/crash")
        eventually(lambda name=name: daemon.child(name)["restarts"] >= 1)
    eventually(lambda: intake(daemon) == "drained")
    daemon.wait_until_broker("trading")
    sent = a_crowd(20)
    streams.publish(streams_url, SIGNALS, sent)
    ticks = {"handled": daemon.child("trading.paper")["handled"]}
    streams.publish(streams_url, "market.ticks", [streams.tick(7, "250")])
    eventually(lambda: daemon.child("trading.paper")["handled"] > ticks["handled"])

    assert placed(database_url) == 0
    assert intake(daemon) == "drained"
    daemon.request("DELETE", "/drain")
    assert_each_counted_once(database_url, streams_url, sent)


def test_logins_wait_too(daemon: Daemon, database_url: str, streams_url: str) -> None:
    def users() -> list[tuple[Any, ...]]:
        return execute(database_url, "SELECT user_id FROM trading_sessions ORDER BY 1")

    streams.publish(streams_url, "auth.sessions.save", [streams.session_save("alice", "token-1")])
    eventually(lambda: users() == [("alice",)])
    drain(daemon)
    streams.publish(streams_url, "auth.sessions.save", [streams.session_save("bob", "token-2")])
    eventually(lambda: daemon.status()["nats"]["streams"]["SESSIONS"]["pending"] == 1)
    assert users() == [("alice",)]

    daemon.request("DELETE", "/drain")
    eventually(lambda: users() == [("alice",), ("bob",)])


def test_it_may_be_said_twice_and_undone_at_once(daemon: Daemon, database_url: str, streams_url: str) -> None:
    for _ in range(5):
        daemon.request("POST", "/drain")
        daemon.request("POST", "/drain")
        daemon.request("DELETE", "/drain")
    sent = a_crowd(30)
    streams.publish(streams_url, SIGNALS, sent)

    assert_each_counted_once(database_url, streams_url, sent)
    daemon.wait_until("ready")


def test_a_drained_daemon_stops_and_its_successor_takes_in(daemon: Daemon, database_url: str, streams_url: str) -> None:
    drain(daemon)
    sent = a_crowd(10)
    streams.publish(streams_url, SIGNALS, sent)
    assert daemon.stop() == 0

    daemon.start()
    daemon.wait_until("ready")
    assert_each_counted_once(database_url, streams_url, sent)
