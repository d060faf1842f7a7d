"""Lines that repeat themselves are thinned out, and what was left out is told."""

from __future__ import annotations

from typing import Any

import pytest
from structlog import DropEvent

from actors.runtime.repetition import BURST, EACH, EVERY_S, KEPT, Repetitions
from tests.runtime.manual import ManualClock


class Lines:
    """A limiter on a clock of its own, and what passed it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.limiter = Repetitions(self.clock.monotonic)

    def say(self, event: str, **fields: Any) -> dict[str, Any] | None:
        """The line as it passed; None if it was left out."""
        try:
            return dict(self.limiter(None, "warning", {"event": event, **fields}))
        except DropEvent:
            return None

    def say_often(self, times: int, event: str, **fields: Any) -> int:
        """How many of so many passed."""
        return sum(self.say(event, **fields) is not None for _ in range(times))


@pytest.fixture
def lines() -> Lines:
    return Lines()


def test_the_first_lines_of_an_event_pass(lines: Lines) -> None:
    assert lines.say_often(BURST, "not sent") == BURST
    assert lines.say("not sent") is None


def test_the_first_line_of_another_event_actor_or_child_passes_whatever_came_before(lines: Lines) -> None:
    lines.say_often(1000, "restarting", actor="supervisor", child="a")

    assert lines.say("crash", actor="supervisor", child="a") is not None
    assert lines.say("restarting", actor="brokers", child="a") is not None
    assert lines.say("restarting", actor="supervisor", child="b") is not None


def test_the_next_line_that_passes_says_how_many_did_not(lines: Lines) -> None:
    lines.say_often(BURST + 7, "not sent")
    lines.clock.advance(EVERY_S)

    assert lines.say("not sent", reason="x") == {"event": "not sent", "reason": "x", "suppressed": 7}
    lines.clock.advance(EVERY_S)
    assert lines.say("not sent") == {"event": "not sent"}


def test_a_flood_is_thinned_to_one_line_in_a_while(lines: Lines) -> None:
    lines.say_often(BURST, "not sent")
    passed = 0
    for _ in range(100):
        passed += lines.say_often(100, "not sent")
        lines.clock.advance(EVERY_S / 10)

    assert passed in {9, 10}


def test_a_line_that_says_so_always_passes(lines: Lines) -> None:
    assert lines.say_often(10 * BURST, "audit", **{EACH: True}) == 10 * BURST
    assert lines.say("audit", **{EACH: True}) == {"event": "audit"}


def test_what_nobody_has_seen_is_told_when_it_is_quiet_again(lines: Lines) -> None:
    lines.say_often(BURST + 5, "not sent", actor="gateway")
    assert lines.limiter.left_out() == {}
    lines.clock.advance(3 * EVERY_S)

    assert lines.limiter.left_out() == {("not sent", "gateway", None): 5}
    assert lines.limiter.left_out() == {}
    assert lines.say("not sent", actor="gateway") == {"event": "not sent", "actor": "gateway"}


def test_memory_is_bounded(lines: Lines) -> None:
    for number in range(2 * KEPT):
        assert lines.say(f"event {number}") is not None

    assert len(lines.limiter._buckets) == KEPT
