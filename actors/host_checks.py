"""Checks of the host that the service runs on: its disk and its memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from actors.diagnosis import Check, CheckFailed, Health

MIB, GIB = 1 << 20, 1 << 30
LITTLE_DISK_BYTES, NO_DISK_BYTES = GIB, 200 * MIB
LITTLE_MEMORY, NO_MEMORY = 0.10, 0.03
"""Shares of the host's memory that are still to be had."""
MORE_DISK = 'make room, or move STATE_DIR; under systemd as docs/operating.md says, "The state on another disk"'


def host_checks(state_dir: Path, proc: Path = Path("/proc")) -> list[Check]:
    """The checks of this host; `proc` is where the kernel tells of it."""
    return [
        Check("Disk space", _disk(state_dir)),
        Check("Memory", _memory(proc)),
    ]


def _disk(state_dir: Path) -> Callable[[], str]:
    def check() -> str:
        there = next(path for path in (state_dir, *state_dir.parents) if path.exists())
        free = shutil.disk_usage(there).free
        if free < LITTLE_DISK_BYTES:
            status = Health.UNHEALTHY if free < NO_DISK_BYTES else Health.DEGRADED
            raise CheckFailed(f"{free // MIB} MiB free in {there}", MORE_DISK, status)
        return f"{free // GIB} GiB free"

    return check


def _memory(proc: Path) -> Callable[[], str]:
    def check() -> str:
        total, available = (_figure(proc / "meminfo", name) for name in ("MemTotal", "MemAvailable"))
        own = _figure(proc / "self" / "status", "VmRSS")
        share = available / total
        found = f"{available // MIB} of {total // MIB} MiB available, {own // MIB} MiB of them ours"
        if share < LITTLE_MEMORY:
            status = Health.UNHEALTHY if share < NO_MEMORY else Health.DEGRADED
            raise CheckFailed(found, "end what else runs on this host, or give it more memory", status)
        return f"{available // MIB} of {total // MIB} MiB available, {own // MIB} MiB used by this process"

    return check


def _figure(path: Path, name: str) -> int:
    """Bytes, of a file of the kernel's that has one figure a line, in kB."""
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    raise CheckFailed(f"{path} does not tell {name}", "run this on Linux", Health.DEGRADED)
