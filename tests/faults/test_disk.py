"""PostgreSQL's disk is full: the daemon says so and waits, and goes on once there is room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.arming import Faults
from tests.faults.disk import Disk, FullTable, mounted
from tests.faults.invariants import assert_all_hold, assert_nobody_restarted
from tests.faults.servers import Servers
from tests.faults.trader import Trader
from tests.faults.watch import watched
from tests.system.daemon import Daemon, eventually


@pytest.fixture
def on_a_disk(tmp_path: Path) -> Iterator[tuple[Servers, Disk]]:
    """Servers whose PostgreSQL has a disk of its own, or where mounting is not permitted, a table that can be full."""
    disk = mounted(tmp_path / "disk")
    servers = Servers(tmp_path, None if disk is None else disk.place / "postgres")
    try:
        servers.start()
        with servers.fresh():
            yield servers, disk or FullTable(servers.postgres.directory / "data")
    finally:
        servers.stop()
        if disk is not None:
            disk.unmount()


def why_away(daemon: Daemon) -> str | None:
    said = daemon.status()["database"]
    return str(said["error"]) if said["state"] == "away" else None


def fill_and_free(daemon: Daemon, servers: Servers, disk: Disk, trader: Trader) -> None:
    trader.everything(servers.nats_url, 50)
    disk.fill(servers.database_url)
    trader.trade(servers.nats_url, 400)
    reason = eventually(lambda: why_away(daemon))
    disk.free(servers.database_url)
    servers.mend()

    assert "No space left" in reason or "recovery" in reason or "not reachable" in reason, reason
    trader.everything(servers.nats_url, 50)
    assert_all_hold(servers.database_url, servers.nats_url, trader)
    assert_nobody_restarted(daemon)


def test_a_full_disk_costs_nothing_but_time(
    on_a_disk: tuple[Servers, Disk], faults: Faults, tmp_path: Path, trader: Trader
) -> None:
    servers, disk = on_a_disk
    with watched(servers.database_url), faults.daemon(tmp_path / "state", **servers.environment()) as daemon:
        fill_and_free(daemon, servers, disk, trader)


def test_a_table_that_cannot_grow_costs_nothing_but_time(reaching: Daemon, servers: Servers, trader: Trader) -> None:
    fill_and_free(reaching, servers, FullTable(servers.postgres.directory / "data"), trader)
