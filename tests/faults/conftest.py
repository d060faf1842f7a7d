"""The daemon with its points, on the session's servers, with a database and streams of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.arming import Faults
from tests.faults.servers import Servers
from tests.faults.trader import Trader
from tests.faults.watch import watched
from tests.system import streams
from tests.system.daemon import Daemon


@pytest.fixture
def streams_url(nats_url: str) -> str:
    """A NATS server without streams."""
    streams.empty(nats_url)
    return nats_url


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path / "faults")


@pytest.fixture
def daemon(faults: Faults, tmp_path: Path, database_url: str, streams_url: str) -> Iterator[Daemon]:
    """A daemon that can be struck, ready; no session may go back in time while it runs."""
    one = faults.daemon(tmp_path / "state", DATABASE__POSTGRES_URL=database_url, NATS__URL=streams_url)
    with watched(database_url), one:
        yield one


@pytest.fixture
def trader() -> Trader:
    return Trader()


@pytest.fixture(scope="module")
def module_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    one = Servers(tmp_path_factory.mktemp("own"))
    one.start()
    yield one
    one.stop()


@pytest.fixture
def servers(module_servers: Servers) -> Iterator[Servers]:
    """Servers that the test may do anything to, with a database and streams of its own."""
    with module_servers.fresh():
        yield module_servers


@pytest.fixture
def reaching(faults: Faults, tmp_path: Path, servers: Servers) -> Iterator[Daemon]:
    """A daemon on these servers, by way of the proxies, ready."""
    with watched(servers.database_url), faults.daemon(tmp_path / "state", **servers.environment()) as one:
        yield one
