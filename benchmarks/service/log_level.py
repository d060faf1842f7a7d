"""What the log costs: signals per second of a daemon that logs as it does by default, and of a quiet one."""

from __future__ import annotations

from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.drain import Workload, drain
from benchmarks.path.options import PathOptions
from benchmarks.path.processes import daemon
from benchmarks.path.routes import OURS
from benchmarks.path.servers import Servers, servers
from benchmarks.rounds import interleave

HARDLY_LESS = Target(Side.AT_LEAST, 0.95, of_ratio=True)
WARM_UP, QUICK_WARM_UP = 5_000, 50


def logging(options: Options) -> list[Measurement]:
    """Each round is a daemon of its own for each level, one after the other, as both are for the same streams."""
    with servers(PathOptions(options.rounds, options.quick)) as used:
        info, warning = interleave(
            options, lambda: _per_s(used, options, "info"), lambda: _per_s(used, options, "warning")
        )
    return [
        Measurement(
            "signals to durable fills, logging at info",
            "signals/s",
            Sample(info),
            Sample(warning),
            HARDLY_LESS,
            "logging at warning",
        )
    ]


def _per_s(used: Servers, options: Options, level: str) -> float:
    database = used.new_database()
    with daemon(used, database, LOG__LEVEL=level, LOG__FORMAT="json") as pid:
        working = Workload(used, OURS, pid, database)
        drain(working, options.size(WARM_UP, QUICK_WARM_UP))
        return drain(working, options.size(30_000, 200)).per_s
