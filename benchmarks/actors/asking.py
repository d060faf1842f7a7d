"""How long an ask takes from call to answer, one after another, from a thread that is no actor.

Once wherever the scheduler puts the two threads, and once with both on one core: between cores most of an ask is the
machine's own time to wake a sleeping one, which differs from run to run. Beside them stands the floor of either: two
threads that hand a bare lock to each other and back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.actors.workers import Echo, PlainEcho, Work, plain
from benchmarks.measurement import Measurement, Options, Side, Target
from benchmarks.rounds import DEADLINE_S, interleave, on_one_core, quantiles
from benchmarks.trees import child, running

FASTER = Target(Side.AT_MOST, 0.8, of_ratio=True)

Ask = Callable[[Work], object]


def ask(options: Options) -> list[Measurement]:
    """The middle and the slow end of the round trips, and the floor."""
    found = _round_trips(options, "")
    with on_one_core():
        return found + _round_trips(options, ", both on one core")


def _round_trips(options: Options, where: str) -> list[Measurement]:
    count = options.size(3_000, 50)
    with askable() as (ask_ours, ask_peer), _bare_locks() as hand_over:
        sides = (partial(round_trips_us, one, count) for one in (ask_ours, ask_peer, hand_over))
        ours, peer, floor = interleave(options, *sides)
    return [
        Measurement(f"ask p50{where}", "us", quantiles(ours, 0.5), quantiles(peer, 0.5), FASTER),
        Measurement(f"ask p99{where}", "us", quantiles(ours, 0.99), quantiles(peer, 0.99)),
        Measurement(f"two hand-overs of a bare lock, p50{where}", "us", quantiles(floor, 0.5)),
    ]


@contextmanager
def _bare_locks() -> Iterator[Ask]:
    """An ask without actors: wake a thread, and be woken by it."""
    there, back = threading.Lock(), threading.Lock()
    there.acquire()
    back.acquire()
    over = threading.Event()

    def answer() -> None:
        while there.acquire() and not over.is_set():
            back.release()

    def hand_over(_message: Work) -> None:
        there.release()
        back.acquire()

    thread = threading.Thread(target=answer, name="bare locks", daemon=True)
    thread.start()
    try:
        yield hand_over
    finally:
        over.set()
        there.release()
        thread.join()


@contextmanager
def askable() -> Iterator[tuple[Ask, Ask]]:
    """A way to ask our echo, and one to ask the peer's."""
    echo = PlainEcho.start()
    with plain(echo), running(child("echo", Echo)) as tree:
        handle = tree["echo"]
        yield (
            lambda message: handle.ask(message, DEADLINE_S),
            lambda message: echo.ask(message, timeout=DEADLINE_S),
        )


def round_trips_us(ask_one: Ask, count: int) -> list[float]:
    """That many asks, each timed."""
    work, took = Work(1), []
    for _ in range(count):
        began = time.perf_counter_ns()
        ask_one(work)
        took.append((time.perf_counter_ns() - began) / 1000)
    return took
