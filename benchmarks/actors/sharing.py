"""What the global interpreter lock does to actors: a thread that computes delays every ask, and computing adds up.

The figures have no target; they say where the limits lie and what the switch interval does about them.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from benchmarks.actors.asking import Ask, askable, round_trips_us
from benchmarks.actors.workers import Tally, Work
from benchmarks.measurement import Measurement, Options, Sample
from benchmarks.rounds import interleave, quantiles, seconds, wait
from benchmarks.trees import Grove, child, running

STEPS, LONG_STEPS = 100, 1_000_000
"""What the busy thread does in one call into C, which cannot be interrupted: next to nothing, and several ms."""


def gil(options: Options) -> list[Measurement]:
    """Asks beside a busy thread, and what a second actor adds."""
    long_steps = options.size(LONG_STEPS, STEPS)
    return [
        *_ask_beside(options, "a busy thread, switching every 5 ms", STEPS, 5.0),
        *_ask_beside(options, "a busy thread, switching every 0.5 ms", STEPS, 0.5),
        *_ask_beside(options, "long calls into C, switching every 0.5 ms", long_steps, 0.5),
        *_second_actor(options),
    ]


def _ask_beside(options: Options, what: str, steps: int, interval_ms: float) -> list[Measurement]:
    count = options.size(60, 3)

    def trips(ask: Ask) -> list[float]:
        with _switching_every(interval_ms / 1000), _busy_thread(steps):
            return [trip / 1000 for trip in round_trips_us(ask, count)]

    with askable() as both:
        ours, peer = interleave(options, *(partial(trips, ask) for ask in both))
    return [
        Measurement(f"ask p{share * 100:g} beside {what}", "ms", quantiles(ours, share), quantiles(peer, share))
        for share in (0.5, 0.99)
    ]


@contextmanager
def _switching_every(interval_s: float) -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval_s)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _busy_thread(steps: int) -> Iterator[None]:
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(range(steps))

    thread = threading.Thread(target=compute, name="busy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Labourer(ServiceActor):
    """Does a piece of work for each `Work` it gets."""

    def __init__(self, context: Context, labour: Callable[[], object], tally: Tally, lock: threading.Lock) -> None:
        super().__init__(context)
        self._labour, self._tally, self._lock = labour, tally, lock
        self.handles({Work: self._work})

    def _work(self, _message: Work) -> None:
        self._labour()
        with self._lock:
            self._tally.left -= 1
            if not self._tally.left:
                self._tally.done.set()


def _second_actor(options: Options) -> list[Measurement]:
    """How much sooner the same pieces of work are done by two actors than by one."""
    loops, wait_s = options.size(400_000, 1_000), options.size(20, 1) / 1000
    kinds: list[tuple[str, Callable[[], object]]] = [
        ("compute", lambda: sum(range(loops))),
        ("wait", lambda: time.sleep(wait_s)),
    ]
    return [_speed_up(options, kind, labour) for kind, labour in kinds]


def _speed_up(options: Options, kind: str, labour: Callable[[], object]) -> Measurement:
    tally, lock, pieces = Tally(), threading.Lock(), options.size(10, 2)
    children = [child(name, lambda context: Labourer(context, labour, tally, lock)) for name in ("a", "b")]

    def work(tree: Grove, names: tuple[str, ...]) -> None:
        tally.expect(pieces)
        for number in range(pieces):
            tree[names[number % len(names)]].tell(Work(number))
        wait(tally.done, f"the end of {pieces} pieces of work")

    with running(*children) as tree:
        one, two = interleave(
            options, *(partial(seconds, partial(work, tree, names)) for names in (("a",), ("a", "b")))
        )
    return Measurement(f"speed-up by a second actor, both {kind}", "times", Sample(one).over(Sample(two)))
