"""Faults on purpose: the n-th message or the n-th call fails, or does not return."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Container
from typing import Any, TypeVar, cast

from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from actors.testkit.gate import Gate

Fault = BaseException | type[BaseException] | Gate
"""What happens: an error is raised, or a gate holds the thread until it is opened, after which all goes on."""

EVERY: Container[int] = range(1, sys.maxsize)
"""As `nth`: each one."""

T = TypeVar("T")


class Injected(Exception):
    """The error of a fault that was given no other."""


def crashing(
    factory: Callable[[Context], ServiceActor],
    message_type: type,
    nth: int | Container[int] = 1,
    fault: Fault = Injected,
    *,
    after: bool = False,
) -> Callable[[Context], ServiceActor]:
    """The factory of the same actors, in which handling a type of message fails at times.

    Args:
        factory: builds the actors.
        message_type: of the messages.
        nth: which of them, the first being 1; counted over all actors it builds, so that the successor of one that
            crashed on the first gets the second.
        fault: what happens.
        after: when the handler has done its work, instead of before it begins.

    Raises:
        AssertionError: raised by the new factory when its actors do not handle such messages.
    """
    numbers = itertools.count(1)

    def build(context: Context) -> ServiceActor:
        actor = factory(context)
        handler = actor.handler_of(message_type)
        if handler is None:
            raise AssertionError(
                f"{type(actor).__name__} does not handle {message_type.__name__}: it cannot fail at it"
            )
        actor.also_handles({message_type: _spoilt(handler, message_type.__name__, numbers, nth, fault, after)})
        return actor

    return build


def faulty(
    wrapped: T, method: str, nth: int | Container[int] = 1, fault: Fault = Injected, *, after: bool = False
) -> T:
    """The same object, a broker for example, with a method that fails at times.

    Args:
        wrapped: what does the work; all its other attributes are there too.
        method: the name of the method.
        nth: which of its calls, the first being 1.
        fault: what happens.
        after: when the call has done its work, as if its answer were lost, instead of before it begins.

    Raises:
        AttributeError: there is no such method.
    """
    spoilt = _spoilt(getattr(wrapped, method), method, itertools.count(1), nth, fault, after)
    return cast(T, _Faulty(wrapped, method, spoilt))


class _Faulty:
    """Stands in for another object."""

    def __init__(self, wrapped: Any, method: str, spoilt: Callable[..., Any]) -> None:
        self._wrapped, self._method, self._spoilt = wrapped, method, spoilt

    def __getattr__(self, name: str) -> Any:
        return self._spoilt if name == self._method else getattr(self._wrapped, name)

    def __repr__(self) -> str:
        return f"{self._wrapped!r} with a faulty {self._method}"


def _spoilt(
    call: Callable[..., Any],
    what: str,
    numbers: itertools.count[int],
    nth: int | Container[int],
    fault: Fault,
    after: bool,
) -> Callable[..., Any]:
    chosen = (nth,) if isinstance(nth, int) else nth

    def spoilt(*arguments: Any, **named: Any) -> Any:
        number = next(numbers)
        if number not in chosen:
            return call(*arguments, **named)
        if not after:
            _strike(fault, f"{what} {number}")
            return call(*arguments, **named)
        result = call(*arguments, **named)
        _strike(fault, f"after {what} {number}")
        return result

    return spoilt


def _strike(fault: Fault, what: str) -> None:
    if isinstance(fault, Gate):
        fault.hold()
    elif fault is Injected:
        raise Injected(what)
    else:
        raise fault
