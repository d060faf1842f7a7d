"""Adopts a database again and again, each time killed at a moment that no earlier attempt was killed at.

A process of its own forks one child for each attempt, as a child of the tests' own process would take its threads
along. Writes the moments, a line each, and `adopted` once an attempt comes to its end.
"""

from __future__ import annotations

import os
import signal
import sys

from persistence.adoption.adoption import Progress, adopt
from settings import DatabaseSettings


def moment(progress: Progress) -> str:
    """The begin or end of a step, or the first batch of it that is committed."""
    place = "ended" if progress.ended else "within" if progress.rows else "begun"
    return " ".join(filter(None, (progress.step.action.name, progress.step.table, progress.step.subject, place)))


def attempt(url: str, known: set[str], told: int) -> None:
    """Adopt until a moment that is not known, tell its name, and die on the spot."""

    def show(progress: Progress) -> None:
        name = moment(progress)
        if name not in known:
            os.write(told, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    adopt(url, DatabaseSettings(), show)


def main(url: str) -> None:
    """Try until it is adopted."""
    known: set[str] = set()
    while True:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            attempt(url, known, writing)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            name = pipe.read()
        _, status = os.waitpid(child, 0)
        if status == 0:
            sys.stdout.write("adopted\n")
            return
        if os.WTERMSIG(status) != signal.SIGKILL or not name:
            raise SystemExit(f"the attempt after {sorted(known)} failed: {status}")
        known.add(name)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main(sys.argv[1])
