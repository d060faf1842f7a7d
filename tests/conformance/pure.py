"""The stage without threads: what happens is put to the machines at once, and in order."""

from __future__ import annotations

import heapq

from actors.runtime.child import ChildSpec
from actors.runtime.events import (
    DeleteWanted,
    Outcome,
    Overdue,
    Reason,
    RestartWanted,
    StartWanted,
    StopWanted,
    TerminateWanted,
)
from actors.runtime.flags import Flags
from actors.runtime.tree import ChildCount, Status, count_children, which_children
from tests.conformance.stage import TOP, Request
from tests.conformance.world import World


class PureStage(World):
    """Everything happens in the thread of the test."""

    crowd = 1000

    def start(self, *specs: ChildSpec, flags: Flags) -> None:
        self._open(TOP, None, 0, specs, flags)
        self._run()

    # What children do

    def release(self, name: str) -> None:
        one = self._live[name]
        one.held = False
        if not one.up:
            self._come_up(one)
        if one.told_to_stop:
            self._end(one, Reason.SHUTDOWN)
        self._run()

    def release_all(self) -> None:
        for name in self.held:
            self.release(name)

    def crash(self, name: str) -> None:
        if name in self._machines:
            self._crash_supervisor(name)
        else:
            self._end(self._live[name], Reason.CRASH, "RuntimeError: boom")
        self._run()

    def crash_all(self, *names: str) -> None:
        for name in names:
            self._end(self._live[name], Reason.CRASH, "RuntimeError: boom")
        self._run()

    def kill(self, name: str) -> None:
        one = self._live[name]
        self.advance(1)
        self._tell(one.owner, Overdue(name, one.generation, "handler"))
        self._run()

    def end(self, name: str, reason: Reason = Reason.NORMAL) -> None:
        self._end(self._live[name], reason)
        self._run()

    def vanish(self, name: str) -> None:
        self._vanish(self._live[name])

    # Requests

    def add(self, spec: ChildSpec, to: str = TOP) -> Request:
        if any(spec.name in machine.tree.children for name, machine in self._machines.items() if name != to):
            taken = Request()
            taken.answer(Outcome.ALREADY_STARTED)
            return taken
        return self._ask(to, StartWanted(spec, self._ticket()))

    def add_all(self, *specs: ChildSpec, to: str = TOP) -> list[Request]:
        requests = [self._post(to, StartWanted(spec, self._ticket())) for spec in specs]
        self._run()
        return requests

    def terminate(self, name: str, of: str = TOP) -> Request:
        return self._ask(of, TerminateWanted(name, self._ticket()))

    def restart(self, name: str, of: str = TOP) -> Request:
        return self._ask(of, RestartWanted(name, self._ticket()))

    def delete(self, name: str, of: str = TOP) -> Request:
        return self._ask(of, DeleteWanted(name, self._ticket()))

    def which(self, of: str = TOP) -> list[tuple[str, Status, int]]:
        return list(which_children(self._machines[of].tree))

    def count(self, of: str = TOP) -> ChildCount:
        return count_children(self._machines[of].tree)

    def stop(self) -> None:
        self._tell(TOP, StopWanted("asked", 0))
        self._run()

    def advance(self, seconds: float) -> None:
        until = self._now + seconds
        while self._agenda and self._agenda[0][0] <= until:
            self._now, _, name, generation, event = heapq.heappop(self._agenda)
            self._events.append((name, generation, event))
            self._run()
        self._now = until

    @property
    def now(self) -> float:
        return self._now

    def close(self) -> None:
        if TOP in self._machines and self.over() is None:
            self.stop()
