"""Where the thread of an inspected actor is, whoever is stuck."""

from __future__ import annotations

from typing import Any

from actors.runtime.tree import Status
from tests.actors.family import family, functions, inspect, park
from tests.runtime.kit import Gate, Probe, tree, worker


def test_a_handler_is_shown_with_its_time_and_its_stack() -> None:
    with family() as grove:
        gate = grove.gate()
        grove["a"].tell(gate)
        gate.wait_entered()
        grove.advance(2.5)

        document = inspect(grove, "a")

    assert document["handling"] == {"message": "Gate", "for_s": 2.5}
    assert functions(document["stack"]).index("_serve") < functions(document["stack"]).index("hold")
    assert {*document["stack"][0]} == {"file", "line", "function", "source"}


def test_one_that_waits_for_messages_shows_where_too() -> None:
    with family() as grove:
        document = inspect(grove, "a")

    assert document["handling"] is None
    assert "lend" in functions(document["stack"])


def test_one_that_does_not_get_through_its_start_shows_where() -> None:
    gate, probe = Gate(), Probe()
    with tree(worker(probe, "a", start=lambda _: gate.hold()), probe=probe, wait=False) as grove:
        grove.gates.append(gate)
        gate.wait_entered()

        document = inspect(grove, "a")

    assert document["state"] == "starting"
    assert "on_start" in functions(document["stack"])


def test_one_that_is_down_is_nowhere() -> None:
    with family() as grove:
        park(grove, "two", "inner")

        document = inspect(grove, "two")

    assert (document["state"], document["stack"], document["mailbox"]["closed"]) == ("parked", None, True)


def test_it_is_shown_while_its_supervisor_is_stuck_too() -> None:
    gate, probe = Gate(), Probe()
    spec = worker(probe, "late")

    def slow(context: Any) -> Any:
        gate.hold()
        return spec.factory(context)

    late = type(spec)("late", slow, depends_on=("a",))
    with tree(worker(probe, "a"), late, probe=probe, wait=False) as grove:
        grove.gates.append(gate)
        gate.wait_entered()

        assert inspect(grove, "a")["state"] == "running"
        assert inspect(grove, "late")["stack"] is None


def test_an_abandoned_thread_is_shown_beside_its_successor() -> None:
    with family() as grove:
        gate = grove.gate()
        grove["a"].tell(gate)
        gate.wait_entered()
        grove.advance(31)
        grove.advance(0.5)
        grove.until_status("a", Status.RUNNING, 2)

        document = inspect(grove, "a")

        assert document["handling"] is None
        assert "lend" in functions(document["stack"])
        (zombie,) = document["zombies"]
        assert "hold" in functions(zombie["stack"])
        assert inspect(grove, "b")["zombies"] == []
