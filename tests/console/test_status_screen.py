"""The status screen holds its shape whatever the figures, and colours only a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from console.status_screen import status_screen

NOW = "2030-01-31T12:30:00.000Z"
OLD = "2030-01-31T12:28:00.000Z"


def child(name: str, state: str) -> dict[str, Any]:
    return {
        "name": name,
        "state": state,
        "since": "2029-01-31T12:30:00.000Z",
        "restarts": 123_456,
        "last_error": "KeyError: [bold]not markup[/]",
        "mailbox": {"depth": 50_000, "high_water": 50_000, "capacity": 50_000, "oldest_age_s": 59.4},
        "handled": 1_234_567_890,
        "failed": 12_345_678,
        "dead_letters": 0,
        "handling": {"message": "ExecuteSignal", "for_s": 59.4},
        "depends_on": ["control"],
    }


def broker(state: str, user: str | None) -> dict[str, Any]:
    return {
        "state": state,
        "lease": {"owner": "f" * 32 + ":123", "epoch": 1234, "mine": user is None},
        "session": {"user_id": user, "expires_at": None, "state": "expired"},
        "signals": 123_456_789,
        "orders": 123_456_789,
        "fills": 123_456_789,
        "failed": 12_345,
        "realized_pnl": "-1234567890.123456",
        "unrealized_pnl": "987654321.1",
        "last_signal_age_s": 0.999,
    }


def document() -> dict[str, Any]:
    return {
        "node": "f" * 32,
        "pid": 4_194_304,
        "version": "0.1.0",
        "state": "degraded",
        "since": "2029-01-31T12:30:00.000Z",
        "as_of": NOW,
        "why_not_ready": ["trading.zerodha is parked: KeyError: [bold]not markup[/]"],
        "children": [child("database", "running"), child("trading.zerodha", "restarting")],
        "brokers": {"paper": broker("trading", None), "zerodha": broker("restarting", "a-user-with-a-long-name")},
        "database": {"state": "up", "url": "postgresql://u:***@db.example:5432/name", "embedded": False},
        "nats": {"state": "away", "url": "nats.example:4222", "embedded": False, "error": "refused"},
        "checks": [
            check("Disk", "unhealthy", "full"),
            check("Memory", "degraded", "little"),
            check("Clock", "healthy"),
        ],
        "dead_letters": 12,
        "undelivered": 3,
        "zombies": 1,
    }


def check(component: str, status: str, message: str = "fine", as_of: str = NOW) -> dict[str, Any]:
    return {
        "component": component,
        "passed": status == "healthy",
        "status": status,
        "message": message,
        "cure": None if status == "healthy" else "mend it",
        "duration_ms": 1.0,
        "as_of": as_of,
    }


def printed(shown: dict[str, Any], width: int, *, terminal: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=terminal, highlight=False).print(status_screen(shown, width))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 110, 120, 200])
def test_large_figures_keep_the_screen_in_shape(width: int) -> None:
    screen = printed(document(), width)

    assert max(map(len, screen.splitlines())) <= width
    assert "…" not in screen


def test_every_reason_not_to_be_ready_is_shown_as_it_is() -> None:
    assert "! trading.zerodha is parked: KeyError: [bold]not markup[/]" in printed(document(), 80)


@pytest.mark.parametrize("width", [80, 120])
def test_money_is_shown_at_any_width(width: int) -> None:
    screen = printed(document(), width)

    assert "-1,234,567,890.12" in screen
    assert "987,654,321.10" in screen


def test_money_that_nobody_here_knows_is_not_made_up() -> None:
    shown = document()
    shown["brokers"]["paper"] |= {"realized_pnl": None, "unrealized_pnl": None}

    assert "paper: books not open here" in printed(shown, 80)


def test_a_check_is_shown_with_its_cure_and_an_old_one_with_its_age() -> None:
    screen = printed(document() | {"checks": [*document()["checks"], check("NATS", "healthy", "up", OLD)]}, 80)

    assert "FAIL  Disk: full; mend it" in screen
    assert "weak  Memory: little; mend it" in screen
    assert "ok    Clock: fine\n" in "\n".join(line.rstrip() for line in screen.splitlines())
    assert "ok    NATS: up (2m ago)" in screen


def test_the_last_error_of_one_that_runs_again_is_shown_with_its_age() -> None:
    screen = printed(document() | {"children": [child("auth", "running") | {"last_error_at": OLD}]}, 80)

    assert "last error of auth, 2m ago: KeyError: [bold]not markup[/]" in screen


def test_what_was_given_up_and_what_found_no_actor_are_told_apart() -> None:
    assert "dead letters 12  undelivered messages 3  abandoned threads 1" in printed(document(), 80)


def test_a_wide_screen_shows_how_much_is_handled_by_the_second() -> None:
    screen = printed(document() | {"children": [child("auth", "running") | {"per_s": 1234.5}]}, 120)

    assert " 1234 " in screen


def test_a_terminal_gets_colours_and_a_pipe_none() -> None:
    assert "\x1b[" in printed(document(), 80, terminal=True)
    assert "\x1b[" not in printed(document(), 80)


def test_a_daemon_that_has_only_just_begun_can_be_shown() -> None:
    just_begun = document() | {"state": "starting", "children": [], "database": {}, "nats": {}, "checks": []}

    assert "not asked yet" in printed(just_begun, 80)


def test_a_stopped_daemon_is_not_asked_why_it_is_not_ready() -> None:
    assert "!" not in printed(document() | {"state": "stopped"}, 80)
