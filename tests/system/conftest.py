"""The service on the session's servers, with a database and streams of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import streams
from tests.system.daemon import Daemon


@pytest.fixture
def streams_url(nats_url: str) -> str:
    """A NATS server without streams."""
    streams.empty(nats_url)
    return nats_url


@pytest.fixture
def idle_daemon(tmp_path: Path, database_url: str, streams_url: str) -> Iterator[Daemon]:
    """A daemon that a test starts itself; it is killed if the test leaves it running."""
    daemon = Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=database_url, NATS__URL=streams_url)
    yield daemon
    if daemon.process is not None and daemon.process.poll() is None:
        daemon.kill()


@pytest.fixture
def daemon(idle_daemon: Daemon) -> Iterator[Daemon]:
    """A daemon that is ready."""
    with idle_daemon:
        yield idle_daemon
