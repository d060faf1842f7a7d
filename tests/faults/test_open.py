"""Errors at points after which something does not hold."""

from __future__ import annotations

import pytest

from tests.faults.arming import Faults
from tests.faults.invariants import assert_all_hold
from tests.faults.trader import Trader
from tests.system.daemon import Daemon

PATIENCE_S = 20.0


@pytest.mark.parametrize("point", ["arriving", "deciding", "publishing", "marking", "committed", "giving-up"])
def test_an_error_at_a_point_leaves_everything_counted_once_in_order_and_published(
    daemon: Daemon, faults: Faults, database_url: str, streams_url: str, trader: Trader, point: str
) -> None:
    trader.strike_with_an_error(faults, point, streams_url)

    trader.everything(streams_url, 20)

    assert_all_hold(database_url, streams_url, trader, PATIENCE_S)
