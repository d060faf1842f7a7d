"""A stepper: one actor without a thread, which does one thing at a time when the test says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from actors.errors import AskTimeout, NotDelivered
from actors.messages import Crash
from actors.runtime.actor import ServiceActor, describe
from actors.runtime.cell import Cell, Context, Surroundings
from actors.runtime.child import ChildSpec
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, callers, enter
from actors.runtime.letter import Admission, Answer, Letter, Question
from actors.runtime.telemetry import Snapshot
from actors.testkit.manual_clock import ManualClock, ManualTimers
from actors.testkit.neighbour import Neighbour
from actors.testkit.probe import WAIT_S


class Stepper:
    """One actor, its real mailbox, a manual clock and its neighbours, all in the thread of the test.

    Nothing happens but in a call of the test. What a handler raises comes out of the call that made it run, unless it
    is a `DomainError`, and the actor is down then, as it would be: `crashed` is the error, `restart` brings its
    successor, on the same mailbox.

    Args:
        factory: builds the actor, as a child's does; often the class itself.
        neighbours: whom it can reach; a name stands for a new `Neighbour`. None of them waits any more: an
            expectation that is not met fails at once.
        name: the actor's.
        mailbox_capacity: messages its user lane holds.

    Raises:
        SpecError: two of them have the same name.
        BaseException: what the factory or `on_start` raises.
    """

    def __init__(
        self,
        factory: Callable[[Context], ServiceActor],
        *neighbours: Neighbour | str,
        name: str = "actor",
        mailbox_capacity: int = 10_000,
    ) -> None:
        self.name = name
        self.clock = ManualClock()
        self.timers = ManualTimers(self.clock)
        self.directory = Directory()
        self.dead_letters = DeadLetters(self.clock)
        """Those addressed to the actor."""
        self.supervisor = Neighbour("supervisor", wait_s=0.0)
        """Gets what the actor reports; not in the directory."""
        self.generation = 0
        self.up = False
        self.crashed: BaseException | None = None
        self.info: Any = None
        """What `on_start` returned."""
        self._surroundings = Surroundings(self.directory, self.dead_letters, self.timers, self.clock)
        self._neighbours: dict[str, Neighbour] = {}
        for one in map(_neighbour, neighbours):
            one.join(self.directory)
            self._neighbours[one.name] = one
        spec = ChildSpec(name, factory, mailbox_capacity=mailbox_capacity)
        self._factory = factory
        self._cell = Cell(spec, self._surroundings, self.supervisor.handle)
        self.handle = self._cell.handle
        """The actor's own, as its neighbours have it."""
        self._start()

    def __getitem__(self, name: str) -> Neighbour:
        """The neighbour of that name."""
        return self._neighbours[name]

    @property
    def snapshot(self) -> Snapshot | None:
        """What the actor published last."""
        return self.handle.telemetry.snapshot

    # Sending

    def tell(self, message: Any) -> Admission:
        """Put the message in the mailbox; it waits there for its step."""
        return self.handle.tell(message)

    def tell_control(self, message: Any) -> Admission:
        """Put the message ahead of all that waits in the user lane, and of a suspension."""
        return self.handle.tell_control(message)

    def post(self, message: Any, timeout_s: float = WAIT_S) -> Answer:
        """Put a question in the mailbox; the answer is `settled` once there is one, and `get(0)` returns it.

        Args:
            message: the question.
            timeout_s: after so long on the manual clock nobody wants it handled.

        Raises:
            NotDelivered: the mailbox is full.
        """
        answer = Answer()
        admission = self.handle.mailbox.offer(Question(message, answer, self.clock.monotonic() + timeout_s))
        if not admission:
            self.handle.bury(message, f"mailbox {admission.value}")
            raise NotDelivered(f"{self.name}: mailbox {admission.value}")
        return answer

    def ask(self, message: Any) -> Any:
        """Handle what waits, and then the question; returns its answer.

        Raises:
            ActorCrashed: the actor crashed on it; the cause is chained.
            AskTimeout: everything is handled and there is no answer, as the handler deferred it: use `post`.
            DomainError: the actor refused it.
            NotDelivered: the mailbox is full, or the actor does not handle such messages.
        """
        return self._answer_of(self.post(message), message)

    # Going on

    def step(self) -> bool:
        """Handle one letter, of the control lane first; False if there is none to be served."""
        return self._serve(1)

    def step_batch(self) -> bool:
        """Handle one batch of letters, as large as the actor's thread would take."""
        return self._serve(self._running().take_limit)

    def run(self, limit: int = 100_000) -> int:
        """Handle letters until there are no more, or the actor stopped; returns how many.

        Raises:
            AssertionError: there are more than `limit`.
        """
        self._running()
        handled = 0
        while self.up and self.step():
            handled += 1
            if handled > limit:
                raise AssertionError(f"{self.name} handled more than {limit} letters and does not come to rest")
        return handled

    def advance(self, seconds: float) -> None:
        """Move the clock; each timer's message is handled at its time, ahead of what waits in the user lane."""
        self.timers.advance(seconds, self._serve_control)

    # Ending

    def crash(self, reason: str = "crash injected by the test") -> None:
        """Have it crash now, ahead of what waits; nothing is raised."""
        answer, message = Answer(), Crash(reason)
        self._running()
        self.handle.mailbox.offer_control(Question(message, answer))
        try:
            self._serve_control()
        except Exception:
            if not answer.settled:
                raise

    def stop(self) -> None:
        """Stop it as its supervisor does, ahead of what waits."""
        self._running()
        self._cell.tell_to_stop()
        while self.up:
            self._serve(1)

    def restart(self) -> None:
        """Build its successor, which gets what waits in the mailbox; one that still runs is stopped before.

        Raises:
            BaseException: what the factory or `on_start` raises.
        """
        if self.up:
            self.stop()
        self._start()

    # The actor's turn

    def _start(self) -> None:
        self.generation += 1
        self.crashed = None
        self.actor = self._cell.build(self.generation)
        with self._turn():
            self.up = True
            self.info = self.actor.on_start()  # type: ignore[func-returns-value]  # pykka says None

    def _serve(self, limit: int, *, control_only: bool = False) -> bool:
        actor, mailbox = self._running(), self.handle.mailbox
        taken = mailbox.take(limit, self.generation, timeout_s=0.0)
        if control_only and taken and not taken[0].control:
            mailbox.push_back(taken, self.generation)
            return False
        mailbox.push_back(taken[limit:], self.generation)
        letters: deque[Letter] = deque(taken[:limit])
        if not letters:
            return False
        with self._turn():
            try:
                going = actor.on_letters(letters)
            finally:
                mailbox.push_back(letters, self.generation)
            if not going:
                actor.on_stop()
                self._leave()
        return True

    def _serve_control(self) -> None:
        while self.up and self._serve(1, control_only=True):
            pass

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The actor does something; an error ends it."""
        outside = callers()
        enter((self.name,))
        try:
            yield
        except BaseException as error:
            self.crashed = error
            self._leave()
            raise
        finally:
            self.handle.telemetry.handling = None
            enter(outside)

    def _leave(self) -> None:
        if self.up:
            self.up = False
            self.actor.on_exit()
            self.actor.actor_stopped.set()

    def _running(self) -> ServiceActor:
        if not self.up:
            how = "was stopped" if self.crashed is None else f"crashed with {describe(self.crashed)}"
            raise AssertionError(f"{self.name} is down, it {how}: restart it")
        return self.actor

    def _answer_of(self, answer: Answer, message: Any) -> Any:
        self._running()
        try:
            while self.up and not answer.settled and self.step():
                pass
        except BaseException:
            if not answer.settled:
                raise
        if not answer.settled:
            raise AskTimeout(f"{self.name} has nothing left to handle and did not answer {type(message).__name__}")
        return answer.get(0.0)


def _neighbour(one: Neighbour | str) -> Neighbour:
    neighbour = Neighbour(one) if isinstance(one, str) else one
    neighbour.wait_s = 0.0
    return neighbour
