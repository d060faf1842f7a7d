"""The stage with threads: a real supervisor with real actors, under a clock that is moved by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from actors.errors import ChildRefused
from actors.messages import (
    CountChildren,
    Crash,
    DeleteChild,
    NewChild,
    Ping,
    RestartChild,
    StartChild,
    StopTree,
    TerminateChild,
    WhichChildren,
)
from actors.runtime.cell import Context
from actors.runtime.child import ChildSpec, Kind
from actors.runtime.directory import Handle
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import Flags
from actors.runtime.passage import ALIVE
from actors.runtime.tree import ChildCount, Phase, Status, Tree
from actors.testkit import WAIT_S, Grove, ManualClock, ManualTimers
from tests.conformance.puppet import Hang, Key, Leave, Ledger, Puppet, Vanish
from tests.conformance.stage import TOP, Request, Stage


class Posted(Request):
    """A request on its way, which is the reply to it as well."""

    def complete(self, value: Any) -> None:
        ignored = isinstance(value, NewChild) and value.handle is None
        self.answer(Outcome.IGNORED if ignored else Outcome.DONE, value.info if isinstance(value, NewChild) else None)

    def fail(self, error: BaseException) -> None:
        self.answer(Outcome(error.outcome) if isinstance(error, ChildRefused) else Outcome.STOPPING, str(error))


class Passed:
    """Answered when a supervisor has handled all that came before; told to whoever waits at the condition."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.done = False

    def complete(self, _: Any) -> None:
        with self._changed:
            self.done = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        self.complete(error)


