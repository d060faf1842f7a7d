"""Actors that do as they are told, and tell the probe."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from actors.runtime.child import Backoff, ChildSpec
from actors.testkit import WAIT_S, Gate, Probe

__all__ = [
    "STEADY",
    "AskOther",
    "Down",
    "Fail",
    "Gate",
    "Note",
    "Noted",
    "Run",
    "Up",
    "Worker",
    "hold_and_crash",
    "raising",
    "wait_for",
    "worker",
]

STEADY = Backoff(first_s=0.05, min_s=0.1, jitter=0.0)


@dataclass(frozen=True, slots=True)
class Up:
    """The worker's `on_start` ran."""

    name: str
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Down:
    """The worker's `on_stop` ran."""

    name: str
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Noted:
    """The worker handled a `Note`."""

    name: str
    value: Any
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Note:
    """Tell the probe; replies with the value."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise the error."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class AskOther:
    """Ask another child and reply with its answer."""

    name: str
    message: Any
    timeout_s: float = WAIT_S


@dataclass(frozen=True, slots=True)
class Run:
    """Run the function with the worker and reply with what it returns."""

    call: Callable[[Worker], Any]


Hook = Callable[["Worker"], None]


class Worker(ServiceActor):
    """Does what its messages say and tells the probe."""

    def __init__(
        self, context: Context, probe: Probe, start: Hook | None, stop: Hook | None, leave: Hook | None
    ) -> None:
        super().__init__(context)
        self.probe = probe
        self._start, self._stop_hook, self._leave = start, stop, leave
        self.handles(
            {
                Note: self._note,
                Fail: self._fail,
                Gate: lambda gate: gate.hold(),
                AskOther: lambda message: context.directory[message.name].ask(message.message, message.timeout_s),
                Run: lambda message: message.call(self),
            }
        )

    def on_start(self) -> None:
        self.probe.put(Up(self.context.name, self.context.generation))
        if self._start is not None:
            self._start(self)

    def on_stop(self) -> None:
        self.probe.put(Down(self.context.name, self.context.generation))
        if self._stop_hook is not None:
            self._stop_hook(self)

    def on_exit(self) -> None:
        if self._leave is not None:
            self._leave(self)

    def _note(self, message: Note) -> Any:
        self.probe.put(Noted(self.context.name, message.value, self.context.generation))
        return message.value

    @staticmethod
    def _fail(message: Fail) -> None:
        raise message.error


def worker(
    probe: Probe,
    name: str,
    *,
    start: Hook | None = None,
    stop: Hook | None = None,
    leave: Hook | None = None,
    **fields: Any,
) -> ChildSpec:
    """A child of that name; the hooks run in its `on_start`, `on_stop` and `on_exit`."""
    return ChildSpec(name, lambda context: Worker(context, probe, start, stop, leave), **{"intensity": 5, **fields})


def raising(error: BaseException) -> Callable[[Worker], None]:
    def act(_: Worker) -> None:
        raise error

    return act


def wait_for(event: threading.Event) -> None:
    assert event.wait(WAIT_S)


def hold_and_crash(gate: Gate) -> None:
    gate.hold()
    raise ValueError("after the gate")
