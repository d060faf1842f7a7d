"""The pure supervision machine under a test's control: what happens goes in, what follows comes out."""

from __future__ import annotations

from typing import Any

from actors.runtime import supervision
from actors.runtime.child import Backoff, ChildSpec
from actors.runtime.events import (
    Answer,
    BackoffElapsed,
    Begin,
    Effect,
    Event,
    Exited,
    Launch,
    Overdue,
    Reason,
    RestartWanted,
    Schedule,
    Started,
    StartFailed,
    StopWanted,
)
from actors.runtime.flags import Flags
from actors.runtime.tree import Child, Phase, Status, Tree

STEADY = Backoff(jitter=0.0)


def spec(name: str, *depends_on: str, **fields: Any) -> ChildSpec:
    """A child that is never built."""
    return ChildSpec(name, _never, depends_on, **{"backoff": STEADY, "intensity": 5, **fields})


def _never(_: Any) -> Any:
    raise AssertionError("the pure machine builds nothing")


class Machine:
    """A tree, the time, and everything that followed so far."""

    def __init__(self, *specs: ChildSpec, flags: Flags | None = None) -> None:
        self.tree = Tree.of(flags or Flags(), specs)
        self.now = 100.0

    @classmethod
    def up(cls, *specs: ChildSpec, flags: Flags | None = None) -> Machine:
        """One whose children all run."""
        machine = cls(*specs, flags=flags)
        effects = machine.begin()
        while machine.tree.phase is Phase.STARTING:
            started = [effect.name for effect in effects if isinstance(effect, Launch)]
            effects = [one for name in started for one in machine.started(name)]
        return machine

    def feed(self, event: Event) -> list[Effect]:
        self.tree, effects = supervision.step(self.tree, event, self.now)
        return list(effects)

    def child(self, name: str) -> Child:
        return self.tree.children[name]

    def status(self, name: str) -> Status:
        return self.child(name).status

    def statuses(self) -> dict[str, Status]:
        return {name: child.status for name, child in self.tree.children.items()}

    def begin(self) -> list[Effect]:
        return self.feed(Begin())

    def started(self, name: str) -> list[Effect]:
        return self.feed(Started(name, self.child(name).generation))

    def start_failed(self, name: str, error: str = "no", exit_code: int = 70, retryable: bool = False) -> list[Effect]:
        return self.feed(StartFailed(name, self.child(name).generation, error, exit_code, retryable))

    def exited(self, name: str, error: str | None = None) -> list[Effect]:
        """The child ended by itself, or, if there is an error, by a crash."""
        reason = Reason.NORMAL if error is None else Reason.CRASH
        return self.feed(Exited(name, self.child(name).generation, reason, error))

    def crashed(self, name: str) -> list[Effect]:
        return self.exited(name, "ValueError: boom")

    def overdue(self, name: str, what: str) -> list[Effect]:
        return self.feed(Overdue(name, self.child(name).generation, what))

    def backoff_elapsed(self, name: str) -> list[Effect]:
        return self.feed(BackoffElapsed(name, self.child(name).generation))

    def restart(self, name: str) -> list[Effect]:
        """As the operator does; the answer, which comes at once, is left out."""
        effects = self.feed(RestartWanted(name, even_running=True))
        return [effect for effect in effects if not isinstance(effect, Answer)]

    def stop(self) -> list[Effect]:
        return self.feed(StopWanted("asked", 0))

    def crash_and_return(self, name: str) -> float:
        """Crash the child and bring it back at once; returns the delay that it was given."""
        (schedule,) = self.crashed(name)
        assert isinstance(schedule, Schedule)
        self.backoff_elapsed(name)
        self.started(name)
        return schedule.delay_s


def schedule(name: str, delay_s: float, generation: int = 1) -> Schedule:
    return Schedule(delay_s, BackoffElapsed(name, generation), 0.0)
