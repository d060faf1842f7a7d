"""Whether the daemon grows: a steady load for as long as one cares to wait."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.drain import Workload
from benchmarks.path.ledger import Tally, check, outbox_rows, settled
from benchmarks.path.load import Load
from benchmarks.path.memory import Memory
from benchmarks.path.options import of_path
from benchmarks.path.processes import started
from benchmarks.path.routes import OURS
from benchmarks.path.servers import servers
from benchmarks.rounds import quantiles

PER_S = 1_000
WARM_S = 2.0
EVERY_S = 1.0
GROWTH_MIB, GROWTH_SHARE = 5.0, 0.05
"""Whichever is more may be added between the second third and the last."""


def soak(options: Options) -> list[Measurement]:
    """One run: the two halves of its figures are its second and its last third."""
    chosen = of_path(options)
    lasts_s = options.size(round(chosen.soak_minutes * 60), 3)
    every_s = EVERY_S if lasts_s >= 60 else EVERY_S / 20
    with servers(chosen) as used:
        database = used.new_database()
        with started(used, database) as daemon:
            daemon.wait_until_ready()
            side = Workload(used, OURS, daemon.process.pid, database)
            with Load(used.nats_url, PER_S) as load, Memory(daemon.process.pid, every_s) as memory:
                time.sleep(WARM_S)
                began = time.perf_counter()
                time.sleep(lasts_s)
                ended = time.perf_counter()
                wanted = Tally().plus(load.stop(), 0)
                used.with_nats(partial(settled, wanted=wanted))
            check(side, wanted)
            left, restarts = outbox_rows(side), daemon.restarts()
    first, last = began + (ended - began) / 3, began + (ended - began) * 2 / 3
    middle_mib, late_mib = memory.median_mib(first, last), memory.median_mib(last, ended)
    allowed = Target(Side.UNDER, max(GROWTH_MIB, GROWTH_SHARE * middle_mib))
    what = f"{lasts_s:g} s at {PER_S} signals/s"
    return [
        Measurement(
            f"growth, last third beyond the second, {what}", "MiB", _one(late_mib - middle_mib), target=allowed
        ),
        Measurement(
            f"memory, last third, beside the second, {what}",
            "MiB",
            _one(late_mib),
            _one(middle_mib),
            None,
            "second third",
        ),
        Measurement(f"memory at its peak, {what}", "MiB", _one(memory.peak_mib())),
        *(_latency(load, share, (began, first), (last, ended), what) for share in (0.5, 0.99)),
        Measurement(f"outbox rows left, {what}", "rows", _one(left)),
        Measurement(f"restarts of children, {what}", "children", _one(restarts), target=Target(Side.AT_MOST, 0)),
    ]


def _one(figure: float) -> Sample:
    return Sample((float(figure),))


def _latency(load: Load, share: float, early: tuple[float, float], late: tuple[float, float], what: str) -> Measurement:
    mine, before = (quantiles([load.latencies_ms(*third)], share) for third in (late, early))
    return Measurement(f"signal to fill, last third, p{share * 100:g}, {what}", "ms", mine, before, None, "first third")
