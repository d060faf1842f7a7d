"""The daemon is killed at each named point; restarted, it has counted everything once, as if nothing had been."""

from __future__ import annotations

import signal

import pytest

from tests.faults.arming import Faults
from tests.faults.invariants import assert_all_hold
from tests.faults.points import POINTS, Point
from tests.faults.trader import Trader
from tests.system.daemon import Daemon


@pytest.mark.parametrize("point", [pytest.param(point, id=point.name) for point in POINTS])
def test_a_daemon_killed_at_a_point_has_counted_everything_once_after_its_restart(
    daemon: Daemon, faults: Faults, database_url: str, streams_url: str, trader: Trader, point: Point
) -> None:
    trader.everything(streams_url, 20)
    trader.ask(streams_url, 1)
    faults.arm(point.name, "kill")
    with trader.sending(streams_url, point.load, 40):
        assert daemon.ended() == -signal.SIGKILL
        assert faults.was_hit(point.name)

    faults.disarm()
    with daemon:
        trader.everything(streams_url, 20)
        assert_all_hold(database_url, streams_url, trader)
