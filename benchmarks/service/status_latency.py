"""How soon the daemon says how it is, in bad states: an actor hangs, PostgreSQL is gone, NATS is gone too."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Sample, Side, Target
from benchmarks.path.options import PathOptions
from benchmarks.path.outage import kill
from benchmarks.path.processes import ROOT, Started, environment, started
from benchmarks.path.servers import Servers, servers
from benchmarks.path.signals import signal
from benchmarks.rounds import DEADLINE_S

SOON = Target(Side.UNDER, 200.0)
"""Milliseconds, of the worst answer in a round."""
BROKER = """
import threading

class Broker:
    name = "hanging"

    def execute(self, signal, last_price, now):
        threading.Event().wait(3600)

def create(settings):
    return Broker()
"""
CHILD = "trading.hanging"


def status_latency(options: Options) -> list[Measurement]:
    """One daemon; the states are added one after the other."""
    asks = options.size(100, 3)
    with servers(PathOptions(options.rounds, options.quick)) as used:
        packages = _package(used.directory / "packages")
        settings = {
            "ACTIVE_BROKERS": "paper,hanging",
            "TRADING__HANGING__ENABLED": "true",
            "PYTHONPATH": f"{ROOT}:{packages}",
        }
        with started(used, used.new_database(), **settings) as daemon:
            _hang(used, daemon)
            found = _measured("an actor hangs", daemon, options.rounds, asks)
            for name, server in (("PostgreSQL", used.postgres), ("NATS", used.nats)):
                assert server is not None
                kill(server)
                found += _measured(f"and {name} is gone", daemon, options.rounds, asks)
    return found


def _package(place: Path) -> Path:
    """A directory of installed packages with a broker that hangs on its first order."""
    metadata = place / "panda_bench_hanging-1.0.dist-info"
    metadata.mkdir(parents=True)
    (place / "panda_bench_hanging.py").write_text(BROKER)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: panda_bench_hanging\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[alpha_panda.brokers]\nhanging = panda_bench_hanging:create\n")
    return place


def _hang(used: Servers, daemon: Started) -> None:
    """Have the broker hang in an order."""
    _wait(daemon, lambda status: status["brokers"]["hanging"]["state"] == "trading")
    _wait(daemon, lambda status: "HANGING_SIGNALS" in status["nats"]["streams"])
    order = signal(0, "hanging")[1]
    used.with_nats(lambda client: client.jetstream().publish("hanging.signals.validated", order))
    _wait(daemon, lambda status: any(one["name"] == CHILD and one["handling"] for one in status["children"]))


def _wait(daemon: Started, reached: Any) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not ((status := daemon.status()) and reached(status)):
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"the broker did not hang within {DEADLINE_S:g} s")
        time.sleep(0.05)


def _measured(what: str, daemon: Started, rounds: int, asks: int) -> list[Measurement]:
    answers = Sample(tuple(max(_ask_ms(daemon) for _ in range(asks)) for _ in range(rounds)))
    commands = Sample(tuple(_command_ms(daemon) for _ in range(rounds)))
    return [
        Measurement(f"{what}: status from the socket, worst of {asks}", "ms", answers, target=SOON),
        Measurement(f"{what}: `alpha-panda status`, the whole process", "ms", commands),
    ]


def _ask_ms(daemon: Started) -> float:
    began = time.perf_counter()
    if not daemon.status():
        raise BenchmarkFailed("the daemon did not answer")
    return 1000 * (time.perf_counter() - began)


def _command_ms(daemon: Started) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "from console.entry import main; main()", "status"],
        env=environment(STATE_DIR=str(daemon.operator.path.parent)),
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return 1000 * (time.perf_counter() - began)
