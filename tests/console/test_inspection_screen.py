"""The screen of one actor holds its shape whatever the figures, and says all that there is to say."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from console.inspection_screen import DEAD_LETTERS_SHOWN, inspection_screen

NOW = "2030-01-31T12:30:00.000Z"
FRAME = {
    "file": "actors/database/actor.py",
    "line": 123,
    "function": "_commit",
    "source": "with self._database.unit_of_work() as [bold]unit[/]:",
}


def document(**changes: Any) -> dict[str, Any]:
    quiet = {
        "name": "database",
        "state": "running",
        "since": "2030-01-31T12:00:00.000Z",
        "as_of": NOW,
        "restarts": 0,
        "last_error": None,
        "mailbox": {
            "depth": 0,
            "high_water": 0,
            "capacity": 50_000,
            "oldest_age_s": 0.0,
            "lanes": {"control": 0, "user": 0, "in_hand": 0},
            "suspended": False,
            "closed": False,
        },
        "handled": 0,
        "failed": 0,
        "dead_letters": 0,
        "handling": None,
        "depends_on": [],
        "supervisor": "supervisor",
        "kind": "worker",
        "restart": "permanent",
        "generation": 1,
        "handler_budget_s": 60.0,
        "handled_per_s": {"1s": None, "10s": 0.0, "60s": 0.0},
        "restarts_in_window": {"used": 0, "allowed": 10, "period_s": 30.0, "shared": True},
        "stack": [FRAME],
        "crashes": [],
        "dead_letters_by_reason": {},
        "last_dead_letters": [],
        "zombies": [],
        "tree": None,
    }
    return quiet | changes


def busy() -> dict[str, Any]:
    crash = {
        "at": NOW,
        "generation": 122,
        "message": "CommitUnit",
        "error": "OperationalError: [bold]not markup[/] " + "long " * 40,
        "traceback": ['  File "/srv/alpha-panda/actors/database/actor.py", line 12, in _commit', "    unit.commit()"],
    }
    letter = {"at": NOW, "message": "CommitUnit", "reason": "mailbox full"}
    return document(
        state="stuck",
        last_error="OperationalError: [bold]not markup[/]",
        mailbox={
            "depth": 50_003,
            "high_water": 50_000,
            "capacity": 50_000,
            "oldest_age_s": 59.4,
            "lanes": {"control": 2, "user": 50_000, "in_hand": 1},
            "suspended": True,
            "closed": True,
        },
        handled=1_234_567_890,
        failed=12_345_678,
        handled_per_s={"1s": 123_456.7, "10s": 12.34, "60s": 0.1},
        handling={"message": "CommitUnit", "for_s": 59.4},
        crashes=[crash, crash | {"error": "ValueError: the last"}],
        dead_letters=1_234,
        dead_letters_by_reason={"mailbox full": 1_200, "expired": 34},
        last_dead_letters=[letter] * 100,
        zombies=[{"stack": [FRAME | {"function": "_hangs"}]}],
        tree={
            "phase": "running",
            "strategy": "one_for_one",
            "dynamic": True,
            "max_children": 500,
            "restarts_in_window": {"used": 1, "allowed": 7, "period_s": 20.0},
            "children": [
                {
                    "name": "trading.zerodha",
                    "state": "parked",
                    "restarts": 123_456,
                    "generation": 123_457,
                    "restarts_in_window": {"used": 6, "allowed": 5, "period_s": 30.0, "shared": False},
                }
            ],
        },
    )


def printed(shown: dict[str, Any], width: int = 80, *, terminal: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=terminal, highlight=False).print(inspection_screen(shown, width))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize("width", [80, 110, 200])
def test_large_figures_keep_the_screen_in_shape(width: int) -> None:
    screen = printed(busy(), width)

    assert max(map(len, screen.splitlines())) <= width
    assert "…" not in screen


def test_a_handler_is_shown_with_its_time_its_budget_and_where_it_is() -> None:
    screen = printed(busy())

    assert "CommitUnit for 59s of 60 s allowed" in screen
    assert "actors/database/actor.py:123 _commit\n" in screen
    assert "as [bold]unit[/]:" in screen


def test_nobody_is_said_to_have_used_more_than_is_allowed() -> None:
    screen = printed(busy(), 200)

    assert "1 of 7 allowed in 20 s" in screen
    assert "more than the 5 allowed in 30 s" in screen
    assert "6 of 5" not in screen


def test_one_that_waits_for_messages_shows_no_stack() -> None:
    assert "_commit" not in printed(document())


def test_one_that_does_not_get_through_its_start_shows_its_stack() -> None:
    assert "_commit" in printed(document(state="starting"))


def test_errors_are_shown_as_they_are() -> None:
    assert "! OperationalError: [bold]not markup[/]" in printed(busy())


def test_the_frames_of_the_last_crash_are_shown() -> None:
    screen = printed(busy())

    assert screen.count("unit.commit()") == 1
    assert "ValueError: the last" in screen


def test_dead_letters_are_shown_by_reason_and_the_last_ones_each() -> None:
    lines = printed(busy(), 200).splitlines()

    assert "dead letters 1234: 1200 mailbox full, 34 expired" in lines
    assert sum("CommitUnit  mailbox full" in line for line in lines) == DEAD_LETTERS_SHOWN
    assert "  the last 100 are in --json" in lines


def test_an_abandoned_thread_is_shown_with_where_it_still_is() -> None:
    assert "abandoned, and still at\n  actors/database/actor.py:123 _hangs" in printed(busy())


def test_the_state_of_the_mailbox_and_of_each_span_is_shown() -> None:
    screen = " ".join(printed(busy()).split())

    assert "50000 of 50000 waiting, 2 ahead of them, 1 in hand, at most 50000 so far" in screen
    assert "the oldest for 59s, suspended, closed" in screen
    assert "123k/s over 1 s, 12.3/s over 10 s, 0.1/s over 60 s" in screen
    assert "?/s over 1 s" in printed(document())


def test_a_supervisor_shows_its_children_and_their_limits() -> None:
    screen = printed(busy())

    assert "supervises one_for_one, dynamic, at most 500 children, 1 of 7 allowed in 20 s" in screen
    assert "more than the 5 allowed in 30 s" in screen


def test_a_terminal_gets_colours_and_a_pipe_none() -> None:
    assert "\x1b[" in printed(busy(), terminal=True)
    assert "\x1b[" not in printed(busy())
