"""What actors cost that do nothing: memory and processor time, each side in a fresh process of its own.

`python -m benchmarks.actors.idle SIDE COUNT SECONDS` is such a process; it prints its figures as JSON. Those of one
round run at the same time: processor time is counted by process, and memory does not depend on the neighbours.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.actors.workers import Echo, PlainEcho, plain
from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Sample, Side, Target
from benchmarks.rounds import DEADLINE_S, quiet
from benchmarks.trees import child, running

ROOT = Path(__file__).parents[2]
SIDES = ("ours", "peer")
UNDER_100_MB = Target(Side.UNDER, 100.0)
UNDER_1_PERCENT = Target(Side.UNDER, 1.0)
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Idleness:
    """What one process measured."""

    added_mb: float
    process_mb: float
    cpu_percent: float


def idle(options: Options) -> list[Measurement]:
    """A thousand idle actors."""
    count, watch_s = options.size(1_000, 10), options.size(50, 1) / 10
    rounds = [_round(count, watch_s) for _ in range(options.rounds)]
    ours, peer = ([each[number] for each in rounds] for number in range(2))
    return [
        Measurement(
            f"{count} idle actors, memory added",
            "MB",
            Sample(tuple(one.added_mb for one in ours)),
            Sample(tuple(one.added_mb for one in peer)),
        ),
        Measurement(
            f"{count} idle actors, whole process",
            "MB",
            Sample(tuple(one.process_mb for one in ours)),
            Sample(tuple(one.process_mb for one in peer)),
            UNDER_100_MB,
        ),
        Measurement(
            f"{count} idle actors, processor",
            "% of a core",
            Sample(tuple(one.cpu_percent for one in ours)),
            Sample(tuple(one.cpu_percent for one in peer)),
            UNDER_1_PERCENT,
        ),
    ]


def _round(count: int, watch_s: float) -> list[Idleness]:
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", __spec__.name, side, str(count), str(watch_s)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for side in SIDES
    ]
    try:
        return [_figures(process) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _figures(process: subprocess.Popen[str]) -> Idleness:
    out, err = process.communicate(timeout=DEADLINE_S)
    if process.returncode:
        lines = err.strip().splitlines()
        raise BenchmarkFailed(f"the process of idle actors failed: {lines[-1] if lines else process.returncode}")
    return Idleness(**json.loads(out))


def watch(side: str, count: int, watch_s: float) -> Idleness:
    """Start that many actors in this process, and watch it while they do nothing."""
    process = psutil.Process()
    before = process.memory_info().rss
    with ExitStack() as stack:
        if side == "ours":
            stack.enter_context(quiet())
            stack.enter_context(running(*(child(f"idle.{number}", Echo) for number in range(count))))
        else:
            stack.enter_context(plain(*(PlainEcho.start() for _ in range(count))))
        cpu, began = time.process_time(), time.perf_counter()
        time.sleep(watch_s)
        cpu, took = time.process_time() - cpu, time.perf_counter() - began
        after = process.memory_info().rss
    return Idleness((after - before) / MEGABYTE, after / MEGABYTE, 100 * cpu / took)


if __name__ == "__main__":
    print(json.dumps(asdict(watch(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
