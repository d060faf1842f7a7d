"""How the process starts, refuses to, stops, and recovers."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from persistence.migration import heads
from tests.conftest import execute, with_database
from tests.faults import lease
from tests.system import streams
from tests.system.daemon import Daemon, eventually

CHILDREN = ["control", "database", "auth", "health", "brokers", "trading.paper", "gateway"]


def test_children_start_in_order_and_stop_in_reverse(daemon: Daemon) -> None:
    children = daemon.status()["children"]
    assert [child["name"] for child in children] == CHILDREN
    since = {child["name"]: child["since"] for child in children}
    assert since["database"] <= since["auth"] <= since["health"] <= since["trading.paper"] <= since["gateway"]

    assert daemon.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_cleanly(daemon: Daemon, number: signal.Signals) -> None:
    began = time.monotonic()
    daemon.running.send_signal(number)

    assert daemon.ended() == 0
    assert not (daemon.state_dir / "alpha-panda.sock").exists()
    assert_the_log_tells_the_stop(daemon, number.name, time.monotonic() - began)


def test_a_second_signal_ends_at_once(daemon: Daemon, streams_url: str) -> None:
    stopped = psutil.Process(daemon.running.pid)
    stopped.suspend()
    daemon.running.send_signal(signal.SIGTERM)
    daemon.running.send_signal(signal.SIGINT)
    stopped.resume()

    assert daemon.ended() in {0, 128 + signal.SIGTERM, 128 + signal.SIGINT}


def test_stop_by_the_operator_socket(daemon: Daemon) -> None:
    began = time.monotonic()
    daemon.request("POST", "/stop")

    assert daemon.ended() == 0
    assert_the_log_tells_the_stop(daemon, "stop", time.monotonic() - began)


def assert_the_log_tells_the_stop(daemon: Daemon, cause: str, seen_s: float) -> None:
    """One line when it begins, and the last of all when it has ended."""
    entries = [json.loads(line) for line in daemon.log().splitlines() if line.startswith("{")]
    (begun,) = (entry for entry in entries if entry["event"] == "stopping")
    ended = entries[-1]
    assert (begun["level"], begun["cause"]) == ("info", cause)
    assert (ended["level"], ended["event"]) == ("info", "stopped")
    assert 0 < ended["took_s"] <= seen_s


def test_a_second_run_on_the_same_state_directory_names_the_first(daemon: Daemon) -> None:
    second = Daemon(daemon.state_dir)
    second.log_path = daemon.state_dir.parent / "second.log"
    second.start()

    assert second.ended() == 75
    assert str(daemon.running.pid) in second.log()
    assert len(second.log().strip().splitlines()) == 1
    assert daemon.status()["state"] == "ready"


def test_embedded_servers_recover_after_kill_9_and_leave_no_process(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "state")
    with daemon:
        servers = psutil.Process(daemon.running.pid).children(recursive=True)
        assert {"postgres", "nats-server"} <= {server.name() for server in servers}
        url = daemon.request("GET", "/connection")["nats"][0]
        streams.publish(url, "paper.signals.validated", [streams.signal()])
        eventually(lambda: daemon.status()["brokers"]["paper"]["fills"] == 1)
        daemon.kill()
    gone, alive = psutil.wait_procs(servers, timeout=90)
    assert not alive

    with daemon:
        assert daemon.status()["brokers"]["paper"]["fills"] == 1
        servers = psutil.Process(daemon.running.pid).children(recursive=True)
        assert daemon.stop() == 0
    gone, alive = psutil.wait_procs(servers, timeout=90)
    assert not alive
    assert len(gone) >= 2


def test_embedded_servers_that_die_are_started_again(tmp_path: Path) -> None:
    with Daemon(tmp_path / "state") as daemon:
        children = psutil.Process(daemon.running.pid).children()
        for child in children:
            os.kill(child.pid, signal.SIGKILL)
        psutil.wait_procs(children, timeout=90)

        daemon.wait_until("ready")
        url = daemon.request("GET", "/connection")["nats"][0]
        sent = streams.signal()
        eventually(lambda: streams.publish(url, "paper.signals.validated", [sent]) is None)
        eventually(lambda: daemon.status()["brokers"]["paper"]["fills"] == 1)
        assert {child["restarts"] for child in daemon.status()["children"]} == {0}
        assert daemon.stop() == 0


def test_an_external_database_that_is_not_at_head_is_refused_with_the_command_to_run(
    tmp_path: Path, postgres_url: str, streams_url: str
) -> None:
    execute(postgres_url, "CREATE DATABASE bare")
    daemon = Daemon(
        tmp_path / "state", DATABASE__POSTGRES_URL=with_database(postgres_url, "bare"), NATS__URL=streams_url
    ).start()

    assert daemon.ended() == 78
    assert "alpha-panda db upgrade" in daemon.log()
    assert "Traceback" not in daemon.log()


def test_a_database_without_tables_is_migrated_when_asked(tmp_path: Path, postgres_url: str, streams_url: str) -> None:
    execute(postgres_url, "CREATE DATABASE to_migrate")
    url = with_database(postgres_url, "to_migrate")
    with Daemon(
        tmp_path / "state", DATABASE__POSTGRES_URL=url, DATABASE__AUTO_MIGRATE="true", NATS__URL=streams_url
    ) as daemon:
        assert daemon.status()["database"]["schema"] == heads()


def test_a_wrong_password_is_one_clear_line_without_the_password(tmp_path: Path, postgres_url: str) -> None:
    url = postgres_url.replace("alpha_panda:", "alpha_panda:wrong-", 1)
    daemon = Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=url).start()

    assert daemon.ended() == 78
    assert "wrong-" not in daemon.log()
    assert "password" in daemon.log()


@pytest.mark.parametrize("place", ["/proc/nothing/here", "/dev/null/state"])
def test_a_state_directory_that_cannot_be_made_is_one_line(tmp_path: Path, place: str) -> None:
    daemon = Daemon(Path(place))
    daemon.log_path = tmp_path / "log"
    daemon.start()

    assert daemon.ended() == 78
    assert len(daemon.log().strip().splitlines()) == 1


def test_an_unknown_broker_is_parked_alone(tmp_path: Path, database_url: str, streams_url: str) -> None:
    daemon = Daemon(
        tmp_path / "state",
        DATABASE__POSTGRES_URL=database_url,
        NATS__URL=streams_url,
        ACTIVE_BROKERS="paper,nobody",
        TRADING__NOBODY__ENABLED="true",
    ).start()
    try:
        eventually(lambda: daemon.status()["nats"]["state"] == "up")
        assert daemon.status()["state"] == "degraded"
        assert daemon.child("trading.nobody")["state"] == "parked"
        assert "nobody" in daemon.child("trading.nobody")["last_error"]
        streams.publish(streams_url, "paper.signals.validated", [streams.signal()])
        eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3)
    finally:
        daemon.kill()


def test_a_second_daemon_stands_by_and_takes_over(tmp_path: Path, database_url: str, streams_url: str) -> None:
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    lease.keep(database_url)
    first = Daemon(tmp_path / "first", **servers)
    second = Daemon(tmp_path / "second", **servers)
    with first:
        second.start()
        try:
            standing_by = second.wait_until_broker("standby")
            assert (standing_by["lease"]["mine"], standing_by["realized_pnl"]) == (False, None)
            first.kill()
            lease.renew_no_more(database_url)
            second.wait_until("ready")
            streams.publish(streams_url, "paper.signals.validated", [streams.signal()])
            eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3)
        finally:
            second.kill()


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", "2>&1 | true"], ids=["full", "closed", "unread"])
def test_a_log_that_nobody_takes_ends_nothing(tmp_path: Path, database_url: str, streams_url: str, where: str) -> None:
    command = ("sh", "-c", f'"$0" -c "from console.entry import main; main()" run {where}', sys.executable)
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    daemon = Daemon(tmp_path / "state", command=command, RUNTIME_DIR=str(tmp_path / "state"), **servers)
    with daemon:
        daemon.request("POST", "/children/trading.paper/crash")
        eventually(lambda: daemon.child("trading.paper")["restarts"] == 1)
        streams.publish(streams_url, "paper.signals.validated", [b"bad", streams.signal()])
        eventually(lambda: daemon.status()["brokers"]["paper"]["fills"] == 1)

        os.kill(daemon.status()["pid"], signal.SIGTERM)

        assert daemon.ended() == 0
