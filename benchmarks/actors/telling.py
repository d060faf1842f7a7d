"""Tells per second, from the first one told to the last one handled: to a counter, and through a forwarder to it.

One thread produces. On our side bounds, both lanes, deadlines, telemetry and supervision are on. Each is measured
wherever the scheduler puts the threads, and with all of them on one core, where they do not fight for the interpreter
lock and the figures are steadier; that one has no target, as nothing runs so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.actors.workers import Counter, Forwarder, PlainCounter, PlainForwarder, Tally, Work, plain
from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.rounds import interleave, on_one_core, seconds, wait
from benchmarks.trees import child, running

FIVEFOLD = Target(Side.AT_LEAST, 5.0, of_ratio=True)


def tell(options: Options) -> list[Measurement]:
    """Producer to counter."""
    return [_tell(options, ""), *_on_one_core(partial(_tell, options))]


def forward(options: Options) -> list[Measurement]:
    """Producer to forwarder to counter."""
    return [_forward(options, ""), *_on_one_core(partial(_forward, options))]


def _on_one_core(measure: Callable[[str], Measurement]) -> Iterator[Measurement]:
    with on_one_core():
        yield measure(", all on one core")


def _tell(options: Options, where: str) -> Measurement:
    count = options.size(200_000, 500)
    mine, theirs = Tally(), Tally()
    counter = PlainCounter.start(theirs)
    with plain(counter), running(child("counter", lambda context: Counter(context, mine), count)) as tree:
        sides = _pour(tree["counter"].tell, mine, count), _pour(counter.tell, theirs, count)
        ours, peer = map(Sample, interleave(options, *sides))
    return Measurement(f"tell{where}", "messages/s", ours, peer, None if where else FIVEFOLD)


def _forward(options: Options, where: str) -> Measurement:
    count = options.size(100_000, 500)
    mine, theirs = Tally(), Tally()
    counter = PlainCounter.start(theirs)
    forwarder = PlainForwarder.start(counter)
    children = (
        child("counter", lambda context: Counter(context, mine), count),
        child("forwarder", lambda context: Forwarder(context, "counter"), count),
    )
    with plain(counter, forwarder), running(*children) as tree:
        sides = _pour(tree["forwarder"].tell, mine, count), _pour(forwarder.tell, theirs, count)
        ours, peer = map(Sample, interleave(options, *sides))
    return Measurement(f"tell through a forwarder{where}", "messages/s", ours, peer, None if where else FIVEFOLD)


def _pour(tell_one: Callable[[Work], object], tally: Tally, count: int) -> Callable[[], float]:
    work = Work(1)

    def pour() -> None:
        for _ in range(count):
            tell_one(work)
        wait(tally.done, f"the handling of {count} messages")

    def measure() -> float:
        tally.expect(count)
        return count / seconds(pour)

    return measure
