"""Supervisor: carries out what the restart algebra decides."""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pykka.messages import _ActorStop

from actors.errors import ChildRefused, NotDelivered, SpecError, StartRefused
from actors.messages import (
    ChildEvent,
    CountChildren,
    DeleteChild,
    InspectChildren,
    NewChild,
    Reply,
    RestartChild,
    StartChild,
    StopTree,
    TerminateChild,
    WhichChildren,
)
from actors.runtime import supervision, zombies
from actors.runtime.actor import DEFERRED, ServiceActor, describe
from actors.runtime.cell import Cell, Context
from actors.runtime.child import ChildSpec, Kind
from actors.runtime.events import (
    Abandon,
    Answer,
    Begin,
    DeleteWanted,
    Effect,
    Event,
    Exited,
    Forget,
    Halt,
    Launch,
    Outcome,
    Overdue,
    Reason,
    RestartWanted,
    Retire,
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
from actors.runtime.letter import Letter
from actors.runtime.mailbox import Abandoned
from actors.runtime.passage import ALIVE
from actors.runtime.tree import Phase, Status, Tree, count_children, which_children

INSPECT_EVERY_S = 1.0
LAST_WAIT_S = 5.0
"""How long a supervisor that crashed waits for a child of its own that may take for ever to stop."""


class Supervisor(ServiceActor):
    """Starts, watches, restarts and stops children; may itself be the child of another one.

    Owns: the children's cells and the tree's state, which it publishes in the directory.
    Receives: `ChildEvent`, `InspectChildren`, `StopTree`; `StartChild`, `TerminateChild`, `RestartChild`,
        `DeleteChild`, `WhichChildren`, `CountChildren`.
    Sends: whatever the children's starts and stops take.
    On failure: its children are stopped, and whoever is above starts it again with them. It ends when all of them
        are stopped, on purpose or as it gave up.

    Args:
        context: of the supervisor itself.
        specs: its children.
        flags: what it does for all of them.
        on_down: called once, in the supervisor's thread, with the reason and the exit code when all is stopped.
        on_parked: called in the supervisor's thread with the name of a child that stays down.

    Raises:
        SpecError: the children cannot be supervised together; the text names child and field.
    """

    def __init__(
        self,
        context: Context,
        specs: Sequence[ChildSpec],
        flags: Flags | None = None,
        *,
        on_down: Callable[[str, int], None] | None = None,
        on_parked: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(context)
        flags = flags or Flags()
        Tree.of(flags, specs)
        self._free({spec.name for spec in specs})
        self._on_down, self._on_parked = on_down, on_parked
        self._cells = {spec.name: self._cell(spec) for spec in specs}
        seen = {name: abs(cell.handle.mailbox.generation) for name, cell in self._cells.items()}
        self.tree = Tree.of(flags, specs, seen)
        self._jitter = random.Random()  # noqa: S311  # it spreads restarts and guards no secret
        self._events: deque[Event] = deque()
        self._asked: dict[int, Reply] = {}
        self._tickets = itertools.count(1)
        self._silent: set[tuple[str, int]] = set()
        self._came_up = False
        self._abandoned = False
        context.directory.publish(context.name, self.tree)
        self.handles(
            {
                ChildEvent: lambda message: self._step(message.event),
                InspectChildren: self._inspect,
                StopTree: lambda message: self._step(StopWanted(message.why, message.exit_code)),
                StartChild: self._start_child,
                TerminateChild: lambda message: self._named(message, TerminateWanted),
                DeleteChild: lambda message: self._named(message, DeleteWanted),
                RestartChild: lambda message: self._named(
                    message, lambda name, ticket: RestartWanted(name, ticket, message.even_running)
                ),
                WhichChildren: lambda _: which_children(self.tree),
                CountChildren: lambda _: count_children(self.tree),
            }
        )

    def on_start(self) -> Any:
        self._step(Begin())
        self.context.after(INSPECT_EVERY_S, InspectChildren())
        return DEFERRED

    def on_tree_up(self) -> None:
        """Run once when every child runs, is parked, or has nothing to do."""

    def on_exit(self) -> None:
        """End the children, should any be left after a crash of this supervisor, last ones first."""
        for reply in self._asked.values():
            reply.fail(NotDelivered(f"{self.context.name} ended"))
        if self.tree.phase is Phase.STOPPED:
            return
        for cell in reversed(self._cells.values()):
            if self._abandoned:
                return
            if cell.thread is not None and cell.thread.is_alive():
                cell.tell_to_stop()
                cell.thread.join(min(cell.spec.stop_within_s, LAST_WAIT_S))
                if cell.thread.is_alive():
                    cell.abandon()
        down = [replace(child, status=Status.STOPPED) for child in self.tree.children.values()]
        self.context.directory.publish(self.context.name, self.tree.put(*down))

    def on_abandoned(self) -> None:
        """Fence the children too: nobody supervises them any more."""
        self._abandoned = True
        for cell in list(self._cells.values()):
            cell.abandon()

    def on_letters(self, letters: deque[Letter]) -> bool:
        return super().on_letters(letters) and self.tree.phase is not Phase.STOPPED

    def serve(self, letter: Letter) -> bool:
        if not isinstance(letter.message, _ActorStop):
            return super().serve(letter)
        if letter.reply_to is not None:
            letter.reply_to.complete(None)
        self._step(StopWanted("told to stop", 0))
        return True

    def farewell(self, reason: Reason) -> Event:  # noqa: ARG002  # however it is told to end, it ends by a shutdown
        name, generation, tree = self.context.name, self.context.generation, self.tree
        if not self._came_up:
            return StartFailed(name, generation, tree.why, tree.exit_code or 70)
        return Exited(name, generation, Reason.SHUTDOWN, tree.why if tree.exit_code else None)

    # The machine

    def _step(self, event: Event) -> None:
        """Take the event in; one that comes up while effects are carried out waits until they are."""
        self._events.append(event)
        if len(self._events) > 1:
            return
        while self._events:
            self.tree, effects = supervision.step(self.tree, self._events[0], self.context.clock.monotonic())
            self._check_charge()
            self.context.directory.publish(self.context.name, self.tree)
            for effect in effects:
                self._check_charge()
                self._carry_out(effect)
            self._events.popleft()

    def _check_charge(self) -> None:
        """Nothing more is done to the children of whoever took over."""
        if self._abandoned:
            raise Abandoned

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Launch(name, generation):
                self._launch(name, generation)
            case Halt(name, generation):
                cell = self._cells[name]
                cell.tell_to_stop()
                self._later(cell.spec.stop_within_s, Overdue(name, generation, "stop"))
            case Abandon(name):
                self._cells[name].abandon()
                child = self.tree.children.get(name)
                self.log.error("abandoned", child=name, error=child.last_error if child else None)
                self._count_zombies()
            case Forget(name):
                self._forget(name)
            case Retire(name):
                self._retire(name)
            case Schedule(delay_s, event, jitter):
                self._later(delay_s * (1 + jitter * self._jitter.random()), event)
            case Answer():
                self._answer(effect)
            case TreeUp():
                self._came_up = True
                self.context.report(Started(self.context.name, self.context.generation))
                self.on_tree_up()
            case TreeDown(why, exit_code):
                self._end(why, exit_code)

    def _launch(self, name: str, generation: int) -> None:
        cell = self._cells[name]
        if generation > 1:
            error = self.tree.children[name].last_error
            self.log.warning("restarting", child=name, generation=generation, error=error)
        self._later(cell.spec.start_timeout_s, Overdue(name, generation, "start"))
        try:
            cell.start(generation)
        except Abandoned:
            self._abandoned = True
            raise
        except StartRefused as refusal:
            self._step(StartFailed(name, generation, str(refusal), refusal.exit_code, refusal.retryable))
        except BaseException as error:  # a factory may raise anything; its child has failed to start
            self.log.exception("factory failed", child=name)
            self._step(StartFailed(name, generation, describe(error)))
        if self._abandoned:
            cell.abandon()
            raise Abandoned

    def _retire(self, name: str) -> None:
        child = self.tree.children[name]
        self.log.warning("child down", child=name, state=child.status.value, error=child.last_error)
        self._close(name, "down")
        if self._on_parked is not None:
            try:
                self._on_parked(name)
            except Exception:
                self.log.exception("on_parked failed", child=name)

    def _close(self, name: str, reason: str) -> None:
        """Nobody serves the child any more, nor those below it."""
        cell = self._cells[name]
        cell.handle.retire(reason)
        if cell.spec.kind is Kind.SUPERVISOR:
            for handle in self.context.directory.below(name):
                handle.retire(reason)

    def _end(self, why: str, exit_code: int) -> None:
        for name in self._cells:
            self._close(name, "the tree stopped")
        if self.context.supervisor is None:
            self.context.handle.retire("the tree stopped")
        if self._on_down is not None:
            self._on_down(why, exit_code)

    def _later(self, delay_s: float, event: Event) -> None:
        if delay_s <= 0:
            self.context.handle.tell_control(ChildEvent(event))
        elif delay_s < math.inf:
            self.context.after(delay_s, ChildEvent(event))

    def _cell(self, spec: ChildSpec) -> Cell:
        surroundings = self.context.surroundings
        if spec.name == self.context.name:
            raise SpecError(f"child {spec.name}: the name is taken by its supervisor")
        cell = Cell(spec, surroundings, self.context.handle)
        if spec.children and spec.name not in surroundings.directory.trees:
            surroundings.directory.publish(spec.name, Tree.ahead(spec.children))
            try:
                for one in spec.children:
                    Cell(one, surroundings, cell.handle)
            except SpecError:
                surroundings.directory.leave(spec.name)
                raise
        return cell

    # Requests

    def _start_child(self, message: StartChild) -> Any:
        spec = message.spec
        if not isinstance(spec, ChildSpec):
            raise ChildRefused(str(spec), Outcome.INVALID, "it is none")
        if spec.name in self._cells:
            return self._request(lambda ticket: StartWanted(spec, ticket))
        try:
            self._cells[spec.name] = self._cell(spec)
        except SpecError as error:
            raise ChildRefused(spec.name, Outcome.ALREADY_STARTED, str(error)) from error
        seen = abs(self._cells[spec.name].handle.mailbox.generation)
        try:
            return self._request(lambda ticket: StartWanted(spec, ticket, seen))
        finally:
            if spec.name not in self.tree.children and spec.name in self._cells:
                self._forget(spec.name)

    def _forget(self, name: str) -> None:
        self._close(name, "forgotten")
        del self._cells[name]
        self.context.directory.leave(name)

    def _free(self, kept: set[str]) -> None:
        """Free the names of children that an earlier life of this supervisor had added."""
        directory = self.context.directory
        for name, supervisor in list(directory.supervisors.items()):
            if supervisor is self.context.handle and name not in kept:
                for handle in (directory[name], *directory.below(name)):
                    handle.retire("forgotten")
                directory.leave(name)

    def _named(self, message: Any, event: Callable[[str, int], Event]) -> Any:
        name = message.name
        if not isinstance(name, str):
            raise ChildRefused(str(name), Outcome.NOT_FOUND)
        return self._request(lambda ticket: event(name, ticket))

    def _request(self, event: Callable[[int], Event]) -> Any:
        ticket = next(self._tickets)
        if self.reply is not None:
            self._asked[ticket] = self.reply
        self._step(event(ticket))
        return DEFERRED

    def _answer(self, answer: Answer) -> None:
        reply = self._asked.pop(answer.ticket, None)
        if reply is None:
            return
        name = answer.name
        if answer.outcome is Outcome.IGNORED:
            reply.complete(NewChild(None))
        elif answer.outcome is not Outcome.DONE:
            reply.fail(ChildRefused(name, answer.outcome, answer.detail))
        elif name in self._cells and self.tree.children[name].status is Status.RUNNING:
            reply.complete(NewChild(self._cells[name].handle, answer.detail))
        else:
            reply.complete(name)

    # Inspection

    def _count_zombies(self) -> None:
        now = self.context.clock.monotonic()
        if self.context.supervisor is None and self.context.surroundings.zombies.are_too_many(now):
            self._step(StopWanted(f"more than {zombies.LIMIT} threads do not end", 70))

    def _inspect(self, _: Any) -> None:
        """Look for handlers that are stuck, and for threads that ended by the last time and have not said so since."""
        now, silent = self.context.clock.monotonic(), set[tuple[str, int]]()
        for name, cell in list(self._cells.items()):
            child = self.tree.children.get(name)
            if child is None:
                continue
            telemetry, thread = cell.handle.telemetry, cell.thread
            cell.handle.rates.sample(now, telemetry.handled)
            busy_s = now - telemetry.handling_since if telemetry.handling else 0.0
            if child.status is Status.RUNNING and busy_s > child.spec.handler_budget_s:
                self._step(Overdue(name, child.generation, "handler"))
            if thread is not None and not _lives(thread) and child.status in ALIVE:
                silent.add((name, child.generation))
        for name, generation in silent & self._silent:
            self._step(Exited(name, generation, Reason.CRASH, "its thread ended without a word"))
        self._silent = silent
        self._count_zombies()
        self.context.after(INSPECT_EVERY_S, InspectChildren())


def nested(
    name: str,
    specs: Sequence[ChildSpec],
    flags: Flags | None = None,
    *,
    on_parked: Callable[[str], None] | None = None,
    **fields: Any,
) -> ChildSpec:
    """The spec of a supervisor that is the child of another one; `fields` are those of its `ChildSpec`.

    Raises:
        SpecError: the children cannot be supervised together.
    """
    Tree.of(flags or Flags(), specs)

    def supervisor(context: Context) -> Supervisor:
        return Supervisor(context, specs, flags, on_parked=on_parked)

    return ChildSpec(name, supervisor, kind=Kind.SUPERVISOR, children=tuple(specs), **fields)


def _lives(thread: threading.Thread) -> bool:
    return thread.ident is None or thread.is_alive()
