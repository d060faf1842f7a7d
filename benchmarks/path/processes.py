"""The sides as processes of their own, which end with the benchmark: the real daemon, and a peer."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any

import nats.errors

from benchmarks.measurement import BenchmarkFailed
from benchmarks.path.routes import OURS, PEER, Route, consumer, make_peer_streams
from benchmarks.path.servers import Servers
from benchmarks.rounds import DEADLINE_S
from console.failure import Failure
from console.operator_socket import OperatorSocket
from persistence.server_user import command

ROOT = Path(__file__).parents[2]
SETTINGS = (
    "DATABASE__",
    "NATS__",
    "TRADING__",
    "PAPER_TRADING__",
    "AUTH__",
    "LOG__",
    "ACTIVE_BROKERS",
    "STATE_DIR",
    "RUNTIME_DIR",
)
EVERY_S = 0.1


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of the person who runs it."""
    ours = {name: value for name, value in os.environ.items() if not name.upper().startswith(SETTINGS)}
    return {**ours, "PYTHONPATH": str(ROOT), **more}


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon that was started, ready or not."""

    process: subprocess.Popen[bytes]
    operator: OperatorSocket
    log: Path

    def status(self) -> dict[str, Any]:
        """What it says of itself; nothing while it does not answer.

        Raises:
            BenchmarkFailed: it has ended.
        """
        _check_runs("the daemon", self.process, self.log)
        try:
            answer: dict[str, Any] = self.operator.get("status")
        except Failure:
            return {}
        return answer

    def wait_until_ready(self) -> None:
        """Wait until it says that nothing is amiss.

        Raises:
            BenchmarkFailed: it ended, or took too long.
        """
        deadline = time.monotonic() + DEADLINE_S
        while (status := self.status()).get("state") != "ready":
            if time.monotonic() > deadline:
                raise BenchmarkFailed(
                    f"the daemon was not ready within {DEADLINE_S:g} s: {status.get('why_not_ready')}"
                )
            time.sleep(EVERY_S / 10)

    def restarts(self) -> int:
        """How often its children were restarted, all together."""
        return sum(child["restarts"] for child in self.status()["children"])


@contextmanager
def daemon(servers: Servers, database_url: str) -> Iterator[int]:
    """The daemon with everything on, ready and pulling; yields its process id, and stops it."""
    with started(servers, database_url) as one:
        _wait_for_consumer(servers, OURS, one.process, one.log)
        yield one.process.pid


@contextmanager
def started(servers: Servers, database_url: str, **more: str) -> Iterator[Started]:
    """The same, from the moment that its process runs, with more settings."""
    state = servers.directory / f"state-{time.monotonic_ns()}"
    log = servers.directory / "daemon.log"
    ours = {
        "STATE_DIR": str(state),
        "DATABASE__POSTGRES_URL": database_url,
        "NATS__URL": servers.nats_url,
        "LOG__LEVEL": "warning",
    }
    variables = environment(**ours | more)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command([sys.executable, "-m", "supervisor", "run"], Signals.SIGTERM, None),
            cwd=servers.directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        yield Started(process, OperatorSocket(state / "alpha-panda.sock"), log)
    finally:
        end(process)


@contextmanager
def faststream(servers: Servers, database_url: str) -> Iterator[int]:
    """The peer's handler, pulling; yields its process id, and stops it."""
    check_installed("faststream", "asyncpg")
    log = servers.directory / "faststream.log"
    servers.with_nats(make_peer_streams)
    with log.open("ab") as sink:
        process = launch("benchmarks.path.faststream_peer", sink, nats=servers.nats_url, postgres=database_url)
    try:
        _wait_for_consumer(servers, PEER, process, log)
        yield process.pid
    finally:
        end(process)


def launch(module: str, output: Any, **parameters: Any) -> subprocess.Popen[bytes]:
    """Run a module of the benchmark; its parameters travel over stdin, as there are passwords in them."""
    process = subprocess.Popen(
        command([sys.executable, "-m", module], Signals.SIGTERM, None),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(parameters).encode())
    process.stdin.close()
    return process


def check_installed(*names: str) -> None:
    """Make sure that the peer can run.

    Raises:
        BenchmarkFailed: it is not installed.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise BenchmarkFailed(f"{name} is not installed: pip install 'alpha-panda[bench]'")


def _wait_for_consumer(servers: Servers, route: Route, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the side has asked for messages."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        _check_runs(f"the process for {route.prefix}", process, log)
        try:
            if servers.with_nats(lambda client: consumer(client, route)).get("num_waiting"):
                return
        except (nats.errors.Error, OSError):
            pass
        time.sleep(EVERY_S)
    raise BenchmarkFailed(f"the process for {route.prefix} asked for no messages within {DEADLINE_S:g} s")


def _check_runs(what: str, process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        lines = log.read_text(errors="replace").strip().splitlines()
        raise BenchmarkFailed(f"{what} ended: {lines[-1] if lines else process.returncode}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Have it stop, and wait until it has; one that does not is killed."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
