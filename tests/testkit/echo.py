"""A small actor on which the tests of the kit try it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actors.errors import DomainError
from actors.messages import Reply
from actors.runtime.actor import DEFERRED, ServiceActor
from actors.runtime.cell import Context


@dataclass(frozen=True, slots=True)
class Say:
    """Told on to the ear; replies with the word."""

    word: str


@dataclass(frozen=True, slots=True)
class SayLater:
    """Said after the delay."""

    word: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class AskEar:
    """Ask the ear the same; replies with its answer."""

    word: str


@dataclass(frozen=True, slots=True)
class Raise:
    """Raise the error."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Keep:
    """Answered at the next `Release`."""


@dataclass(frozen=True, slots=True)
class Release:
    """Answer what is kept."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Serve only the control lane, until `Resume`."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Serve all again."""


@dataclass(frozen=True, slots=True)
class Said:
    """The snapshot."""

    words: tuple[str, ...]

    def as_status(self, _: float, /) -> dict[str, Any]:
        return {"words": self.words}


class Echo(ServiceActor):
    """Says what it is told to the ear, once in a while later."""

    take_limit = 4

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.words: tuple[str, ...] = ()
        self.kept: list[Reply] = []
        self.ended: list[str] = []
        self.handles(
            {
                Say: self._say,
                SayLater: lambda message: context.after(message.delay_s, Say(message.word)),
                AskEar: lambda message: context.directory["ear"].ask(message, 2.0),
                Raise: self._raise,
                Keep: self._keep,
                Release: lambda _: self.kept.pop(0).complete("released"),
                Hold: lambda _: context.suspend(),
                Resume: lambda _: context.resume(),
            }
        )

    def on_stop(self) -> None:
        self.ended.append("stop")

    def on_exit(self) -> None:
        self.ended.append("exit")

    def _say(self, message: Say) -> str:
        self.words = (*self.words, message.word)
        self.context.publish(Said(self.words))
        self.context.directory["ear"].tell(message.word)
        return message.word

    def _keep(self, _: Keep) -> Any:
        assert self.reply is not None
        self.kept.append(self.reply)
        return DEFERRED

    @staticmethod
    def _raise(message: Raise) -> None:
        raise message.error


def refusal(word: str) -> Raise:
    return Raise(DomainError(word))
