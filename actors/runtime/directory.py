"""Stable handles by name: how actors reach each other while incarnations come and go."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import pykka

from actors.errors import AskCycle, AskTimeout, NotDelivered, TryAgain
from actors.messages import Reply
from actors.runtime.clock import Clock
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.letter import Admission, Answer, Letter
from actors.runtime.mailbox import Mailbox
from actors.runtime.telemetry import Telemetry
from actors.runtime.tree import Tree

_waiting = threading.local()


def callers() -> tuple[str, ...]:
    """The actors whose ask led to the handler that runs in this thread, outermost first, itself last."""
    chain: tuple[str, ...] = getattr(_waiting, "chain", ())
    return chain


def enter(chain: tuple[str, ...]) -> None:
    """Set the chain of this thread; the actor loop calls it around each handler."""
    _waiting.chain = chain


class Handle:
    """The address of a child: its name and mailbox, the same through all its restarts. Thread-safe."""

    def __init__(self, name: str, mailbox: Mailbox, telemetry: Telemetry, dead: DeadLetters, clock: Clock) -> None:
        self.name = name
        self.mailbox = mailbox
        self.telemetry = telemetry
        self._dead = dead
        self._clock = clock

    def tell(self, message: Any) -> Admission:
        """Offer the message; never blocks. A refused one is a dead letter, and the result says why."""
        admission = self.mailbox.offer(Letter(message))
        if not admission:
            self.bury(message, f"mailbox {admission.value}")
        return admission

    def tell_all(self, messages: Iterable[Any]) -> int:
        """Offer several in order with one wake-up; returns how many were accepted, the rest are dead letters."""
        several = list(messages)
        accepted = self.mailbox.offer_all([Letter(message) for message in several])
        reason = "mailbox closed" if self.mailbox.closed else "mailbox full"
        for message in several[accepted:]:
            self.bury(message, reason)
        return accepted

    def tell_control(self, message: Any) -> Admission:
        """Put the message ahead of the backlog."""
        admission = self.mailbox.offer_control(Letter(message))
        if not admission:
            self.bury(message, f"mailbox {admission.value}")
        return admission

    def post(self, message: Any, reply: Reply) -> Admission:
        """Send the message and have its answer go to `reply`; a refusal fails it with `TryAgain`."""
        admission = self.mailbox.offer(Letter(message, reply))
        if not admission:
            self.bury(message, f"mailbox {admission.value}")
            reply.fail(TryAgain(f"{self.name}: mailbox {admission.value}"))
        return admission

    def ask(self, message: Any, timeout_s: float) -> Any:
        """Send the message and wait for its reply.

        Raises:
            AskCycle: the target already waits for the caller.
            AskTimeout: no reply within `timeout_s`; the message is dropped if it was not yet taken.
            NotDelivered: the mailbox refused it, or the actor stopped before handling it.
            DomainError: the actor refused it.
            ActorCrashed: the actor crashed on it.
        """
        chain = callers()
        if self.name in chain:
            raise AskCycle(" -> ".join((*chain, self.name)))
        answer = Answer()
        deadline = self._clock.monotonic() + timeout_s
        admission = self.mailbox.offer(Letter(message, answer, deadline, chain))
        if not admission:
            self.bury(message, f"mailbox {admission.value}")
            raise NotDelivered(f"{self.name}: mailbox {admission.value}")
        try:
            return answer.get(timeout=timeout_s)
        except pykka.Timeout:
            raise AskTimeout(f"{self.name} did not answer {type(message).__name__} in {timeout_s:g} s") from None

    @property
    def crowded(self) -> bool:
        """Whether the mailbox is half full: time to refuse what can be asked for again."""
        capacity = self.mailbox.capacity
        return capacity is not None and self.mailbox.depth() >= capacity // 2

    def bury(self, message: Any, reason: str) -> None:
        """Count a message to this child as a dead letter."""
        self.telemetry.dead_letters += 1
        self._dead.add(self.name, message, reason)

    def retire(self, reason: str) -> None:
        """Close the mailbox, bury what is left in it and fail those who wait for an answer."""
        for letter in self.mailbox.close():
            if letter.generation is not None:
                continue
            if letter.reply_to is not None:
                letter.reply_to.fail(NotDelivered(f"{self.name}: {reason}"))
            self.bury(letter.message, reason)


class Directory:
    """Names, routes and the supervisor's published state; written by the supervisor, read by anybody, no locks.

    `handles`, `routes` and `tree` are immutable snapshots that are replaced whole.
    """

    def __init__(self) -> None:
        self.handles: Mapping[str, Handle] = {}
        self.routes: Mapping[tuple[str, str | None], str] = {}
        self.tree: Tree | None = None
        self.zombies = 0

    def __getitem__(self, name: str) -> Handle:
        """The handle of that name.

        Raises:
            NotDelivered: nobody has that name.
        """
        try:
            return self.handles[name]
        except KeyError:
            raise NotDelivered(f"no actor is named {name}") from None

    def route(self, kind: str, broker: str | None = None) -> Handle | None:
        """Who serves messages of `kind` for `broker`, if anybody."""
        name = self.routes.get((kind, broker))
        return None if name is None else self.handles[name]

    def named(self, prefix: str) -> list[Handle]:
        """Handles whose name begins with the prefix, in start order."""
        return [handle for name, handle in self.handles.items() if name.startswith(prefix)]
