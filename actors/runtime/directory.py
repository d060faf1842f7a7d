"""Stable handles by name: how actors reach each other while incarnations come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from actors.errors import AskCycle, AskTimeout, NotDelivered, SpecError, TryAgain
from actors.messages import Reply
from actors.runtime.child import Kind
from actors.runtime.clock import Clock
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.letter import Admission, Answer, Letter, Question
from actors.runtime.mailbox import Mailbox
from actors.runtime.rates import Rates
from actors.runtime.telemetry import Telemetry
from actors.runtime.tree import Child, Tree

ACCEPTED = Admission.ACCEPTED


class _Waiting(threading.local):
    chain: tuple[str, ...] = ()


_waiting = _Waiting()


def callers() -> tuple[str, ...]:
    """The actors whose ask led to the handler that runs in this thread, outermost first, itself last."""
    return _waiting.chain


def enter(chain: tuple[str, ...]) -> None:
    """Set the chain of this thread; the actor loop calls it around each handler."""
    _waiting.chain = chain


class Handle:
    """The address of a child: its name and mailbox, the same through all its restarts. Thread-safe."""

    def __init__(self, name: str, mailbox: Mailbox, telemetry: Telemetry, dead: DeadLetters, clock: Clock) -> None:
        self.name = name
        self.mailbox = mailbox
        self.telemetry = telemetry
        self.rates = Rates(clock.monotonic())
        self._dead = dead
        self._clock = clock
        self._offer = mailbox.offer

    def tell(self, message: Any) -> Admission:
        """Offer the message; never blocks. A refused one is a dead letter, and the result says why."""
        admission = self._offer(Letter(message))
        if admission is not ACCEPTED:
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
        admission = self._offer(Question(message, reply))
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
        chain = _waiting.chain
        if self.name in chain:
            raise AskCycle(" -> ".join((*chain, self.name)))
        answer = Answer()
        deadline = self._clock.monotonic() + timeout_s
        admission = self._offer(Question(message, answer, deadline, chain))
        if admission is not ACCEPTED:
            self.bury(message, f"mailbox {admission.value}")
            raise NotDelivered(f"{self.name}: mailbox {admission.value}")
        try:
            return answer.get(timeout_s)
        except AskTimeout:
            if answer.settled:
                raise
            raise AskTimeout(f"{self.name} did not answer {type(message).__name__} in {timeout_s:g} s") from None

    @property
    def crowded(self) -> bool:
        """Whether the mailbox is half full: time to refuse what can be asked for again."""
        capacity = self.mailbox.capacity
        return capacity is not None and self.mailbox.depth() >= capacity // 2

    def bury(self, message: Any, reason: str) -> None:
        """Count a message to this child as a dead letter."""
        self._dead.add(self.name, message, reason)

    @property
    def dead_letters(self) -> int:
        """How many messages to this child became dead letters."""
        return self._dead.count(self.name)

    def retire(self, reason: str) -> None:
        """Close the mailbox, bury what is left in it and fail those who wait for an answer."""
        for letter in self.mailbox.close():
            if letter.generation is not None:
                continue
            if letter.reply_to is not None:
                letter.reply_to.fail(NotDelivered(f"{self.name}: {reason}"))
            self.bury(letter.message, reason)


class Directory:
    """Names, routes and the supervisors' published states; written by supervisors, read by anybody without a lock.

    `handles`, `routes` and the trees are immutable snapshots that are replaced whole.
    """

    def __init__(self) -> None:
        self.handles: Mapping[str, Handle] = {}
        self.routes: Mapping[tuple[str, str | None], str] = {}
        self.trees: dict[str, Tree] = {}
        """Each supervisor's by its name."""
        self.supervisors: Mapping[str, Handle] = {}
        """The supervisor of each child, by the child's name."""
        self._writing = threading.Lock()

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
        """Handles whose name begins with the prefix."""
        return [handle for name, handle in self.handles.items() if name.startswith(prefix)]

    @property
    def tree(self) -> Tree | None:
        """The root's, which is nobody's child."""
        return next((tree for name, tree in self.trees.items() if name not in self.supervisors), None)

    def children(self) -> dict[str, Child]:
        """Every child in start order, those of a supervisor after it."""
        found: dict[str, Child] = {}
        root = self.tree
        if root is not None:
            self._collect(root, found)
        return found

    def _collect(self, tree: Tree, found: dict[str, Child]) -> None:
        for name, child in tree.children.items():
            found[name] = child
            if child.spec.kind is Kind.SUPERVISOR and name in self.trees:
                self._collect(self.trees[name], found)

    # Supervisors

    def settle(self, supervisor: Handle, name: str, make: Callable[[], Handle]) -> Handle:
        """The handle of a supervisor's child: the one it has already, or a new one.

        Raises:
            SpecError: the name is taken by another's child, or a supervisor.
        """
        with self._writing:
            owner = self.supervisors.get(name)
            if owner is supervisor:
                return self.handles[name]
            if owner is not None or name in self.trees:
                raise SpecError(f"child {name}: the name is taken{f' by a child of {owner.name}' if owner else ''}")
            handle = make()
            self.handles = {**self.handles, name: handle}
            self.supervisors = {**self.supervisors, name: supervisor}
            return handle

    def below(self, name: str) -> list[Handle]:
        """The handles of a supervisor's children and of theirs."""
        found = {name}
        for child, owner in self.supervisors.items():
            if owner.name in found:
                found.add(child)
        return [handle for child, handle in self.handles.items() if child in found and child != name]

    def leave(self, name: str) -> None:
        """Free a child's name, and those of its own children."""
        with self._writing:
            gone = [name, *(handle.name for handle in self.below(name))] if name in self.trees else [name]
            handles, supervisors, trees = dict(self.handles), dict(self.supervisors), dict(self.trees)
            for each in gone:
                handles.pop(each, None)
                supervisors.pop(each, None)
                trees.pop(each, None)
            self.handles, self.supervisors, self.trees = handles, supervisors, trees

    def publish(self, supervisor: str, tree: Tree) -> None:
        """Show a supervisor's children as they stand now."""
        with self._writing:
            if supervisor in self.trees:
                self.trees[supervisor] = tree
            else:
                self.trees = {**self.trees, supervisor: tree}
