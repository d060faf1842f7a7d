"""What an operator sees of an actor that hangs, in a whole service: by the socket, and in the log after SIGUSR1."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from persistence.embedded import EmbeddedPostgres
from persistence.migration import upgrade
from tests.system import streams
from tests.system.daemon import Daemon, eventually
from tests.system.test_signals import a_crowd

TOKEN = "tok-held-by-a-broker-that-hangs"
IN_A_MESSAGE = "tok-in-the-metadata-of-a-signal"

HANGING_BROKER = f'''
import threading

class Refused(Exception):
    def __init__(self, sent):
        super().__init__("the broker refused the order")
        self.sent = sent

class Broker:
    name = "hanging"
    orders = 0

    def execute(self, signal, last_price, now):
        access_token = "{TOKEN}"
        Broker.orders += 1
        if Broker.orders == 1:
            raise Refused(access_token)
        threading.Event().wait(600 if access_token else 0)
        raise RuntimeError("it never gets here")

def create(settings):
    return Broker()
'''


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A directory of installed packages with a broker that crashes on its first order and hangs on its second."""
    place = tmp_path / "packages"
    metadata = place / "pandatest_hanging-1.0.dist-info"
    metadata.mkdir(parents=True)
    (place / "pandatest_hanging.py").write_text(HANGING_BROKER)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pandatest_hanging\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[alpha_panda.brokers]\nhanging = pandatest_hanging:create\n")
    return place


@pytest.fixture
def stuck_daemon(tmp_path: Path, packages: Path, database_url: str, streams_url: str) -> Iterator[Daemon]:
    """A daemon one of whose brokers hangs in the middle of an order; nobody is logged in to it, so it is degraded."""
    daemon = Daemon(
        tmp_path / "state",
        DATABASE__POSTGRES_URL=database_url,
        NATS__URL=streams_url,
        ACTIVE_BROKERS="paper,hanging",
        TRADING__HANGING__ENABLED="true",
        PYTHONPATH=str(packages),
    ).start()
    try:
        daemon.wait_until_broker("trading", "hanging")
        eventually(lambda: "HANGING_SIGNALS" in daemon.status()["nats"]["streams"])
        order = streams.signal(broker="hanging")
        order["data"]["original_signal"]["metadata"] = {"note": IN_A_MESSAGE}
        streams.publish(streams_url, "hanging.signals.validated", [order])
        eventually(lambda: inspect(daemon, "trading.hanging")["crashes"])
        streams.publish(streams_url, "hanging.signals.validated", [streams.signal(broker="hanging")])
        eventually(lambda: where(inspect(daemon, "trading.hanging"), "execute"))
        yield daemon
    finally:
        daemon.kill()


def inspect(daemon: Daemon, child: str) -> dict[str, Any]:
    document: dict[str, Any] = daemon.request("GET", f"/children/{child}")
    return document


def where(document: dict[str, Any], function: str) -> str | None:
    """The source line that the actor is at in the function, if it is in it."""
    frames = document["stack"] or []
    return next((str(frame["source"]) for frame in frames if frame["function"] == function), None)


def dump(daemon: Daemon) -> list[dict[str, Any]]:
    """Have the daemon log its stacks; returns the events of this time."""
    before = len(daemon.log().splitlines())
    daemon.running.send_signal(signal.SIGUSR1)

    def events() -> list[dict[str, Any]]:
        return [json.loads(line) for line in daemon.log().splitlines()[before:] if line.startswith("{")]

    eventually(lambda: any(event["event"] == "stacks end" for event in events()))
    return [event for event in events() if event["event"] == "stack"]


