"""The PostgreSQL and the NATS server that every side of a part is measured on, with durability on."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import nats
import psutil
import psycopg2
import psycopg2.extensions
import uvloop
from nats.aio.client import Client

import settings
from actors.gateway.embedded import EmbeddedNats
from benchmarks.measurement import BenchmarkFailed
from benchmarks.path.options import PathOptions
from persistence.embedded import EmbeddedPostgres
from persistence.migration import upgrade
from persistence.server_process import EmbeddedServerError
from persistence.urls import normalise_url

T = TypeVar("T")

DURABILITY = ("fsync", "synchronous_commit", "full_page_writes")
ON_DISK = Path("/var/tmp")
"""Where the servers keep their data: unlike /tmp it is hardly ever in memory, where syncing costs nothing."""


@dataclass(slots=True)
class Servers:
    """Both servers, and what a benchmark does to them; `directory` is for the files of the daemon."""

    postgres_url: str
    nats_url: str
    directory: Path
    processes: dict[str, int] = field(default_factory=dict)
    """Process ids by name, of the servers that the benchmark started."""
    postgres: EmbeddedPostgres | None = None
    nats: EmbeddedNats | None = None
    """Those servers themselves, for who kills them; None when they are others'."""
    _databases: list[str] = field(default_factory=list)

    def new_database(self) -> str:
        """The URL of a new migrated database."""
        name = f"panda_bench_{uuid.uuid4().hex[:12]}"
        execute(self.postgres_url, f"CREATE DATABASE {name}")
        self._databases.append(name)
        url = normalise_url(self.postgres_url).set(database=name).render_as_string(hide_password=False)
        upgrade(url)
        return url

    def with_nats(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Run the coroutine with a connection of its own."""

        async def run() -> T:
            client = await nats.connect(self.nats_url, allow_reconnect=False)
            try:
                return await work(client)
            finally:
                await client.close()

        return uvloop.run(run())

    def processor_s(self) -> dict[str, float]:
        """Processor time used so far, by server."""
        return {name: processor_s(pid) for name, pid in self.processes.items()}

    def clear(self) -> None:
        """Drop what was made on servers that others go on using."""
        for name in self._databases:
            execute(self.postgres_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.with_nats(_delete_streams)


@contextmanager
def servers(options: PathOptions) -> Iterator[Servers]:
    """Two servers for one part: the benchmark's own, started for it, or those that the settings name.

    Raises:
        BenchmarkFailed: they cannot be started or used, or do not make durable what they confirm.
    """
    with ExitStack() as stack:
        stack.enter_context(ending_cleanly())
        disk = ON_DISK if ON_DISK.is_dir() else None
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="panda-bench-", dir=disk)))
        used = _given(directory) if options.given_servers else _started(directory, stack)
        for name in DURABILITY:
            if fetch(used.postgres_url, f"SHOW {name}") != "on":
                raise BenchmarkFailed(f"PostgreSQL has {name} turned off: nothing is measured without durability")
        yield used
        if options.given_servers:
            used.clear()


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """SIGTERM ends the benchmark as Ctrl-C does, so that its directory does not stay behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _started(directory: Path, stack: ExitStack) -> Servers:
    try:
        postgres = stack.enter_context(EmbeddedPostgres(directory / "postgres"))
        broker = stack.enter_context(EmbeddedNats(directory / "nats"))
    except EmbeddedServerError as error:
        raise BenchmarkFailed(str(error)) from error
    started = {"PostgreSQL": postgres.pid, "NATS": broker.pid}
    pids = {name: pid for name, pid in started.items() if pid is not None}
    return Servers(postgres.url, broker.url, directory, pids, postgres, broker)


def _given(directory: Path) -> Servers:
    try:
        known = settings.load()
    except settings.SettingsError as error:
        raise BenchmarkFailed(str(error)) from error
    if known.database.embedded or known.nats.embedded:
        raise BenchmarkFailed("--given-servers needs both DATABASE__POSTGRES_URL and NATS__URL")
    given = Servers(known.database.postgres_url.get_secret_value(), known.nats.servers[0], directory)
    if given.with_nats(_stream_names):
        raise BenchmarkFailed("the NATS server has streams: give one that nothing else uses")
    return given


async def _stream_names(client: Client) -> list[str]:
    return [str(info.config.name) for info in await client.jetstream().streams_info()]


async def _delete_streams(client: Client) -> None:
    await asyncio.gather(*(client.jetstream().delete_stream(name) for name in await _stream_names(client)))


def connect(url: str) -> psycopg2.extensions.connection:
    """A psycopg2 connection of its own, where every statement commits by itself."""
    target = normalise_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(target)
    connection.autocommit = True
    return connection


def execute(url: str, statement: str, parameters: tuple[Any, ...] = ()) -> None:
    connection = connect(url)
    try:
        connection.cursor().execute(statement, parameters)
    finally:
        connection.close()


def fetch(url: str, query: str) -> Any:
    """The one value that the query has."""
    connection = connect(url)
    try:
        cursor = connection.cursor()
        cursor.execute(query)
        row = cursor.fetchone()
    finally:
        connection.close()
    return None if row is None else row[0]


def processor_s(pid: int) -> float:
    """Processor time that a process, its children, and those of them that have ended used so far."""
    process = psutil.Process(pid)
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + (times.children_user + times.children_system if one is process else 0)
    return total
