"""Where the daemon's time goes, by thread: py-spy's samples of the threads that hold the interpreter lock."""

from __future__ import annotations

import collections
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measurement import BenchmarkFailed, Measurement, Sample
from benchmarks.path.drain import Workload, drain
from benchmarks.report import RESULTS

SAMPLES_PER_S, LONGEST_S, TOP = 200, 600, 20
LISTING = "path.profile.txt"


@dataclass(slots=True)
class Thread:
    """The samples of one thread: how many, and by function, at the top of the stack and anywhere in it."""

    samples: int = 0
    own: collections.Counter[str] = field(default_factory=collections.Counter)
    within: collections.Counter[str] = field(default_factory=collections.Counter)


def profile(side: Workload, backlog: int) -> list[Measurement]:
    """Sample the daemon while it works off a backlog; the functions go to `benchmarks/results/path.profile.txt`.

    Raises:
        BenchmarkFailed: py-spy is not installed, or may not look at the process.
    """
    stacks = side.servers.directory / "stacks.txt"
    spy = subprocess.Popen(
        [
            *(_command(), "record", "--pid", str(side.pid), "--format", "raw", "--output", str(stacks)),
            *("--threads", "--gil", "--function", "--rate", str(SAMPLES_PER_S), "--duration", str(LONGEST_S)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        drain(side, backlog)
        spy.send_signal(signal.SIGINT)
        _, errors = spy.communicate(timeout=60)
    finally:
        spy.kill()
        spy.wait()
    if not stacks.exists():
        raise BenchmarkFailed(f"py-spy: {(errors.strip().splitlines() or ['no samples'])[-1]}")
    threads = read(stacks.read_text())
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / LISTING).write_text(listing(threads))
    whole = sum(one.samples for one in threads.values())
    return [
        Measurement(f"share of the interpreter lock, {name}", "%", Sample((100 * one.samples / whole,)))
        for name, one in sorted(threads.items(), key=lambda each: -each[1].samples)
        if one.samples >= whole / 100
    ]


def read(text: str) -> dict[str, Thread]:
    """py-spy's raw format: a line a stack, from the outermost frame to the innermost, and how often it was met."""
    threads: dict[str, Thread] = collections.defaultdict(Thread)
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        name = next((frame.partition(": ")[2] for frame in frames if frame.startswith("thread (")), "?")
        frames = [frame for frame in frames if not frame.startswith(("thread (", "process "))]
        thread = threads[name]
        thread.samples += int(count)
        thread.own[frames[-1]] += int(count)
        for frame in set(frames):
            thread.within[frame] += int(count)
    return dict(threads)


def listing(threads: dict[str, Thread]) -> str:
    """The functions that a thread was met in most often, in percent of its samples."""
    lines = []
    for name, thread in sorted(threads.items(), key=lambda each: -each[1].samples):
        lines += ["", f"{name}: {thread.samples} samples"]
        for what, counted in (("at the top of the stack", thread.own), ("anywhere in the stack", thread.within)):
            lines += ["", f"  {what}"]
            lines += [f"  {100 * count / thread.samples:6.1f} %  {frame}" for frame, count in counted.most_common(TOP)]
    return "\n".join(lines).lstrip() + "\n"


def _command() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise BenchmarkFailed("py-spy is not installed: pip install 'alpha-panda[bench]'")
    return found
