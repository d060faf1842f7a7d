"""A gate: a place where a thread is held until the test lets it pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from actors.testkit.probe import WAIT_S


@dataclass(frozen=True, slots=True)
class Gate:
    """As a message, holds the actor until the gate is opened; see `gated`. As a fault, holds a call.

    It is for actors with a thread: what a stepper does would hold the test itself.
    """

    entered: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        """Wait until the gate is opened; whoever is held calls it.

        Raises:
            AssertionError: it was not opened within `WAIT_S`.
        """
        self.entered.set()
        if not self.opened.wait(WAIT_S):
            raise AssertionError(f"nobody opened the gate within {WAIT_S:g} s")

    def wait_entered(self) -> None:
        """Wait until somebody is held.

        Raises:
            AssertionError: nobody came within `WAIT_S`.
        """
        if not self.entered.wait(WAIT_S):
            raise AssertionError(f"nobody came to the gate within {WAIT_S:g} s")

    def open(self) -> None:
        """Let pass whoever is held, and all who come later."""
        self.opened.set()


def gated(factory: Callable[[Context], ServiceActor]) -> Callable[[Context], ServiceActor]:
    """The factory of the same actors, which also handle a `Gate`: it holds them."""

    def build(context: Context) -> ServiceActor:
        actor = factory(context)
        actor.also_handles({Gate: lambda gate: gate.hold()})
        return actor

    return build
