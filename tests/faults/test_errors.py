"""An error is raised in the daemon at a named point: it costs a restart of a child at most, and everything holds."""

from __future__ import annotations

import pytest

from actors.gateway.connection import ACK_WAIT_S
from tests.faults.arming import Faults
from tests.faults.invariants import assert_all_hold
from tests.faults.points import POINTS as ALL
from tests.faults.trader import Trader
from tests.system.daemon import Daemon

PATIENCE_S = ACK_WAIT_S * 2 / 3
POINTS = tuple(point.name for point in ALL if point.name != "acknowledged")
"""All but the one that is reached only with a part of the daemon taken away."""


@pytest.mark.parametrize("point", POINTS)
def test_an_error_at_a_point_costs_a_restart_at_most(
    daemon: Daemon, faults: Faults, database_url: str, streams_url: str, trader: Trader, point: str
) -> None:
    trader.strike_with_an_error(faults, point, streams_url)

    trader.everything(streams_url, 20)

    assert_all_hold(database_url, streams_url, trader, PATIENCE_S)
    assert daemon.running.poll() is None
    assert sum(child["restarts"] for child in daemon.status()["children"]) <= 2
