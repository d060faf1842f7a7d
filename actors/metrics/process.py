"""The figures of this process, under the names that every client of Prometheus gives them.

The library's collector opens and lists a dozen files, and lets the interpreter go at each step: under load it gets it
back only after everybody else had it, which doubled the slowest scrapes.
"""

from __future__ import annotations

import os
import resource
import weakref
from collections.abc import Iterator
from pathlib import Path

from actors.runtime.metric import Metric, counter, gauge

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STARTED_FIELD = 19
"""Of `/proc/PID/stat`, behind the name: when the process began, in ticks since the kernel did; see proc(5)."""


class Process:
    """Reads as little as it can; from any thread.

    Args:
        proc: where the kernel tells of it.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._memory = os.open(proc / "self" / "statm", os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._memory)
        self._files = proc / "self" / "fd"
        self._started_at = _started_at(proc)

    def figures(self) -> Iterator[Metric]:
        """Processor, memory, files, and since when."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        size, resident = (int(pages) * PAGE_BYTES for pages in os.pread(self._memory, 4096, 0).split()[:2])
        most_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        name = "process"
        yield counter(f"{name}_cpu_seconds_total", "Processor time.", ({}, used.ru_utime + used.ru_stime))
        yield gauge(f"{name}_virtual_memory_bytes", "Virtual memory.", ({}, size))
        yield gauge(f"{name}_resident_memory_bytes", "Memory in use.", ({}, resident))
        yield gauge(f"{name}_open_fds", "Open files.", ({}, self._open_files()))
        yield gauge(f"{name}_max_fds", "Files that may be open.", ({}, most_files))
        yield gauge(f"{name}_start_time_seconds", "When it began, in seconds since 1970.", ({}, self._started_at))

    def _open_files(self) -> int:
        """Since Linux 6.2 the directory's size says how many there are."""
        return self._files.stat().st_size or sum(1 for _ in self._files.iterdir())


def _started_at(proc: Path) -> float:
    ticks = int((proc / "self" / "stat").read_text().rpartition(")")[2].split()[STARTED_FIELD])
    lines = (proc / "stat").read_text().splitlines()
    booted_at = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return booted_at + ticks / os.sysconf("SC_CLK_TCK")
