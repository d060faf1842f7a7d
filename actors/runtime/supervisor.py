"""Supervisor: carries out what the restart algebra decides."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from actors.errors import DomainError, StartRefused
from actors.messages import ChildEvent, InspectChildren, RestartChild, StopTree
from actors.runtime import supervision
from actors.runtime.actor import ServiceActor, describe
from actors.runtime.cell import Cell, Context
from actors.runtime.child import ChildSpec
from actors.runtime.tree import (
    AbandonChild,
    Begin,
    Effect,
    Event,
    Overdue,
    RestartWanted,
    RetireChild,
    Schedule,
    StartChild,
    StartFailed,
    Status,
    StopChild,
    StopWanted,
    Tree,
    TreeDown,
    TreeUp,
)

INSPECT_EVERY_S = 1.0
ZOMBIE_LIMIT = 5


class Supervisor(ServiceActor):
    """Starts, watches, restarts and stops the children of one tree.

    Owns: the children's cells and the tree's state, which it publishes in the directory.
    Receives: `ChildEvent`, `RestartChild`, `StopTree`, `InspectChildren`.
    Sends: whatever the children's starts and stops take.
    On failure: its process ends, and whoever started that starts it again. When all children are stopped it ends.

    Args:
        context: of the supervisor itself.
        specs: its children.
        on_down: called once, in the supervisor's thread, with the reason and the exit code when all is stopped.
    """

    def __init__(self, context: Context, specs: Sequence[ChildSpec], on_down: Callable[[str, int], None]) -> None:
        super().__init__(context)
        self.tree = Tree.of(specs)
        self._on_down = on_down
        self._cells = {spec.name: Cell(spec, context.surroundings, context.handle) for spec in specs}
        self._jitter = random.Random()  # noqa: S311  # it spreads restarts and guards no secret
        self._events: deque[Event] = deque()
        directory = context.directory
        directory.handles = {name: cell.handle for name, cell in self._cells.items()}
        directory.tree = self.tree
        self.handles(
            {
                ChildEvent: lambda message: self._step(message.event),
                RestartChild: self._restart_child,
                StopTree: lambda message: self._step(StopWanted(message.why, message.exit_code)),
                InspectChildren: self._inspect,
            }
        )

    def on_start(self) -> None:
        self._step(Begin())
        self.context.after(INSPECT_EVERY_S, InspectChildren())

    def on_tree_up(self) -> None:
        """Run once when every child runs or is parked."""

    def on_parked(self, name: str) -> None:
        """Run when a child will not be restarted by itself."""

    def _step(self, event: Event) -> None:
        """Take the event in; one that comes up while effects are carried out waits until they are."""
        self._events.append(event)
        if len(self._events) > 1:
            return
        while self._events:
            self.tree, effects = supervision.step(self.tree, self._events[0], self.context.clock.monotonic())
            self.context.directory.tree = self.tree
            for effect in effects:
                self._carry_out(effect)
            self._events.popleft()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case StartChild(name, generation):
                self._start(name, generation)
            case StopChild(name, generation):
                cell = self._cells[name]
                cell.tell_to_stop(generation)
                self._later(cell.spec.shutdown_s, Overdue(name, generation, "stop"))
            case AbandonChild(name, generation):
                self._cells[name].abandon(generation)
                self.log.error("abandoned", child=name, error=self.tree.children[name].last_error)
                self._count_zombies()
            case RetireChild(name):
                child = self.tree.children[name]
                self.log.warning("child down", child=name, state=child.status.value, error=child.last_error)
                self._cells[name].handle.retire("down")
                self.on_parked(name)
            case Schedule(delay_s, event, jitter):
                self._later(delay_s * (1 + jitter * self._jitter.random()), event)
            case TreeUp():
                self.on_tree_up()
            case TreeDown(why, exit_code):
                for cell in self._cells.values():
                    cell.handle.retire("the tree stopped")
                self.context.handle.retire("the tree stopped")
                self._on_down(why, exit_code)

    def _start(self, name: str, generation: int) -> None:
        cell = self._cells[name]
        if generation > 1:
            error = self.tree.children[name].last_error
            self.log.warning("restarting", child=name, generation=generation, error=error)
        self._later(cell.spec.start_timeout_s, Overdue(name, generation, "start"))
        try:
            cell.start(generation)
        except StartRefused as refusal:
            self._step(StartFailed(name, generation, str(refusal), refusal.exit_code, refusal.retryable))
        except BaseException as error:  # a factory may raise anything; its child has failed to start
            self.log.exception("factory failed", child=name)
            self._step(StartFailed(name, generation, describe(error)))

    def _later(self, delay_s: float, event: Event) -> None:
        self.context.after(delay_s, ChildEvent(event))

    def _count_zombies(self) -> None:
        """Threads cannot be killed: a process with too many that do not end is started anew."""
        zombies = sum(cell.zombies() for cell in self._cells.values())
        self.context.directory.zombies = zombies
        if zombies > ZOMBIE_LIMIT:
            self._step(StopWanted(f"more than {ZOMBIE_LIMIT} threads do not end", 70))

    def _restart_child(self, message: RestartChild) -> str:
        child = self.tree.children.get(message.name)
        if child is None:
            raise DomainError(f"no child is named {message.name}; the children are: {', '.join(self.tree.children)}")
        if self.tree.phase not in supervision.UNDER_WAY:
            raise DomainError(f"the tree is {self.tree.phase.value}")
        if child.status in {Status.STARTING, Status.STOPPING, Status.WAITING}:
            raise DomainError(f"{message.name} is {child.status.value} already")
        self._step(RestartWanted(message.name))
        return message.name

    def _inspect(self, _: Any) -> None:
        now = self.context.clock.monotonic()
        for name, cell in self._cells.items():
            child = self.tree.children[name]
            telemetry = cell.handle.telemetry
            busy_s = now - telemetry.handling_since if telemetry.handling else 0.0
            if child.status is Status.RUNNING and busy_s > child.spec.handler_budget_s:
                self._step(Overdue(name, child.generation, "handler"))
        self._count_zombies()
        self.context.after(INSPECT_EVERY_S, InspectChildren())
