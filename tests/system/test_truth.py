"""`status` tells the truth in every bad state, and at once: each is made with a real daemon on real servers."""

from __future__ import annotations

import grp
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.gateway.embedded import EmbeddedNats
from actors.health import CHECK_EVERY_S
from persistence.embedded import EmbeddedPostgres
from persistence.migration import upgrade
from tests.console.conftest import Command, Result, command
from tests.system import streams
from tests.system.daemon import CHECKOUT, Daemon, eventually
from tests.system.test_inspection import packages, stuck_daemon

__all__ = ["command", "packages", "stuck_daemon"]

NOBODY = """
import contextlib, os, sys
from console import app
with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
    app.execute(["status", "--json"])  # so that all is imported by who may read it
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(app.execute(["status", "--json"]))
"""

Asked = Callable[[], tuple[Result, dict[str, Any]]]


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server that the test may stop."""
    with EmbeddedPostgres(tmp_path / "own-postgres") as server:
        upgrade(server.url)
        yield server


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[EmbeddedNats]:
    """A server that the test may stop."""
    with EmbeddedNats(tmp_path / "own-nats") as server:
        yield server


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's daemon has its state, also by the settings of its commands."""
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def asked(command: Command) -> Asked:
    """Asks once for people and once for programs: both must say the same."""

    def ask() -> tuple[Result, dict[str, Any]]:
        shown, told = command("status"), command("status", "--json")
        assert shown.code == told.code
        return shown, json.loads(told.out)

    return ask


def until(asked: Asked, exit_code: int, word: str) -> tuple[Result, dict[str, Any]]:
    """Ask until the exit code and a word on the screen are right."""

    def right() -> tuple[Result, dict[str, Any]] | None:
        shown, document = asked()
        assert shown.code == exit_code, document
        assert word in shown.out, shown.out
        return shown, document

    found: tuple[Result, dict[str, Any]] = eventually(right, 4 * CHECK_EVERY_S)
    return found


def stop_and_wait(server: EmbeddedPostgres | EmbeddedNats) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: server.poll() is not None)


def test_one_that_starts_says_what_it_waits_for(
    state_dir: Path, postgres: EmbeddedPostgres, nats: EmbeddedNats, asked: Asked
) -> None:
    url = postgres.url
    postgres.stop()
    daemon = Daemon(state_dir, DATABASE__POSTGRES_URL=url, NATS__URL=nats.url).start()
    try:
        _, document = until(asked, 1, "Alpha Panda starting")
        assert any(why.startswith("database is ") for why in document["why_not_ready"])

        postgres.start()

        until(asked, 0, "Alpha Panda ready")
    finally:
        daemon.kill()


def test_with_postgres_away_it_is_critical_and_well_again_soon_after_its_return(
    state_dir: Path, postgres: EmbeddedPostgres, nats: EmbeddedNats, asked: Asked
) -> None:
    with Daemon(state_dir, DATABASE__POSTGRES_URL=postgres.url, NATS__URL=nats.url):
        until(asked, 0, "ready")

        stop_and_wait(postgres)

        shown, document = until(asked, 2, "FAIL  PostgreSQL")
        assert document["state"] == "degraded"
        assert document["database"]["state"] == "away"
        assert sum("database is away" in why for why in document["why_not_ready"]) == 1
        assert postgres.url.rpartition("@")[0].rpartition(":")[2] not in shown.out

        postgres.restart()

        until(asked, 0, "ready")


def test_with_nats_away_it_is_degraded_and_says_so(
    state_dir: Path, postgres: EmbeddedPostgres, nats: EmbeddedNats, asked: Asked
) -> None:
    with Daemon(state_dir, DATABASE__POSTGRES_URL=postgres.url, NATS__URL=nats.url):
        until(asked, 0, "ready")

        stop_and_wait(nats)

        _, document = until(asked, 1, "NATS is away")
        assert document["nats"]["state"] == "away"

        nats.restart()

        until(asked, 0, "ready")


def test_a_stream_that_is_gone_is_missed_and_its_cure_helps(
    state_dir: Path, database_url: str, streams_url: str, asked: Asked, command: Command
) -> None:
    def until_pulled(subject: str, message: dict[str, Any], stream: str, consumer: str) -> None:
        streams.publish(streams_url, subject, [message])
        eventually(lambda: streams.unsettled(streams_url, stream, consumer) == 0)

    with Daemon(state_dir, DATABASE__POSTGRES_URL=database_url, NATS__URL=streams_url) as daemon:
        # whoever begins to pull makes all streams first, which may be just after the daemon is ready
        until_pulled("paper.signals.validated", streams.signal(), "PAPER_SIGNALS", "trading-paper")
        until_pulled("auth.sessions.save", streams.session_save("u", "t"), "SESSIONS", "auth")
        streams.delete_stream(streams_url, "SYSTEM_DLQ")

        _, document = until(asked, 1, "FAIL  Streams: missing: SYSTEM_DLQ")
        check = next(one for one in document["checks"] if one["component"] == "Streams")
        assert check["cure"] == "they are made again by `alpha-panda restart gateway`"

        assert command("restart", "gateway").code == 0

        until(asked, 0, "ok    Streams")
        assert daemon.child("gateway")["state"] == "running"


