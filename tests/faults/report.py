"""What a storm found, as a table for people and as one for `docs/faults.md`."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from actors.gateway import embedded as nats_binaries
from persistence import embedded as postgres_binaries
from persistence.server_process import version_of
from tests.faults.catalogue import Fault
from tests.faults.storm import Outcome

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEAD = ("fault", "injected", "survived", "slowest recovery", "signals counted")


def rows(outcome: Outcome, faults: tuple[Fault, ...]) -> list[tuple[str, ...]]:
    """One for each fault, and a sum."""
    several = [(fault.name, outcome.tallies[fault.name]) for fault in faults]
    lines = [
        (name, str(one.injected), str(one.survived), f"{one.slowest_s:.1f} s" if one.injected else "", str(one.signals))
        for name, one in several
    ]
    tallies = [one for _, one in several]
    slowest_s = max((one.slowest_s for one in tallies), default=0.0)
    injected, survived = sum(one.injected for one in tallies), sum(one.survived for one in tallies)
    return [*lines, ("all, and between them", str(injected), str(survived), f"{slowest_s:.1f} s", str(outcome.signals))]


def plain(outcome: Outcome, faults: tuple[Fault, ...]) -> str:
    """For a terminal."""
    lines = [HEAD, *rows(outcome, faults)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(both))
        for both in (list(zip(line, widths, strict=True)) for line in lines)
    )


def markdown(outcome: Outcome, faults: tuple[Fault, ...], command: str) -> str:
    """For a page."""
    table = [HEAD, ("---", "---:", "---:", "---:", "---:"), *rows(outcome, faults)]
    lines = "\n".join(f"| {' | '.join(line)} |" for line in table)
    return f"`{command}` ran for {outcome.duration_s / 60:.1f} minutes on {machine()}.\n\n{lines}\n"


def write(path: Path, text: str) -> None:
    """Put the text between the marks of the page, or make a page of it."""
    page = path.read_text() if path.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


def machine() -> str:
    """What the figures depend on besides the program."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    postgres = next(iter(postgres_binaries.candidates())) / "postgres"
    return (
        f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, PostgreSQL {_version(postgres)}, "
        f"NATS {_version(nats_binaries.find_binary())}"
    )


def _version(binary: Path) -> str:
    return ".".join(str(part) for part in version_of(binary))
