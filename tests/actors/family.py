"""A small family of actors with a supervisor among them, and what an inspection of them shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from actors.inspection import Inspection
from actors.messages import Ping
from actors.runtime.child import GiveUp
from actors.runtime.flags import Flags
from actors.runtime.supervisor import nested
from actors.runtime.tree import Status
from tests.actors.test_status import report
from tests.runtime.kit import STEADY, WAIT_S, Fail, Gate, Grove, Probe, Run, Worker, tree, worker

TOKEN = "tok-5d1e77-never-shown"


class LoginFailed(Exception):
    """Carries what the broker was sent, as careless errors do."""

    def __init__(self, sent: str) -> None:
        super().__init__("the broker refused the login")
        self.sent = sent


def wait_with_a_token(gate: Gate) -> Any:
    def act(_: Worker) -> None:
        password = TOKEN
        gate.hold()
        assert password

    return Run(act)


@contextmanager
def family() -> Iterator[Grove]:
    """Two workers, and a supervisor with two more."""
    probe = Probe()
    inner = [
        worker(probe, "one", backoff=STEADY, handler_budget_s=30),
        worker(probe, "two", intensity=0, give_up=GiveUp.PARK),
    ]
    flags = Flags(intensity=7, period_s=20)
    specs = [
        worker(probe, "a", backoff=STEADY, handler_budget_s=30),
        worker(probe, "b", depends_on=("a",), intensity=None),
        nested("inner", inner, flags, depends_on=("a",)),
    ]
    with tree(*specs, probe=probe, flags=Flags(intensity=9, period_s=40)) as grove:
        yield grove


def inspect(grove: Grove, name: str) -> dict[str, Any]:
    document = Inspection(report(grove)).build(name)
    assert document is not None
    return document


def crash(grove: Grove, name: str, error: BaseException, generation: int) -> None:
    grove[name].tell(Fail(error))
    grove.until_status(name, Status.RESTARTING, generation)
    grove.advance(0.5)
    grove.until_status(name, Status.RUNNING, generation + 1)


def park(grove: Grove, name: str, supervisor: str) -> None:
    """Have the child stay down, its supervisor be done with it and its thread be gone."""
    above = grove.supervisor if supervisor == "supervisor" else grove[supervisor]
    thread = grove[name].telemetry.thread
    assert thread is not None
    grove[name].tell(Fail(ValueError("boom")))
    grove.until(lambda _: grove.directory.trees[supervisor].children[name].status is Status.PARKED)
    above.ask(Ping(), WAIT_S)
    thread.join(WAIT_S)


def functions(stack: list[dict[str, Any]]) -> list[str]:
    return [frame["function"] for frame in stack]
