"""What a load of the catalogue costs a daemon that trades: from signal to published fill, with and without one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.database import dump
from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Sample, Side, Target
from benchmarks.path.load import Load
from benchmarks.path.options import of_path
from benchmarks.path.processes import ROOT, daemon, environment
from benchmarks.path.servers import execute, servers
from benchmarks.rounds import quantiles

PER_S = 500
QUIET_S = 10.0
SETTLING_S = 2.0
"""After a checkpoint, which every round begins with: the files of its log that a server no longer needs are then used
again, as they are on one that has been up for a while."""
BOUNDS = {0.5: None, 0.99: Target(Side.AT_MOST, 1.5, of_ratio=True)}
"""Of the middle and the slow end, over the same without a load."""


def beside(options: Options) -> list[Measurement]:
    """The middle and the slow end at a steady rate, while the command loads a new catalogue and while it does not."""
    count, quiet_s = options.size(120_000, 2_000), QUIET_S / options.size(1, 8)
    with servers(of_path(options)) as used:
        url, path = used.new_database(), dump.write(used.directory / "instruments.csv", count)
        with daemon(used, url), Load(used.nats_url, PER_S) as load:
            _round(load, url, path, quiet_s)
            rounds = [_round(load, url, path, quiet_s) for _ in range(options.rounds)]
            load.stop()
    loading, without, took = zip(*rounds, strict=True)
    what = f"signal to published fill at {PER_S} signals/s while {count:,} instruments are loaded"
    return [
        *(
            Measurement(
                f"{what}, p{share * 100:g}",
                "ms",
                quantiles(loading, share),
                quantiles(without, share),
                bound,
                "without a load",
            )
            for share, bound in BOUNDS.items()
        ),
        Measurement("the load meanwhile, start of the command included", "s", Sample(took)),
    ]


def _round(load: Load, url: str, path: Path, quiet_s: float) -> tuple[list[float], list[float], float]:
    """Latencies with a load, without one, and how long the load took."""
    execute(url, "TRUNCATE instruments CASCADE")
    execute(url, "CHECKPOINT")
    time.sleep(SETTLING_S)
    began = time.perf_counter()
    time.sleep(quiet_s)
    loaded = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "from console.app import main; main()", "instruments", "load", str(path)],
        cwd=ROOT,
        env=environment(DATABASE__POSTGRES_URL=url),
        capture_output=True,
        text=True,
        check=False,
    )
    ended = time.perf_counter()
    if done.returncode:
        raise BenchmarkFailed(f"`instruments load` failed: {done.stderr.strip()}")
    time.sleep(1.0)
    return load.latencies_ms(loaded, ended), load.latencies_ms(began, loaded), ended - loaded
