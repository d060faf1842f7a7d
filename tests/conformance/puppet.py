"""Workers on threads that do what the script says, and write down what they did."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, cast

from actors.errors import StartIgnored
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from actors.runtime.events import Event, Exited, Reason
from actors.testkit import WAIT_S
from tests.conformance.stage import Script, Start, Stop

Key = tuple[str, int]
"""An incarnation: its name and generation."""


@dataclass(frozen=True, slots=True)
class Leave:
    """End by yourself, for that reason."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Vanish:
    """End without a report."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Do not return from the handler of this until it is let go."""

    entered: threading.Event = field(default_factory=threading.Event)
    gone_on: threading.Event = field(default_factory=threading.Event)


class Ledger:
    """What the puppets did. Thread-safe; whoever waits does so at `changed`."""

    def __init__(self, log: list[str]) -> None:
        self.changed = threading.Condition()
        self.log = log
        self.alive: set[Key] = set()
        self.held: dict[Key, threading.Event] = {}
        self.vanished: dict[Key, threading.Thread] = {}
        self._abandoned: set[Key] = set()

    def note(self, entry: str) -> None:
        with self.changed:
            self.log.append(entry)

    def came_up(self, key: Key) -> None:
        with self.changed:
            if key not in self._abandoned:
                self.alive.add(key)
                self.log.append(f"+{key[0]}")

    def ended(self, key: Key, *, abandoned: bool = False) -> None:
        """The first to say so counts, the incarnation or whoever abandoned it."""
        with self.changed:
            if abandoned:
                self._abandoned.add(key)
            if key in self.alive:
                self.alive.remove(key)
                self.log.append(f"-{key[0]}")
                self.changed.notify_all()

    def vanishes(self, key: Key) -> None:
        with self.changed:
            self.vanished[key] = threading.current_thread()
            self.changed.notify_all()

    def waits(self, key: Key) -> bool:
        """Whether the incarnation does nothing until somebody does something about it."""
        return key in self.held or key in self.vanished

    def hold(self, key: Key) -> None:
        """Wait until somebody lets the incarnation go on."""
        go_on = threading.Event()
        with self.changed:
            self.held[key] = go_on
            self.changed.notify_all()
        assert go_on.wait(WAIT_S), f"nobody released {key}"

    def release(self, key: Key) -> None:
        with self.changed:
            self.held.pop(key).set()


class Puppet(ServiceActor):
    """One incarnation of a worker."""

    def __init__(self, context: Context, ledger: Ledger, script: Script) -> None:
        super().__init__(context)
        self._ledger, self._script = ledger, script
        self._key = (context.name, context.generation)
        self._leaving: Reason | None = None
        self._vanishes = False
        self.handles({Leave: self._leave, Vanish: self._vanish, Hang: _hang})

    def on_start(self) -> Any:
        name = self.context.name
        act = self._script.next_start(name)
        if act is Start.HOLD:
            self._ledger.hold(self._key)
        elif act is Start.FAIL:
            self._ledger.note(f"!{name}")
            raise RuntimeError(f"{name} cannot start")
        elif act is Start.IGNORE:
            self._ledger.note(f"~{name}")
            raise StartIgnored(name)
        self._ledger.came_up(self._key)
        return self._script.infos.get(name)

    def on_stop(self) -> None:
        act = Stop.OBEY if self._leaving else self._script.stop(self.context.name)
        if act is Stop.HOLD:
            self._ledger.hold(self._key)
        elif act is Stop.CRASH:
            raise RuntimeError("boom")
        elif act is Stop.VANISH:
            self._vanishes = True

    def on_exit(self) -> None:
        self._ledger.ended(self._key)
        if self._vanishes:
            self._ledger.vanishes(self._key)
        if self._script.stop(self.context.name) is Stop.LINGER:
            self._ledger.hold(self._key)

    def on_abandoned(self) -> None:
        self._ledger.ended(self._key, abandoned=True)

    def farewell(self, reason: Reason) -> Event:
        if self._vanishes:
            return cast(Event, None)
        return Exited(*self._key, self._leaving or reason)

    def _leave(self, message: Leave) -> None:
        self._leaving = message.reason
        self.stop()

    def _vanish(self, _: Vanish) -> None:
        self._vanishes = True
        self._leaving = Reason.NORMAL
        self.stop()


def _hang(message: Hang) -> None:
    message.entered.set()
    assert message.gone_on.wait(WAIT_S), "nobody abandoned it"
