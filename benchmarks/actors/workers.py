"""The same small workers twice: as supervised children, and as plain pykka actors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pykka

from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from benchmarks.rounds import DEADLINE_S


@dataclass(frozen=True, slots=True)
class Work:
    """What is told and asked."""

    number: int


@dataclass(slots=True)
class Tally:
    """Counts down to the last message; set by the producer while the counter is idle."""

    left: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def expect(self, count: int) -> None:
        self.left = count
        self.done.clear()


class Counter(ServiceActor):
    """Counts `Work`."""

    def __init__(self, context: Context, tally: Tally) -> None:
        super().__init__(context)
        self._tally = tally
        self.handles({Work: self._count})

    def _count(self, _message: Work) -> None:
        tally = self._tally
        tally.left -= 1
        if not tally.left:
            tally.done.set()


class Forwarder(ServiceActor):
    """Tells `Work` to another child."""

    def __init__(self, context: Context, target: str) -> None:
        super().__init__(context)
        self._target = context.directory[target]
        self.handles({Work: self._forward})

    def _forward(self, message: Work) -> None:
        self._target.tell(message)


class Echo(ServiceActor):
    """Answers `Work` with its number."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.handles({Work: self._answer})

    @staticmethod
    def _answer(message: Work) -> int:
        return message.number


class PlainCounter(pykka.ThreadingActor):
    """Counts whatever it is told."""

    use_daemon_thread = True

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def on_receive(self, _message: Any) -> None:
        tally = self._tally
        tally.left -= 1
        if not tally.left:
            tally.done.set()


class PlainForwarder(pykka.ThreadingActor):
    """Tells whatever it is told to another actor."""

    use_daemon_thread = True

    def __init__(self, target: pykka.ActorRef[PlainCounter]) -> None:
        super().__init__()
        self._target = target

    def on_receive(self, message: Any) -> None:
        self._target.tell(message)


class PlainEcho(pykka.ThreadingActor):
    """Answers with the number of what it is asked."""

    use_daemon_thread = True

    def on_receive(self, message: Work) -> int:
        return message.number


@contextmanager
def plain(*actors: pykka.ActorRef[Any]) -> Iterator[None]:
    """Stop these pykka actors on the way out."""
    try:
        yield
    finally:
        for actor in reversed(actors):
            actor.stop(timeout=DEADLINE_S)
