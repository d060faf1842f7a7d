"""The supervisor's place for one child: what outlives its incarnations, and how one is made."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pykka.messages import _ActorStop

from actors.messages import ChildEvent
from actors.runtime.child import ChildSpec
from actors.runtime.clock import Clock, Timer, Timers
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.events import Event
from actors.runtime.mailbox import Abandoned, Letter, Mailbox
from actors.runtime.telemetry import Snapshot, Telemetry
from actors.runtime.zombies import Zombies

if TYPE_CHECKING:
    from actors.runtime.actor import ServiceActor


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every actor of one tree shares."""

    directory: Directory
    dead_letters: DeadLetters
    timers: Timers
    clock: Clock
    zombies: Zombies = field(default_factory=Zombies)


@dataclass(frozen=True, slots=True)
class Context:
    """What one incarnation is given: its name and generation, its mailbox, and the way to the others.

    What an incarnation does through its context after it was abandoned has no effect.
    """

    name: str
    generation: int
    handle: Handle
    surroundings: Surroundings
    supervisor: Handle | None
    telemetry: Telemetry = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "telemetry", self.handle.telemetry)

    @property
    def directory(self) -> Directory:
        return self.surroundings.directory

    @property
    def clock(self) -> Clock:
        return self.surroundings.clock

    @property
    def mailbox(self) -> Mailbox:
        return self.handle.mailbox

    def suspend(self) -> None:
        """Serve only the control lane until `resume`.

        Raises:
            Abandoned: this incarnation no longer owns the mailbox; the same holds for the next two.
        """
        self.mailbox.suspend(self.generation)

    def resume(self) -> None:
        """Serve the user lane again."""
        self.mailbox.resume(self.generation)

    def push_back(self, message: Any) -> None:
        """Return a message that cannot be handled now to the front of the user lane."""
        self.mailbox.push_back([Letter(message)], self.generation)

    def publish(self, snapshot: Snapshot) -> None:
        """Replace this child's snapshot in the status."""
        self.telemetry.snapshot = snapshot

    def after(self, delay_s: float, message: Any) -> Timer:
        """Tell the message to this incarnation, ahead of its backlog, after the delay; dropped if it is gone."""
        mailbox, generation = self.handle.mailbox, self.generation
        return self.surroundings.timers.after(delay_s, lambda: mailbox.offer_to(generation, Letter(message)))

    def report(self, event: Event) -> None:
        """Tell the supervisor what became of this incarnation."""
        if self.supervisor is not None and self.mailbox.generation == self.generation:
            self.supervisor.tell_control(ChildEvent(event))


class Cell:
    """One child of a supervisor. Used by the supervisor's thread alone, but for `abandon`.

    A child of that name that the same supervisor had in an earlier life of its own left its handle and mailbox: they
    go on, with what waits there.
    """

    def __init__(self, spec: ChildSpec, surroundings: Surroundings, supervisor: Handle) -> None:
        self.spec = spec
        self.handle = surroundings.directory.settle(
            supervisor,
            spec.name,
            lambda: Handle(
                spec.name,
                Mailbox(spec.mailbox_capacity, surroundings.clock),
                Telemetry(),
                surroundings.dead_letters,
                surroundings.clock,
            ),
        )
        self._surroundings = surroundings
        self._supervisor = supervisor
        self._owner = self.handle.mailbox.generation
        self._actor: ServiceActor | None = None
        self._thread: threading.Thread | None = None

    def start(self, generation: int) -> None:
        """Build the incarnation and start its thread; it reports `Started` or `StartFailed` itself.

        Raises:
            Abandoned: another life of the supervisor has taken the child over.
            Exception: whatever the factory raises.
        """
        self._thread = self._actor = None
        self._actor = actor = self.build(generation)
        if self.handle.mailbox.generation != generation:
            raise Abandoned
        self._thread = actor.launch()

    def build(self, generation: int) -> ServiceActor:
        """Give the mailbox to an incarnation and build it.

        Raises:
            Abandoned, Exception: as `start`.
        """
        mailbox = self.handle.mailbox
        if not mailbox.hand_over(generation, self._owner):
            raise Abandoned
        self._owner = generation
        mailbox.reopen()
        self.handle.telemetry = self.handle.telemetry.successor()
        return self.spec.factory(Context(self.spec.name, generation, self.handle, self._surroundings, self._supervisor))

    def tell_to_stop(self) -> None:
        """Have the incarnation end after what it does now, ahead of its backlog."""
        self.handle.mailbox.offer_to(self._owner, Letter(_ActorStop()))

    def abandon(self) -> None:
        """Take the mailbox, and what was not handled, from the incarnation; its thread lives on as a zombie."""
        fenced = -abs(self._owner)
        if self.handle.mailbox.hand_over(fenced, self._owner):
            self._owner = fenced
        if self._actor is not None:
            self._actor.on_abandoned()
        if self._thread is not None and self._thread.is_alive():
            self._surroundings.zombies.add(self._thread, self._surroundings.clock.monotonic())

    @property
    def thread(self) -> threading.Thread | None:
        """Of the newest incarnation."""
        return self._thread