def of(events: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(event for event in events if name in {event.get("actor"), event.get("thread")})


def test_an_actor_that_hangs_is_inspected_and_the_others_too(stuck_daemon: Daemon) -> None:
    document = inspect(stuck_daemon, "trading.hanging")

    assert document["handling"]["message"] == "ExecuteSignal"
    assert document["handling"]["for_s"] >= 0
    assert where(document, "execute") == "threading.Event().wait(600 if access_token else 0)"
    assert {frame["file"] for frame in document["stack"]} >= {"pandatest_hanging.py", "actors/trading/actor.py"}
    assert (document["state"], document["generation"], document["restarts"]) == ("running", 2, 1)
    (crash,) = document["crashes"]
    assert (crash["message"], crash["error"]) == ("ExecuteSignal", "Refused: the broker refused the order")
    assert any("raise Refused(access_token)" in line for line in crash["traceback"])
    assert inspect(stuck_daemon, "trading.paper")["handling"] is None
    supervised = {child["name"]: child for child in inspect(stuck_daemon, "brokers")["tree"]["children"]}
    assert supervised["trading.hanging"]["restarts_in_window"]["used"] == 1


def test_a_signal_logs_where_everybody_is(stuck_daemon: Daemon) -> None:
    events = dump(stuck_daemon)

    hanging = of(events, "trading.hanging")
    assert (hanging["state"], hanging["generation"], hanging["handling"]) == ("running", 2, "ExecuteSignal")
    assert hanging["for_s"] >= 0
    assert "pandatest_hanging.py" in hanging["stack"]
    actors = ["supervisor", "control", "database", "auth", "health", "brokers", "trading.paper", "gateway"]
    for name in (*actors, "MainThread", "control-http", "gateway-loop", "timers"):
        assert ":" in of(events, name)["stack"]
    assert stuck_daemon.status()["node"]


def test_no_secret_is_told_by_either_nor_by_the_crash(stuck_daemon: Daemon) -> None:
    document = json.dumps(inspect(stuck_daemon, "trading.hanging"))
    dump(stuck_daemon)

    for secret in (TOKEN, IN_A_MESSAGE):
        assert secret not in document
        assert secret not in json.dumps(stuck_daemon.status())
        assert secret not in stuck_daemon.log()


def test_it_answers_and_dumps_again_and_again_while_an_actor_hangs(stuck_daemon: Daemon) -> None:
    for _ in range(5):
        dump(stuck_daemon)
        assert where(inspect(stuck_daemon, "trading.hanging"), "execute")


def test_the_writer_is_shown_where_it_waits_for_a_frozen_postgres(tmp_path: Path, streams_url: str) -> None:
    with EmbeddedPostgres(tmp_path / "own-postgres") as postgres:
        upgrade(postgres.url)
        with Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=postgres.url, NATS__URL=streams_url) as daemon:
            assert postgres.pid is not None
            frozen = [psutil.Process(postgres.pid), *psutil.Process(postgres.pid).children(recursive=True)]
            for process in frozen:
                process.suspend()
            try:
                streams.publish(streams_url, "paper.signals.validated", a_crowd(10))
                eventually(lambda: (inspect(daemon, "database")["handling"] or {"for_s": 0})["for_s"] > 0.5)

                document = inspect(daemon, "database")
                events = dump(daemon)
            finally:
                for process in frozen:
                    process.resume()
            daemon.wait_until("ready")

    assert any(frame["file"].startswith("persistence/") for frame in document["stack"])
    assert "persistence/" in of(events, "database")["stack"]
    assert of(events, "database")["for_s"] > 0.5


@pytest.fixture
def deaf_manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A service manager that takes no more notifications until somebody reads what it has: who sends one, waits."""
    with contextlib.ExitStack() as stack:
        manager = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        while True:
            sender = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            sender.setblocking(False)
            try:
                sender.sendto(b"WATCHDOG=1", str(tmp_path / "notify"))
            except BlockingIOError:
                break
        yield manager


def test_it_works_while_the_supervisor_itself_is_stuck(
    tmp_path: Path, database_url: str, streams_url: str, deaf_manager: socket.socket
) -> None:
    with Daemon(
        tmp_path / "state",
        DATABASE__POSTGRES_URL=database_url,
        NATS__URL=streams_url,
        NOTIFY_SOCKET=str(tmp_path / "notify"),
    ) as daemon:
        supervisor = of(dump(daemon), "supervisor")
        assert "supervisor.py:" in supervisor["stack"]
        assert " on_tree_up\n" in supervisor["stack"]
        assert supervisor["handling"] == "ChildEvent"
        assert inspect(daemon, "gateway")["state"] == "running"

        with contextlib.suppress(BlockingIOError):
            while True:
                deaf_manager.recv(100)
        assert daemon.stop() == 0


def test_a_dump_does_not_put_off_the_stop(daemon: Daemon) -> None:
    daemon.running.send_signal(signal.SIGTERM)
    daemon.running.send_signal(signal.SIGUSR1)

    assert daemon.ended() == 0
