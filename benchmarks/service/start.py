"""How soon the daemon is ready after its process began, with a long history in its database."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.history import fill
from benchmarks.path.options import HISTORY_ROWS, PathOptions
from benchmarks.path.processes import Started, end, environment, started
from benchmarks.path.servers import Servers, servers
from benchmarks.rounds import interleave
from console.operator_socket import OperatorSocket
from persistence.embedded import EmbeddedPostgres
from persistence.migration import upgrade

SOON = Target(Side.UNDER, 2.0)
"""Seconds."""


def start(options: Options) -> list[Measurement]:
    """With servers that run already, and with embedded ones, which are started with the daemon."""
    rows = options.size(HISTORY_ROWS, 1_000)
    with servers(PathOptions(options.rounds, options.quick)) as used:
        database, state = used.new_database(), used.directory / "embedded"
        fill(database, rows)
        with EmbeddedPostgres(state / "postgres") as postgres:
            upgrade(postgres.url)
            fill(postgres.url, rows)
        with_servers, alone = interleave(options, lambda: _ready_s(used, database), lambda: _alone_s(state))
    what = f"start to ready, {rows:,} events stored"
    return [
        Measurement(f"{what}, servers running", "s", Sample(with_servers), target=SOON),
        Measurement(f"{what}, embedded servers started too", "s", Sample(alone), target=SOON),
    ]


def _ready_s(used: Servers, database: str) -> float:
    began = time.perf_counter()
    with started(used, database) as daemon:
        daemon.wait_until_ready()
        return time.perf_counter() - began


def _alone_s(state: Path) -> float:
    log = state / "daemon.log"
    began = time.perf_counter()
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "supervisor", "run"],
            cwd=state,
            env=environment(STATE_DIR=str(state), LOG__LEVEL="warning"),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        Started(process, OperatorSocket(state / "alpha-panda.sock"), log).wait_until_ready()
        return time.perf_counter() - began
    finally:
        end(process)