class ThreadStage(Stage):
    """Events come as the threads please; every method waits until none has anything more to do."""

    crowd = 200

    def __init__(self) -> None:
        super().__init__()
        self._clock = ManualClock()
        self._timers = ManualTimers(self._clock)
        self._ledger = Ledger(self.log)
        self._grove: Grove | None = None

    def build(self, context: Context) -> Puppet:
        return Puppet(context, self._ledger, self.script)

    def start(self, *specs: ChildSpec, flags: Flags) -> None:
        grove = Grove(specs, self._clock, self._timers, flags)
        self._ledger.changed = grove.directory.changed
        self._grove = grove
        grove.launch()
        self._settle()

    # What children do

    def release(self, name: str) -> None:
        (key,) = [key for key in self._ledger.held if key[0] == name]
        self._ledger.release(key)
        self._settle()

    def release_all(self) -> None:
        for key in list(self._ledger.held):
            self._ledger.release(key)
        self._settle()

    def crash(self, name: str) -> None:
        self._until_gone(name, Crash())

    def crash_all(self, *names: str) -> None:
        keys = list(zip(names, self.lives(*names), strict=True))
        for name in names:
            self._handle(name).tell(Crash())
        self._wait(lambda: self._known_gone(keys))
        self._settle()

    def kill(self, name: str) -> None:
        hang = Hang()
        key = self.key(name)
        self._handle(name).tell(hang)
        assert hang.entered.wait(WAIT_S)
        self.advance(1)
        self._wait(lambda: not self._is_running(key))
        hang.gone_on.set()
        self._settle()

    def end(self, name: str, reason: Reason = Reason.NORMAL) -> None:
        self._until_gone(name, Leave(reason))

    def vanish(self, name: str) -> None:
        key = self.key(name)
        self._handle(name).tell(Vanish())
        self._wait(lambda: key in self._ledger.vanished)
        self._settle()

    # Requests

    def add(self, spec: ChildSpec, to: str = TOP) -> Request:
        return self._ask(to, StartChild(spec))

    def add_all(self, *specs: ChildSpec, to: str = TOP) -> list[Request]:
        requests = [self._post(to, StartChild(spec)) for spec in specs]
        self._settle()
        return requests

    def terminate(self, name: str, of: str = TOP) -> Request:
        return self._ask(of, TerminateChild(name))

    def restart(self, name: str, of: str = TOP) -> Request:
        return self._ask(of, RestartChild(name))

    def delete(self, name: str, of: str = TOP) -> Request:
        return self._ask(of, DeleteChild(name))

    def which(self, of: str = TOP) -> list[tuple[str, Status, int]]:
        return list(self._handle(of).ask(WhichChildren(), WAIT_S))

    def count(self, of: str = TOP) -> ChildCount:
        count: ChildCount = self._handle(of).ask(CountChildren(), WAIT_S)
        return count

    def stop(self) -> None:
        self._handle(TOP).tell_control(StopTree("asked"))
        self._settle()

    def advance(self, seconds: float) -> None:
        self._timers.advance(seconds, then=self._settle)
        self._settle()

    @property
    def now(self) -> float:
        return self._clock.monotonic()

    def close(self) -> None:
        if self._grove is None:
            return
        self.script.stops.clear()
        self.release_all()
        for name, child in self.children().items():
            if (name, child.generation) in self._ledger.vanished and child.status in ALIVE:
                self.advance(2)
        self._grove.close()

    @property
    def trees(self) -> Mapping[str, Tree]:
        assert self._grove is not None
        return self._grove.directory.trees

    @property
    def alive(self) -> set[Key]:
        return self._ledger.alive

    @property
    def vanished(self) -> set[Key]:
        return set(self._ledger.vanished)

    # Threads

    def _handle(self, name: str) -> Handle:
        assert self._grove is not None
        return self._grove.supervisor if name == TOP else self._grove[name]

    def _ask(self, of: str, message: Any) -> Request:
        request = self._post(of, message)
        self._settle()
        return request

    def _post(self, of: str, message: Any) -> Request:
        request = Posted()
        self._handle(of).post(message, request)
        return request

    def _until_gone(self, name: str, message: Any) -> None:
        key = self.key(name)
        assert self._handle(name).tell(message)
        self._wait(lambda: not self._is_running(key))
        self._settle()

    def _known_gone(self, keys: list[Key]) -> bool:
        """Whether none of them runs; those of which it is known are taken from the list."""
        while keys and not self._is_running(keys[-1]):
            keys.pop()
        return not keys

    def _is_running(self, key: Key) -> bool:
        child = self.children().get(key[0])
        return child is not None and child.generation == key[1] and child.status is Status.RUNNING

    def _wait(self, condition: Callable[[], bool]) -> None:
        with self._ledger.changed:
            assert self._ledger.changed.wait_for(condition, WAIT_S), (self.log, self.children())

    def _settle(self) -> None:
        """Wait until every supervisor has handled what it was told, and no child is on its way up or down."""
        while True:
            self._wait(self._still)
            before = self._published()
            self._pass_all()
            after = self._published()
            if self._still() and before.keys() == after.keys() and all(after[one] is before[one] for one in before):
                break
        for thread in list(self._ledger.vanished.values()):
            thread.join(WAIT_S)
        self.check()

    def _published(self) -> dict[str, Tree]:
        with self._ledger.changed:
            return dict(self.trees)

    def _pass_all(self) -> None:
        """Send each supervisor a message that it answers once it has handled what came before."""
        running = [name for name, one in self.children().items() if _supervises(one) and one.status in ALIVE]
        for name in [TOP, *running]:
            before = self.children().get(name)
            passed = Passed(self._ledger.changed)
            self._handle(name).post(Ping(), passed)
            self._wait(partial(self._has_passed, name, before, passed))

    def _has_passed(self, name: str, before: Any, passed: Passed) -> bool:
        """Whether the supervisor answered, or will not as it is no longer what it was."""
        return passed.done or self.children().get(name) is not before

    def _still(self, supervisor: str = TOP) -> bool:
        """Whether nobody below the supervisor is on the way up or down who is not held on purpose."""
        for name, child in self.trees[supervisor].children.items():
            if child.status not in ALIVE:
                continue
            if not _supervises(child):
                key = (name, child.generation)
                if child.status is not Status.RUNNING and not self._ledger.waits(key):
                    return False
            elif name not in self.trees or not self._still(name) or not self._rests(name, child.status):
                return False
        return True

    def _rests(self, supervisor: str, status: Status) -> bool:
        phase = self.trees[supervisor].phase
        if phase is Phase.RUNNING and status is Status.RUNNING:
            return True
        return phase is not Phase.STOPPED and self._waits(supervisor)

    def _waits(self, supervisor: str) -> bool:
        """Whether there is somebody below the supervisor for whom it has to wait."""
        return any(
            child.status is Status.RESTARTING
            or self._ledger.waits((name, child.generation))
            or (child.spec.kind is Kind.SUPERVISOR and name in self.trees and self._waits(name))
            for name, child in self.trees[supervisor].children.items()
        )


def _supervises(child: Any) -> bool:
    return child.spec.kind is Kind.SUPERVISOR
