"""What the log costs: signals per second of a daemon that logs as it does by default, and of a quiet one."""

from __future__ import annotations

from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.drain import Drained, Workload, drain
from benchmarks.path.options import PathOptions
from benchmarks.path.processes import daemon
from benchmarks.path.routes import OURS
from benchmarks.path.servers import Servers, servers
from benchmarks.rounds import interleave

HARDLY_LESS = Target(Side.AT_LEAST, 0.95, of_ratio=True)
WARM_UP = 5_000


def logging(options: Options) -> list[Measurement]:
    """Each round is a daemon of its own for each level, one after the other, as both are for the same streams."""
    with servers(PathOptions(options.rounds, options.quick)) as used:
        info, warning = interleave(
            options, lambda: _drained(used, options, "info"), lambda: _drained(used, options, "warning")
        )
    rates = [Sample(tuple(one.per_s for one in side)) for side in (info, warning)]
    spent = [Sample(tuple(one.processor_us["the process"] for one in side)) for side in (info, warning)]
    peer = "logging at warning"
    return [
        Measurement("signals to durable fills, logging at info", "signals/s", *rates, HARDLY_LESS, peer),
        Measurement("processor time per signal, logging at info", "us", *spent, None, peer),
    ]


def _drained(used: Servers, options: Options, level: str) -> Drained:
    database = used.new_database()
    with daemon(used, database, LOG__LEVEL=level, LOG__FORMAT="json") as pid:
        working = Workload(used, OURS, pid, database)
        if not options.quick:
            drain(working, WARM_UP)
        return drain(working, options.size(30_000, 200))
