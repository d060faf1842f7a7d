"""Where every thread is, for the log: actors with what they do, abandoned threads, and all others by name."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import pytest

from actors.runtime import log
from actors.runtime.child import GiveUp
from actors.runtime.tree import Status
from actors.thread_dump import ThreadDump
from tests.actors.family import TOKEN, park, wait_with_a_token
from tests.runtime.kit import STEADY, Gate, Grove, Probe, tree, worker


def dump(grove: Grove) -> ThreadDump:
    return ThreadDump(grove.supervisor, grove.directory, grove.zombies, grove.clock)


def of_actor(entries: list[dict[str, Any]], name: str, state: str | None = None) -> dict[str, Any]:
    return next(one for one in entries if one.get("actor") == name and state in {None, one.get("state")})


def test_every_actor_is_told_with_what_it_does_and_where() -> None:
    probe = Probe()
    with tree(worker(probe, "a"), worker(probe, "b"), probe=probe) as grove:
        gate = grove.gate()
        grove["a"].tell(gate)
        gate.wait_entered()
        grove.advance(2.5)

        entries = dump(grove).entries()

    assert [entry["actor"] for entry in entries if "actor" in entry] == ["supervisor", "a", "b"]
    a = of_actor(entries, "a")
    assert (a["state"], a["generation"], a["handling"], a["for_s"]) == ("running", 1, "Gate", 2.5)
    assert " hold\n    " in a["stack"]
    b = of_actor(entries, "b")
    assert b["handling"] is None
    assert "for_s" not in b
    assert " lend\n" in b["stack"]


def test_threads_that_are_no_actors_are_told_by_name_each_once() -> None:
    probe = Probe()
    with tree(worker(probe, "a"), probe=probe, real_time=True) as grove:
        entries = dump(grove).entries()

    others = [entry["thread"] for entry in entries if "thread" in entry]
    assert {"MainThread", "timers"} <= {*others}
    assert not {"a", "supervisor"} & {*others}
    assert others == sorted(others)


def test_one_that_is_down_has_no_stack_and_an_abandoned_thread_is_told_besides() -> None:
    probe = Probe()
    parked = worker(probe, "parked", intensity=0, give_up=GiveUp.PARK)
    with tree(worker(probe, "a", backoff=STEADY, handler_budget_s=30), parked, probe=probe) as grove:
        park(grove, "parked", "supervisor")
        gate = grove.gate()
        grove["a"].tell(gate)
        gate.wait_entered()
        grove.advance(31)
        grove.advance(0.5)
        grove.until_status("a", Status.RUNNING, 2)

        entries = dump(grove).entries()

    assert "stack" not in of_actor(entries, "parked")
    assert of_actor(entries, "a", "running")["generation"] == 2
    assert " hold\n" in of_actor(entries, "a", "abandoned")["stack"]


def test_it_tells_where_a_supervisor_is_stuck() -> None:
    gate, probe = Gate(), Probe()
    spec = worker(probe, "late")

    def slow(context: Any) -> Any:
        gate.hold()
        return spec.factory(context)

    with tree(type(spec)("late", slow), probe=probe, wait=False) as grove:
        grove.gates.append(gate)
        gate.wait_entered()

        entries = dump(grove).entries()

    assert " slow\n    gate.hold()" in of_actor(entries, "supervisor")["stack"]
    assert of_actor(entries, "late")["state"] == "starting"


@pytest.mark.parametrize("level", ["debug", "error"])
def test_it_is_logged_whatever_the_level(level: str) -> None:
    out, probe = io.StringIO(), Probe()
    with tree(worker(probe, "a"), probe=probe) as grove:
        log.configure(level, "json", out)

        dump(grove).write()

    *stacks, end = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {event["event"] for event in stacks} == {"stack"}
    assert {"a", "supervisor"} <= {event.get("actor") for event in stacks}
    assert end["event"] == "stacks end"
    assert end["threads"] == len(stacks)


def test_people_get_it_in_lines() -> None:
    out, probe = io.StringIO(), Probe()
    with tree(worker(probe, "a"), probe=probe) as grove:
        log.configure("info", "console", out)

        dump(grove).write()

    lines = out.getvalue().splitlines()
    assert any(line.startswith("actors/runtime/actor.py:") and line.endswith(" _serve") for line in lines)


def test_what_messages_and_variables_hold_is_never_told() -> None:
    out, probe = io.StringIO(), Probe()
    with tree(worker(probe, "a"), probe=probe) as grove:
        gate = grove.gate()
        grove["a"].tell(wait_with_a_token(gate))
        gate.wait_entered()
        log.configure("info", "json", out)

        dump(grove).write()
        grove.close()

    assert " act\\n" in out.getvalue()
    assert TOKEN not in out.getvalue()


def test_every_thread_is_told() -> None:
    probe = Probe()
    with tree(worker(probe, "a"), probe=probe) as grove:
        entries = dump(grove).entries()

        assert len([entry for entry in entries if "stack" in entry]) == threading.active_count()
