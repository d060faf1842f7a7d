"""From a signal's publication to its fill's, at a steady 1,000 signals per second."""

from __future__ import annotations

import threading
import time
from functools import partial

import orjson

from benchmarks.measurement import Measurement, Options, Side, Target
from benchmarks.path.options import of_path
from benchmarks.path.processes import daemon
from benchmarks.path.routes import OURS
from benchmarks.path.servers import servers
from benchmarks.path.signals import signals
from benchmarks.path.wire import Wire, hpub
from benchmarks.rounds import interleave, quantiles

PER_S = 1_000
TARGETS = {0.5: Target(Side.UNDER, 10.0), 0.99: Target(Side.UNDER, 50.0)}


def latency(options: Options) -> list[Measurement]:
    """The middle and the slow end."""
    count = options.size(10 * PER_S, 100)
    with servers(of_path(options)) as used, daemon(used, used.new_database()):
        (rounds,) = interleave(options, partial(fills_ms, used.nats_url, count))
    return [
        Measurement(
            f"signal to published fill at {PER_S} signals/s, p{share * 100:g}",
            "ms",
            quantiles(rounds, share),
            target=target,
        )
        for share, target in TARGETS.items()
    ]


def fills_ms(url: str, count: int) -> list[float]:
    """Milliseconds from each signal's publish to its fill, by correlation id; a plain subscriber sees the fills."""
    frames = [(key, hpub(OURS.subject, body, key)) for key, body in signals(count)]
    with Wire(url) as fills, Wire(url) as publisher:
        fills.subscribe(f"{OURS.prefix}.orders.filled")
        sent: dict[str, float] = {}
        sender = threading.Thread(target=_send, args=(publisher, frames, sent), name="sender", daemon=True)
        sender.start()
        arrived: list[tuple[float, bytes]] = []
        for several in fills.messages():
            now = time.perf_counter()
            arrived += [(now, fill) for fill in several]
            if len(arrived) >= count:
                break
        sender.join()
    return [(at - sent[orjson.loads(fill)["correlation_id"]]) * 1e3 for at, fill in arrived]


def _send(wire: Wire, frames: list[tuple[str, bytes]], sent: dict[str, float]) -> None:
    """Send each at its time; one that is late goes at once, and counts from when it went."""
    began = time.perf_counter()
    for number, (key, frame) in enumerate(frames):
        while (early := began + number / PER_S - time.perf_counter()) > 0:
            time.sleep(early)
        sent[key] = time.perf_counter()
        wire.send(frame)
