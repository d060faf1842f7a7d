"""A neighbour: another actor as the one under test sees it, which is a name, a mailbox and answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from actors.messages import Crash, Ping, Reply
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from actors.runtime.child import ChildSpec
from actors.runtime.clock import SystemClock
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.letter import Admission, Letter
from actors.runtime.mailbox import Mailbox
from actors.runtime.telemetry import Telemetry
from actors.testkit.probe import WAIT_S, Probe


class Neighbour(Probe):
    """A probe that can be told and asked: whatever is sent to its name, in either lane, is expected from it.

    A question gets the answer that `answers` gave beforehand, or waits for `reply` or `refuse`. A neighbour that does
    not wait, as a stepper's, fails an asker without an answer at once, as nobody could give it one. `Ping` is
    answered as by any actor, and not seen.

    Args:
        name: what it has in the directory.
        wait_s: as a probe's.
    """

    def __init__(self, name: str, wait_s: float = WAIT_S) -> None:
        super().__init__(name, wait_s)
        clock = SystemClock()
        self.handle = Handle(name, _Inbox(self), Telemetry(), DeadLetters(clock), clock)
        self.admission = Admission.ACCEPTED
        """What becomes of what it is sent: set it to `FULL` or `CLOSED` to have it refused."""
        self._answers: dict[type, Any] = {Ping: name}
        self._open: deque[tuple[Any, Reply]] = deque()

    def answers(self, message_type: type, answer: Any) -> None:
        """Answer every such question with the value, the error if it is one, or what it returns for the message."""
        self._answers[message_type] = answer

    def reply(self, value: Any) -> None:
        """Answer the oldest question that waits.

        Raises:
            AssertionError: nobody waits for an answer; `refuse` raises it too.
        """
        self._oldest().complete(value)

    def refuse(self, error: Exception) -> None:
        """Have whoever asked the oldest question that waits raise the error."""
        self._oldest().fail(error)

    def _oldest(self) -> Reply:
        if not self._open:
            raise AssertionError(f"{self.name}: nobody waits for an answer")
        return self._open.popleft()[1]

    def join(self, directory: Directory) -> None:
        """Have its name lead to it.

        Raises:
            SpecError: the name is taken.
        """
        directory.settle(self.handle, self.name, lambda: self.handle)

    def child(self, **fields: Any) -> ChildSpec:
        """A child of that name that passes on what it gets, so that others can depend on it and it can crash.

        Args:
            fields: of its `ChildSpec`.
        """
        return ChildSpec(self.name, lambda context: _Relay(context, self), **fields)

    def receive(self, letter: Letter) -> Admission:
        """Take a letter as the mailbox of an actor does."""
        if not self.admission:
            return self.admission
        message, reply, kind = letter.message, letter.reply_to, type(letter.message)
        if reply is not None and kind not in self._answers:
            if letter.deadline is not None and self.wait_s <= 0:
                raise AssertionError(f"{self.name} was asked {message!r}: give it answers({kind.__name__}, ..) before")
            self._open.append((message, reply))
        if kind is not Ping:
            self.put(message)
        if reply is not None and kind in self._answers:
            self._settle(reply, message, self._answers[kind])
        return self.admission

    @staticmethod
    def _settle(reply: Reply, message: Any, answer: Any) -> None:
        if isinstance(answer, BaseException):
            reply.fail(answer)
        else:
            reply.complete(answer(message) if callable(answer) else answer)


class _Inbox(Mailbox):
    """Keeps nothing."""

    def __init__(self, owner: Neighbour) -> None:
        super().__init__()
        self._owner = owner

    def offer(self, letter: Letter) -> Admission:
        return self._owner.receive(letter)

    def offer_all(self, letters: Iterable[Letter]) -> int:
        return sum(bool(self._owner.receive(letter)) for letter in letters)

    def offer_control(self, letter: Letter) -> Admission:
        return self._owner.receive(letter)

    def offer_to(self, generation: int, letter: Letter) -> bool:  # noqa: ARG002  # it has no generations
        return bool(self._owner.receive(letter))


class _Relay(ServiceActor):
    """Passes on what it gets, but for what every actor handles."""

    def __init__(self, context: Context, owner: Neighbour) -> None:
        super().__init__(context)
        self._owner = owner

    def handle(self, letter: Letter) -> None:
        if isinstance(letter.message, Ping | Crash):
            super().handle(letter)
        else:
            self._owner.receive(letter)