def test_an_actor_that_hangs_is_shown_and_delays_no_answer(
    stuck_daemon: Daemon, monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    monkeypatch.setenv("STATE_DIR", str(stuck_daemon.state_dir))

    took_s: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        status = stuck_daemon.status()
        took_s.append(time.perf_counter() - began)

    hanging = next(child for child in status["children"] if child["name"] == "trading.hanging")
    assert hanging["handling"]["message"] == "ExecuteSignal"
    assert hanging["handling"]["for_s"] > 0
    assert hanging["last_error"].startswith("Refused")
    assert hanging["last_error_at"] is not None
    assert min(took_s) < 0.2
    until(asked, 1, "hanging session")


def test_a_broker_that_is_parked_is_named_with_its_error(
    state_dir: Path, database_url: str, streams_url: str, asked: Asked
) -> None:
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    brokers = {"ACTIVE_BROKERS": "paper,nobody", "TRADING__NOBODY__ENABLED": "true"}
    daemon = Daemon(state_dir, **servers, **brokers).start()
    try:
        _, document = until(asked, 1, "trading.nobody is parked")
        assert document["brokers"]["nobody"]["state"] == "failed"
        eventually(lambda: asked()[1]["brokers"]["paper"]["state"] == "trading")
    finally:
        daemon.kill()


def test_one_that_was_killed_is_down_and_shown_as_it_was_last(
    state_dir: Path, database_url: str, streams_url: str, asked: Asked
) -> None:
    with Daemon(state_dir, DATABASE__POSTGRES_URL=database_url, NATS__URL=streams_url) as daemon:
        eventually((state_dir / "last_status.json").exists)
        pid = daemon.running.pid
        daemon.kill()
        assert (state_dir / "alpha-panda.sock").exists()

        shown, document = asked()

    assert shown.code == 2
    assert "no daemon runs at" in shown.out
    assert "The last known state, of " in shown.out
    assert document["state"] == "unreachable"
    assert document["last"]["pid"] == pid
    assert 0 <= document["age_s"] < 60


def test_one_that_stands_still_is_unknown(state_dir: Path, database_url: str, streams_url: str, asked: Asked) -> None:
    with Daemon(state_dir, DATABASE__POSTGRES_URL=database_url, NATS__URL=streams_url) as daemon:
        daemon.stand_still()
        try:
            shown, document = asked()
        finally:
            daemon.go_on()

    assert shown.code == 3
    assert "no answer in 2 s" in document["why_not_ready"][0]


def why_nobody_can_tell(state_dir: Path) -> str:
    """What somebody without rights is told of the daemon."""
    environment = {**os.environ, "STATE_DIR": str(state_dir), "PYTHONPATH": str(CHECKOUT)}
    asked = subprocess.run(
        [sys.executable, "-c", NOBODY], cwd="/", env=environment, capture_output=True, check=False, timeout=120
    )
    assert asked.returncode == 3, asked.stderr
    (why,) = json.loads(asked.stdout)["why_not_ready"]
    return str(why)


def test_without_rights_to_the_socket_it_is_unknown(daemon: Daemon) -> None:
    daemon.state_dir.chmod(0 if os.geteuid() else 0o700)
    try:
        why = why_nobody_can_tell(daemon.state_dir)
    finally:
        daemon.state_dir.chmod(0o700)

    assert "no permission; run this as the daemon's user" in why


def test_a_group_that_may_use_the_socket_is_named_to_somebody_outside_it() -> None:
    group = grp.getgrgid(os.getgid() or 1)
    with tempfile.TemporaryDirectory() as everybodys:
        Path(everybodys).chmod(0o755)
        state_dir = Path(everybodys, "state")
        state_dir.mkdir()
        os.chown(state_dir, -1, group.gr_gid)
        state_dir.chmod(0o050 if os.geteuid() else 0o750)

        why = why_nobody_can_tell(state_dir)

        state_dir.chmod(0o700)
    assert f"no permission; have root run `gpasswd -a USER {group.gr_name}`, then log in again" in why
