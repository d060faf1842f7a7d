"""A world without threads: pure machines, one for each supervisor, and incarnations that do what they say."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.runtime import supervision
from actors.runtime.cell import Context
from actors.runtime.child import ChildSpec, Kind
from actors.runtime.events import (
    Abandon,
    Answer,
    Begin,
    DeleteWanted,
    Effect,
    Event,
    Exited,
    Halt,
    Launch,
    NotStarted,
    Overdue,
    Reason,
    RestartWanted,
    Schedule,
    Started,
    StartFailed,
    StartWanted,
    StopWanted,
    TerminateWanted,
    TreeDown,
    TreeUp,
)
from actors.runtime.flags import Flags
from actors.runtime.tree import Tree
from tests.conformance.stage import Request, Stage, Start, Stop

FOUND_OUT_S = 2.0
"""When a supervisor knows that a thread ended without a word: it looks every second, and twice."""


@dataclass
class Incarnation:
    """A worker of the world; one that is `held` waits for `release`."""

    owner: str
    name: str
    generation: int
    up: bool = False
    held: bool = False
    told_to_stop: bool = False


@dataclass
class Machine:
    """One supervisor: its tree, in which generation it is itself, and whether it came up."""

    tree: Tree
    owner: str | None
    generation: int
    came_up: bool = False


class World(Stage):
    """Events wait in one queue, time passes when it is told to, and everything happens in one order."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0
        self._machines: dict[str, Machine] = {}
        self._live: dict[str, Incarnation] = {}
        self._vanished: set[tuple[str, int]] = set()
        self._generations: dict[str, int] = {}
        self._events: deque[tuple[str, int, Event]] = deque()
        self._agenda: list[tuple[float, int, str, int, Event]] = []
        self._numbers = itertools.count(1)
        self._asked: dict[int, Request] = {}

    def build(self, context: Context) -> Any:
        raise AssertionError("the pure machine builds nothing")

    @property
    def trees(self) -> Mapping[str, Tree]:
        return {name: machine.tree for name, machine in self._machines.items()}

    @property
    def alive(self) -> set[tuple[str, int]]:
        return {(one.name, one.generation) for one in self._live.values() if one.up}

    @property
    def vanished(self) -> set[tuple[str, int]]:
        return self._vanished

    @property
    def held(self) -> list[str]:
        """Workers that wait for `release`."""
        return [one.name for one in self._live.values() if one.held]

    @property
    def unanswered(self) -> list[Request]:
        """What was asked and is still being done."""
        return list(self._asked.values())

    # The world

    def _open(self, name: str, owner: str | None, generation: int, specs: Any, flags: Flags) -> None:
        tree = Tree.of(flags, specs, self._generations)
        self._machines[name] = Machine(tree, owner, generation)
        self._tell(name, Begin())

    def _tell(self, owner: str, event: Event, delay_s: float = 0.0) -> None:
        generation = self._machines[owner].generation
        if delay_s <= 0:
            self._events.append((owner, generation, event))
        elif delay_s < math.inf:
            heapq.heappush(self._agenda, (self._now + delay_s, next(self._numbers), owner, generation, event))

    def _run(self) -> None:
        while self._events:
            owner, generation, event = self._events.popleft()
            machine = self._machines.get(owner)
            if machine is not None and machine.generation == generation:
                machine.tree, effects = supervision.step(machine.tree, event, self._now)
                for effect in effects:
                    self._obey(owner, machine, effect)
        self.check()

    def _obey(self, owner: str, machine: Machine, effect: Effect) -> None:
        match effect:
            case Launch(name, generation):
                self._launch(owner, machine.tree.children[name].spec, generation)
            case Halt(name, generation):
                self._halt(owner, machine.tree.children[name].spec, generation)
            case Abandon(name):
                self._abandon(name)
            case Schedule(delay_s, event):
                self._tell(owner, event, delay_s)
            case Answer(ticket, _, outcome, detail):
                self._asked.pop(ticket).answer(outcome, detail)
            case TreeUp():
                machine.came_up = True
                if machine.owner is not None:
                    self._tell(machine.owner, Started(owner, machine.generation))
            case TreeDown(why, exit_code):
                self._close(owner, machine, why, exit_code)

    def _launch(self, owner: str, spec: ChildSpec, generation: int) -> None:
        name = spec.name
        assert name not in self._live, "two live incarnations"
        self._generations[name] = generation
        self._tell(owner, Overdue(name, generation, "start"), spec.start_timeout_s)
        if spec.kind is Kind.SUPERVISOR:
            self._open(name, owner, generation, spec.children, self.flags[name])
            return
        one = Incarnation(owner, name, generation)
        match self.script.next_start(name):
            case Start.RUN:
                self._come_up(one)
            case Start.HOLD:
                one.held = True
                self._live[name] = one
            case Start.FAIL:
                self.log.append(f"!{name}")
                self._tell(owner, StartFailed(name, generation, f"RuntimeError: {name} cannot start"))
            case Start.IGNORE:
                self.log.append(f"~{name}")
                self._tell(owner, NotStarted(name, generation))

    def _come_up(self, one: Incarnation) -> None:
        one.up = True
        self._live[one.name] = one
        self.log.append(f"+{one.name}")
        self._tell(one.owner, Started(one.name, one.generation, self.script.infos.get(one.name)))

    def _halt(self, owner: str, spec: ChildSpec, generation: int) -> None:
        name = spec.name
        self._tell(owner, Overdue(name, generation, "stop"), spec.stop_within_s)
        if spec.kind is Kind.SUPERVISOR:
            self._tell(name, StopWanted("told to stop", 0))
            return
        one = self._live.get(name)
        if one is None:
            return
        one.told_to_stop = True
        act = self.script.stop(name)
        if act is Stop.HOLD:
            one.held = True
        if one.held:
            return
        if act is Stop.VANISH:
            self._vanish(one)
        else:
            self._end(one, Reason.CRASH if act is Stop.CRASH else Reason.SHUTDOWN)

    def _end(self, one: Incarnation, reason: Reason, error: str | None = None) -> None:
        self._leave(one)
        self._tell(one.owner, Exited(one.name, one.generation, reason, error))

    def _leave(self, one: Incarnation) -> None:
        del self._live[one.name]
        if one.up:
            self.log.append(f"-{one.name}")

    def _vanish(self, one: Incarnation) -> None:
        self._leave(one)
        self._vanished.add((one.name, one.generation))
        self._tell(one.owner, Exited(one.name, one.generation, Reason.CRASH, "its thread ended"), FOUND_OUT_S)

    def _abandon(self, name: str) -> None:
        if name in self._machines:
            for below in self._machines.pop(name).tree.children:
                self._abandon(below)
        elif name in self._live:
            self._leave(self._live[name])

    def _crash_supervisor(self, name: str) -> None:
        machine = self._machines.pop(name)
        for below in reversed(list(machine.tree.children)):
            self._abandon(below)
        assert machine.owner is not None
        self._tell(machine.owner, Exited(name, machine.generation, Reason.CRASH, "RuntimeError: boom"))

    def _close(self, name: str, machine: Machine, why: str, exit_code: int) -> None:
        if machine.owner is None:
            return
        if machine.came_up:
            ended: Event = Exited(name, machine.generation, Reason.SHUTDOWN, why if exit_code else None)
        else:
            ended = StartFailed(name, machine.generation, why, exit_code or 70)
        self._tell(machine.owner, ended)

    def _ticket(self) -> int:
        return next(self._numbers)

    def _ask(self, of: str, event: StartWanted | RestartWanted | TerminateWanted | DeleteWanted) -> Request:
        request = self._post(of, event)
        self._run()
        return request

    def _post(self, of: str, event: StartWanted | RestartWanted | TerminateWanted | DeleteWanted) -> Request:
        request = self._asked[event.ticket] = Request()
        self._tell(of, event)
        return request
