"""Threads in a test: many that do something at once, and the proof that none is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from actors.testkit.probe import WAIT_S

MOMENT_S = 0.001

T = TypeVar("T")


def race(count: int, act: Callable[[int], T]) -> list[T]:
    """Run `act(0)`, `act(1)`, .. at once in threads of their own; returns what they return, in order.

    Raises:
        AssertionError: one did not end within `WAIT_S`, or raised; the error is chained.
    """
    barrier = threading.Barrier(count, timeout=WAIT_S)
    results: dict[int, T] = {}
    errors: dict[int, BaseException] = {}

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = act(number)
        except BaseException as error:  # noqa: BLE001  # it is raised in the thread of the test
            errors[number] = error

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    for number in range(count):
        if number not in results:
            error = errors.get(number)
            what = f"raised {error!r}" if error else f"did not end within {WAIT_S:g} s"
            raise AssertionError(f"racer {number} of {count} {what}") from error
    return [results[number] for number in range(count)]


def end_of(before: Collection[threading.Thread], wait_s: float = WAIT_S) -> None:
    """Wait for the end of every thread that was not there before, and of those that they start meanwhile.

    Raises:
        AssertionError: one did not end within `wait_s`.
    """
    deadline = time.monotonic() + wait_s
    while left := [thread for thread in threading.enumerate() if thread not in before]:
        for thread in left:
            _end_of(thread, deadline - time.monotonic())
        if time.monotonic() >= deadline and any(thread.is_alive() for thread in left):
            names = ", ".join(thread.name for thread in left if thread.is_alive())
            raise AssertionError(f"left behind after {wait_s:g} s: thread {names}")


def _end_of(thread: threading.Thread, wait_s: float) -> None:
    """Wait for the end of the thread, or, if it is only about to start, a moment."""
    if thread.ident is None:
        threading.Event().wait(MOMENT_S)
    else:
        thread.join(max(0.0, wait_s))


@contextmanager
def no_thread_left(wait_s: float = WAIT_S) -> Iterator[None]:
    """On the way out every thread that was started inside has ended, or ends within `wait_s`."""
    before = set(threading.enumerate())
    yield
    end_of(before, wait_s)
