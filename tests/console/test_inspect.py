"""`inspect` with a daemon, without one, and of an actor that there is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.console.conftest import Command
from tests.system.daemon import Daemon, eventually

PARTS = {
    "name",
    "state",
    "generation",
    "restarts",
    "restarts_in_window",
    "mailbox",
    "handling",
    "stack",
    "handled_per_s",
    "crashes",
    "dead_letters",
    "dead_letters_by_reason",
    "last_dead_letters",
    "zombies",
}


def document(command: Command, child: str) -> dict[str, Any]:
    result = command("inspect", child, "--json")
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


@pytest.mark.parametrize("child", ["control", "database", "auth", "health", "brokers", "trading.paper", "gateway"])
def test_every_actor_can_be_inspected(command: Command, daemon: Daemon, child: str) -> None:
    daemon.wait_until("ready")

    found = document(command, child)

    assert {*found} >= PARTS
    assert (found["name"], found["state"]) == (child, "running")
    assert {*found["handled_per_s"]} == {"1s", "10s", "60s"}
    assert any(frame["function"] == "_serve" for frame in found["stack"])


def test_a_person_sees_it_on_a_screen_of_80_columns(command: Command, daemon: Daemon) -> None:
    daemon.wait_until("ready")

    result = command("inspect", "trading.paper")

    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("trading.paper running  generation ")
    assert "\nmailbox     0 of 10000 waiting" in result.out
    assert "allowed in 30 s" in result.out
    assert max(map(len, result.out.splitlines())) <= 80


def test_a_crash_is_shown_with_its_message_its_error_and_its_frames(command: Command, daemon: Daemon) -> None:
    daemon.wait_until("ready")
    before = document(command, "auth")

    assert command("restart", "auth", "--crash").code == 0
    eventually(lambda: document(command, "auth")["generation"] > before["generation"])
    daemon.wait_until("ready")

    crash = document(command, "auth")["crashes"][-1]
    assert (crash["generation"], crash["message"]) == (before["generation"], "Crash")
    assert crash["error"].endswith("crash requested by the operator")
    assert any("actors/runtime/actor.py" in line for line in crash["traceback"])
    assert document(command, "auth")["restarts"] == before["restarts"] + 1
    screen = command("inspect", "auth").out
    assert "last crashes" in screen
    assert "raise _CrashRequested" in screen


def test_a_supervisor_shows_its_own_children(command: Command, daemon: Daemon) -> None:
    daemon.wait_until("ready")

    tree = document(command, "brokers")["tree"]

    assert [child["name"] for child in tree["children"]] == ["trading.paper"]
    assert tree["strategy"] == "one_for_one"
    screen = command("inspect", "brokers").out
    assert "supervises one_for_one" in screen
    assert "trading.paper  running" in screen


@pytest.mark.parametrize("child", ["trading.nobody", "supervisor", "a/b", "", "trading.paper/restart"])
def test_an_actor_that_there_is_not_is_refused_with_those_there_are(
    command: Command, daemon: Daemon, child: str
) -> None:
    result = command("inspect", child)

    assert (result.code, result.out) == (64, "")
    assert len(result.err.splitlines()) == 1
    assert "the children are: control, database, auth, health, brokers, trading.paper, gateway" in result.err


def test_without_a_daemon_it_says_how_to_start_one(command: Command) -> None:
    result = command("inspect", "auth")

    assert result.code == 69
    assert "alpha-panda run" in result.err


def test_no_token_is_shown(command: Command, daemon: Daemon) -> None:
    """Also of the session that was the last thing the actors handled."""
    daemon.wait_until("ready")
    saved = command("sessions", "save", "inspected", "--broker", "paper", given=b"tok-inspected-secret")
    assert saved.code == 0, saved.err

    for child in ("auth", "database", "control", "gateway"):
        assert "tok-inspected-secret" not in command("inspect", child, "--json").out
