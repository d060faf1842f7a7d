"""The PostgreSQL that every side of a part is measured on, with durability on."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measurement import BenchmarkFailed
from benchmarks.path.servers import DURABILITY, ON_DISK, ending_cleanly, execute, fetch
from persistence.embedded import EmbeddedPostgres
from persistence.migration import upgrade
from persistence.server_process import EmbeddedServerError
from persistence.urls import normalise_url


@dataclass(slots=True)
class Server:
    """A server of the benchmark's own."""

    url: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_database(self) -> str:
        """The URL of a new migrated database."""
        name = f"panda_bench_{next(self._numbers)}"
        execute(self.url, f"CREATE DATABASE {name}")
        url = normalise_url(self.url).set(database=name).render_as_string(hide_password=False)
        upgrade(url)
        return url


@contextmanager
def server() -> Iterator[Server]:
    """A PostgreSQL for one part, gone with its data afterwards.

    Raises:
        BenchmarkFailed: it cannot be started, or does not make durable what it confirms.
    """
    disk = ON_DISK if ON_DISK.is_dir() else None
    with ending_cleanly(), tempfile.TemporaryDirectory(prefix="panda-bench-", dir=disk) as directory:
        try:
            with EmbeddedPostgres(Path(directory) / "postgres") as postgres:
                for name in DURABILITY:
                    if fetch(postgres.url, f"SHOW {name}") != "on":
                        raise BenchmarkFailed(f"PostgreSQL has {name} turned off: nothing is measured without it")
                yield Server(postgres.url)
        except EmbeddedServerError as error:
            raise BenchmarkFailed(str(error)) from error
