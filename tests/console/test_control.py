"""What an operator tells a daemon to do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from console import control
from console.control import stop
from console.failure import Failure
from console.status import lock_holder
from persistence.state_directory import StateDirectory
from settings import load
from tests.console.conftest import Command, embedded_daemon
from tests.system.daemon import Daemon, eventually

HELD = """
import os, settings, signal, supervisor, sys
from persistence.embedded import EmbeddedPostgres
start = EmbeddedPostgres.start
def stand_still_first(server):
    os.kill(os.getpid(), signal.SIGSTOP)
    start(server)
EmbeddedPostgres.start = stand_still_first
sys.exit(supervisor.run(settings.load()))
"""
"""The service, which stands still when it is about to start its PostgreSQL, until it is told to go on."""


@pytest.mark.parametrize("how", [[], ["--crash"]])
def test_an_actor_is_restarted(command: Command, daemon: Daemon, how: list[str]) -> None:
    daemon.wait_until("ready")
    before = daemon.child("trading.paper")["restarts"]

    result = command("restart", "trading.paper", *how)

    assert result.code == 0
    assert result.out.startswith("trading.paper ")
    eventually(lambda: daemon.child("trading.paper")["restarts"] == before + 1)
    daemon.wait_until("ready")


def test_an_actor_that_there_is_not_is_refused_with_those_there_are(command: Command, daemon: Daemon) -> None:
    result = command("restart", "trading.nobody")

    assert result.code == 64
    assert "trading.paper" in result.err


def test_a_daemon_drains_stays_up_and_is_resumed(command: Command, daemon: Daemon) -> None:
    daemon.wait_until("ready")

    result = command("drain")

    assert (result.code, result.out.split(":")[0]) == (0, "drained")
    shown = command("status")
    assert shown.code == 1
    assert "drained: takes no messages in" in " ".join(shown.out.split())
    assert command("drain", "--no-wait").code == 0
    assert command("drain", "--resume").out == "messages are taken in again\n"
    daemon.wait_until("ready")


def test_without_a_daemon_nothing_drains(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))

    assert command("drain").code == 69


def test_a_daemon_that_is_frozen_is_named_with_the_way_to_end_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    with embedded_daemon(tmp_path / "state") as own:
        own.stand_still()

        with pytest.raises(Failure, match=f"process {own.running.pid} has not answered .* `kill -9 {own.running.pid}`"):
            stop(load(), patience_s=0.3)


def test_a_daemon_that_is_starting_is_waited_for_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    own = embedded_daemon(tmp_path / "state", (sys.executable, "-c", HELD)).start()
    looks = iter((own.go_on,))

    def look(path: Path) -> int | None:
        holder = lock_holder(path)
        for let_go in looks:
            let_go()
        return holder

    monkeypatch.setattr(control, "lock_holder", look)
    try:
        own.wait_until_still()
        assert lock_holder(tmp_path / "state" / "lock") == own.running.pid
        assert not load().socket_path.exists()

        code = stop(load(), patience_s=90.0)

        assert (code, own.ended()) == (0, 0)
    finally:
        own.kill()
    told = capsys.readouterr()
    assert told.err.startswith(f"process {own.running.pid} is starting or stopping; waiting for it")
    assert told.out.startswith(f"process {own.running.pid} is gone after ")


def test_who_holds_the_state_directory_without_a_socket_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    with (
        StateDirectory(tmp_path),
        pytest.raises(Failure, match=f"process {os.getpid()} holds .* after 0.2 s") as caught,
    ):
        stop(load(), patience_s=0.2)

    assert caught.value.exit_code == 75


def test_a_daemon_is_stopped_and_gone(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    with embedded_daemon(tmp_path / "state") as own:
        pid = own.running.pid
        assert lock_holder(tmp_path / "state" / "lock") == pid

        result = command("stop")

        assert result.code == 0
        assert result.out.startswith(f"process {pid} is gone after ")
        assert own.ended() == 0
    down = command("status")
    assert down.code == 2
    assert "Alpha Panda stopped" in down.out
    assert command("stop").code == 69
    assert lock_holder(tmp_path / "state" / "lock") is None
