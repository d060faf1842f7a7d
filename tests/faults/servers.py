"""Servers of a test's own, which it may kill, freeze and cut off, and the daemon that reaches them through proxies."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from actors.gateway.embedded import EmbeddedNats
from persistence.embedded import EmbeddedPostgres
from persistence.migration import upgrade
from tests.conftest import execute, with_database
from tests.system import streams
from tests.system.daemon import eventually
from tests.system.proxy import Proxy, nats_proxy, postgres_proxy

TEMPLATE = "migrated"


class Servers:
    """One PostgreSQL and one NATS, and a proxy to each.

    Args:
        directory: where they keep their data.
        postgres_directory: where PostgreSQL does, if elsewhere.
    """

    def __init__(self, directory: Path, postgres_directory: Path | None = None) -> None:
        self.postgres = EmbeddedPostgres(postgres_directory or directory / "postgres")
        self.nats = EmbeddedNats(directory / "nats")
        self.database_url = ""
        self._databases = itertools.count(1)

    def start(self) -> None:
        """Start both; called in the main thread."""
        self.postgres.start()
        self.nats.start()
        execute(self.postgres.url, f"CREATE DATABASE {TEMPLATE}")
        upgrade(with_database(self.postgres.url, TEMPLATE))

    def stop(self) -> None:
        for server in (self.nats, self.postgres):
            if server.pid is not None:
                resume(server.pid)
            server.stop()

    @property
    def nats_url(self) -> str:
        return self.nats.url

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """A database and proxies of its own, no streams; in the end both servers run again."""
        name = f"test_{next(self._databases)}"
        execute(self.postgres.url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        self.database_url = with_database(self.postgres.url, name)
        streams.empty(self.nats.url)
        self.postgres_proxy, self.nats_proxy = postgres_proxy(self.database_url), nats_proxy(self.nats.url)
        try:
            yield
        finally:
            self.postgres_proxy.close()
            self.nats_proxy.close()
            self.mend()

    def environment(self) -> dict[str, str]:
        """What tells the daemon where they are."""
        return {"DATABASE__POSTGRES_URL": self.postgres_proxy.url, "NATS__URL": self.nats_proxy.url}

    def server(self, name: str) -> EmbeddedPostgres | EmbeddedNats:
        return self.postgres if name == "postgres" else self.nats

    def proxy(self, name: str) -> Proxy:
        return self.postgres_proxy if name == "postgres" else self.nats_proxy

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        server = self.server(name)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: server.poll() is not None)

    def mend(self) -> None:
        """Whatever does not run is started, whatever stands still goes on; called in the main thread."""
        for server in (self.postgres, self.nats):
            if server.pid is not None and server.poll() is None:
                resume(server.pid)
            else:
                server.restart()


def family(pid: int) -> list[psutil.Process]:
    """The process and all its descendants."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def suspend(pid: int) -> None:
    """SIGSTOP to the process and all its descendants."""
    for process in family(pid):
        with suppress(psutil.NoSuchProcess):
            process.suspend()


def resume(pid: int) -> None:
    """SIGCONT to the process and all its descendants."""
    for process in family(pid):
        with suppress(psutil.NoSuchProcess):
            process.resume()


@contextmanager
def standing_still(pid: int, for_s: float) -> Iterator[None]:
    """The process and its descendants do nothing for so long, and at least as long as the body takes."""
    suspend(pid)
    over = threading.Event()
    try:
        yield
        over.wait(for_s)
    finally:
        resume(pid)
