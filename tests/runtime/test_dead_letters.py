"""Dead letters: counted exactly, logged now and then, never with their content."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from actors.runtime.dead_letters import ACTORS_KEPT, KEPT, DeadLetter, DeadLetters
from tests.runtime.kit import ManualClock, Note, race

Logs = list[MutableMapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that came from a stream."""

    delivery: Any


def test_they_are_counted_by_actor_and_reason() -> None:
    dead = DeadLetters(ManualClock())

    dead.add("a", Note(1), "expired")
    dead.add("a", Note(2), "expired")
    dead.add("b", Note(3), "mailbox full")

    assert dead.counts() == {("a", "expired"): 2, ("b", "mailbox full"): 1}
    assert dead.total() == 3


def test_the_count_is_exact_with_eight_threads() -> None:
    dead = DeadLetters(ManualClock())

    def act(_: int) -> None:
        for _ in range(500):
            dead.add("a", Note(), "expired")

    race(8, act)

    assert dead.total() == 4000


def test_a_flood_is_one_line_a_second_that_says_how_many_more_there_were(logs: Logs) -> None:
    clock = ManualClock()
    dead = DeadLetters(clock)

    for _ in range(10):
        for _ in range(1000):
            dead.add("a", Note(), "mailbox full")
        clock.advance(1)

    assert [line["more"] for line in logs] == [0, *[999] * 9]
    assert logs[0] == {
        "event": "dead letter",
        "log_level": "warning",
        "actor": "a",
        "message": "Note",
        "reason": "mailbox full",
        "more": 0,
    }


def test_their_content_is_neither_logged_nor_kept(logs: Logs) -> None:
    dead = DeadLetters(ManualClock())

    dead.add("auth", Note("the access token"), "expired")

    assert "the access token" not in repr((logs, dead.last()))


def test_the_newest_are_kept_oldest_first() -> None:
    clock = ManualClock()
    dead = DeadLetters(clock)

    for number in range(KEPT + 5):
        dead.add(f"actor {number}", Note(), "expired")

    kept = dead.last()
    assert (len(kept), kept[0]) == (KEPT, DeadLetter("actor 5", "Note", "expired", clock.now()))
    assert kept[-1].actor == f"actor {KEPT + 4}"


def test_those_of_one_actor_are_kept_however_many_the_others_have() -> None:
    clock = ManualClock()
    dead = DeadLetters(clock)

    for number in range(KEPT + 5):
        dead.add("quiet", Note(), f"reason {number}")
        clock.advance(1)
    for _ in range(10 * KEPT):
        dead.add("loud", Note(), "mailbox full")

    assert [letter.reason for letter in dead.last("quiet")] == [f"reason {number}" for number in range(5, KEPT + 5)]
    assert {letter.actor for letter in dead.last()} == {"loud"}
    assert dead.last("quiet")[-1].at < clock.now()
    assert dead.last("nobody") == ()


def test_the_counts_of_one_actor_are_told_by_reason() -> None:
    dead = DeadLetters(ManualClock())

    for reason in ("expired", "mailbox full", "expired"):
        dead.add("a", Note(), reason)
    dead.add("b", Note(), "expired")

    assert dead.reasons("a") == {"expired": 2, "mailbox full": 1}
    assert dead.reasons("nobody") == {}


def test_actors_that_come_and_go_do_not_fill_the_memory() -> None:
    dead = DeadLetters(ManualClock())

    for number in range(ACTORS_KEPT + 1):
        dead.add("stays", Note(), "expired")
        dead.add(f"actor {number}", Note(), "expired")

    assert (dead.last("actor 0"), dead.last("actor 1")) == ((), ())
    assert len(dead.last(f"actor {ACTORS_KEPT}")) == 1
    assert len(dead.last("stays")) == KEPT


def test_what_came_from_a_stream_is_reported_so_that_it_comes_again() -> None:
    dead = DeadLetters(ManualClock())
    returned: list[Any] = []
    dead.on_delivery = returned.append

    dead.add("trading.paper", Delivered("delivery 1"), "mailbox full")
    dead.add("trading.paper", Delivered(None), "mailbox full")
    dead.add("trading.paper", Note(), "mailbox full")

    assert returned == ["delivery 1"]
