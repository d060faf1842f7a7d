"""Supervisor: carries out what the restart algebra decides."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from pykka.messages import _ActorStop

from actors.errors import DomainError, StartRefused
from actors.messages import ChildEvent, InspectChildren, RestartChild, StopTree
from actors.runtime import supervision
from actors.runtime.actor import ServiceActor, describe
from actors.runtime.cell import Cell, Context, Surroundings
from actors.runtime.child import ChildSpec
from actors.runtime.mailbox import Letter
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
    On failure: its process ends, and whoever started that starts it again.

    Args:
        context: of the supervisor itself.
        specs: its children.
        on_down: called once, in the supervisor's thread, with the reason and the exit code when all is stopped.
    """

    def __init__(
        self, context: Context, specs: Sequence[ChildSpec], on_down: Callable[[str, int], None]
    ) -> None:
        super().__init__(context)
        self.tree = Tree.of(specs)
        self._on_down = on_down
        self._cells = {spec.name: Cell(spec, context.surroundings, context.handle) for spec in specs}
        self._jitter = random.Random()
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
        self.tree, effects = supervision.step(self.tree, event, self.context.clock.monotonic())
        self.context.directory.tree = self.tree
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case StartChild(name, generation):
                self._start(name, generation)
            case StopChild(name, generation):
                cell = self._cells[name]
                cell.handle.mailbox.offer_control(Letter(_ActorStop()))
                self._later(cell.spec.shutdown_s, Overdue(name, generation, "stop"))
            case AbandonChild(name, generation):
                if self._cells[name].abandon(generation):
                    self._count_zombie(name)
            case RetireChild(name):
                self._cells[name].retire(f"{name} is down")
                self.log.error("child parked", child=name, error=self.tree.children[name].last_error)
                self.on_parked(name)
            case Schedule(delay_s, event, jitter):
                self._later(delay_s * (1 + jitter * self._jitter.random()), event)
            case TreeUp():
                self.on_tree_up()
            case TreeDown(why, exit_code):
                for cell in self._cells.values():
                    cell.retire("the tree stopped")
                self._on_down(why, exit_code)

    def _start(self, name: str, generation: int) -> None:
        cell = self._cells[name]
        if generation > 1:
            self.log.warning("restarting", child=name, generation=generation)
        self._later(cell.spec.start_timeout_s, Overdue(name, generation, "start"))
        try:
            cell.start(generation)
        except StartRefused as refusal:
            self._step(StartFailed(name, generation, str(refusal), refusal.exit_code, refusal.retryable))
        except Exception as error:  # noqa: BLE001  # a factory may raise anything; its child has failed to start
            self.log.exception("factory failed", child=name)
            self._step(StartFailed(name, generation, describe(error)))

    def _later(self, delay_s: float, event: Event) -> None:
        self.context.after(delay_s, ChildEvent(event))

    def _count_zombie(self, name: str) -> None:
        directory = self.context.directory
        directory.zombies += 1
        self.log.error("abandoned a thread that does not end", child=name, zombies=directory.zombies)
        if directory.zombies > ZOMBIE_LIMIT:
            self._step(StopWanted(f"more than {ZOMBIE_LIMIT} threads do not end", 70))

    def _restart_child(self, message: RestartChild) -> str:
        child = self.tree.children.get(message.name)
        if child is None:
            raise DomainError(
                f"no child is named {message.name}; the children are: {', '.join(self.tree.children)}"
            )
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
        self.context.after(INSPECT_EVERY_S, InspectChildren())
