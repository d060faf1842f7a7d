"""The supervisor's place for one child: what outlives its incarnations, and how one is made."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.errors import NotDelivered
from actors.messages import ChildEvent
from actors.runtime.child import ChildSpec
from actors.runtime.clock import Clock, Timer, Timers
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.mailbox import Letter, Mailbox
from actors.runtime.telemetry import Snapshot, Telemetry
from actors.runtime.tree import Event

if TYPE_CHECKING:
    from actors.runtime.actor import ServiceActor


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every actor of one tree shares."""

    directory: Directory
    dead_letters: DeadLetters
    timers: Timers
    clock: Clock


@dataclass(frozen=True, slots=True)
class Context:
    """What one incarnation is given: its name and generation, its mailbox, and the way to the others."""

    name: str
    generation: int
    handle: Handle
    surroundings: Surroundings
    supervisor: Handle | None

    @property
    def directory(self) -> Directory:
        return self.surroundings.directory

    @property
    def clock(self) -> Clock:
        return self.surroundings.clock

    @property
    def mailbox(self) -> Mailbox:
        return self.handle.mailbox

    @property
    def telemetry(self) -> Telemetry:
        return self.handle.telemetry

    def publish(self, snapshot: Snapshot) -> None:
        """Replace this child's snapshot in the status."""
        self.handle.telemetry.snapshot = snapshot

    def after(self, delay_s: float, message: Any) -> Timer:
        """Tell the message to this incarnation, ahead of its backlog, after the delay; dropped if it is gone."""
        mailbox, generation = self.handle.mailbox, self.generation
        return self.surroundings.timers.after(
            delay_s, lambda: mailbox.offer_timer(Letter(message), generation)
        )

    def report(self, event: Event) -> None:
        """Tell the supervisor what became of this incarnation."""
        if self.supervisor is not None:
            self.supervisor.tell_control(ChildEvent(event))


class Cell:
    """One child of a supervisor. Used by the supervisor's thread alone."""

    def __init__(self, spec: ChildSpec, surroundings: Surroundings, supervisor: Handle) -> None:
        mailbox = Mailbox(spec.mailbox_capacity, surroundings.clock)
        self.spec = spec
        self.handle = Handle(spec.name, mailbox, Telemetry(), surroundings.dead_letters, surroundings.clock)
        self._surroundings = surroundings
        self._supervisor = supervisor
        self._thread: threading.Thread | None = None

    def start(self, generation: int) -> None:
        """Build the incarnation and start its thread; it reports `Started` or `StartFailed` itself.

        Raises:
            Exception: whatever the factory raises.
        """
        mailbox = self.handle.mailbox
        mailbox.reopen()
        mailbox.hand_over(generation)
        context = Context(self.spec.name, generation, self.handle, self._surroundings, self._supervisor)
        actor: ServiceActor = self.spec.factory(context)
        self._thread = actor.launch()

    def abandon(self, generation: int) -> bool:
        """Fence the incarnation off from its mailbox; returns whether its thread lives on as a zombie."""
        self.handle.mailbox.hand_over(-generation)
        return self._thread is not None and self._thread.is_alive()

    def retire(self, reason: str) -> None:
        """Close the mailbox and bury what is left in it."""
        for letter in self.handle.mailbox.close():
            if letter.reply_to is not None:
                letter.reply_to.fail(NotDelivered(f"{self.spec.name}: {reason}"))
            self.handle.bury(letter.message, reason)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; returns whether it did."""
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True
