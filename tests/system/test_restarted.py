"""What a restart of one actor must not change: the value of what is held, and that `ready` means answered."""

from __future__ import annotations

import contextlib
import http.client
import signal
import sys
from pathlib import Path

import psutil

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


HELD = """
import gc, pathlib, signal, sys
import settings, supervisor

def count(*_):
    loops = sum(type(one).__qualname__ == "Loop" for one in gc.get_objects())
    pathlib.Path(sys.argv[1]).write_text(str(loops))

signal.signal(signal.SIGUSR2, count)
sys.exit(supervisor.run(settings.load()))
"""


def held(daemon: Daemon, counted: Path) -> dict[str, int]:
    """Threads and files of the process, and event loops, also those that only a collection would free; but for what the
    start has made, which is frozen.
    """
    counted.unlink(missing_ok=True)
    daemon.running.send_signal(signal.SIGUSR2)
    loops = eventually(lambda: counted.exists() and counted.read_text())
    process = psutil.Process(daemon.running.pid)
    return {"loops": int(loops), "threads": process.num_threads(), "files": process.num_fds()}


def settled(daemon: Daemon, counted: Path) -> dict[str, int]:
    """The same, once the loops are those of the two children that have one."""
    found = held(daemon, counted)
    assert found["loops"] == 2, found
    return found


def test_an_incarnation_takes_with_it_what_it_held(tmp_path: Path, database_url: str, streams_url: str) -> None:
    counted, ends = tmp_path / "counted", ("restart", "crash")
    command = (sys.executable, "-c", HELD, str(counted))
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    with Daemon(tmp_path / "state", command=command, **servers) as daemon:
        for child in ("gateway", "control"):
            restarted(daemon, child, "restart", 1)
        before = eventually(lambda: settled(daemon, counted))
        for restarts, end in enumerate(ends, 2):
            for child in ("gateway", "control"):
                restarted(daemon, child, end, restarts)

        eventually(lambda: all(now <= before[what] for what, now in held(daemon, counted).items()))


def restarted(daemon: Daemon, child: str, end: str, restarts: int) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):  # the control actor may be gone before it answers
        daemon.request("POST", f"/children/{child}/{end}")
    eventually(lambda: daemon.child(child)["restarts"] == restarts)
    daemon.wait_until("ready")
