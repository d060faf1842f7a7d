"""Messages that come again, under another id of the server's, out of order, long after: each counts once."""

from __future__ import annotations

import random

from tests.faults.invariants import assert_all_hold
from tests.faults.trader import SIGNALS, Trader
from tests.system import streams
from tests.system.daemon import Daemon


def test_messages_that_come_again_in_any_order_count_once(
    daemon: Daemon, database_url: str, streams_url: str, trader: Trader
) -> None:
    for _ in range(4):
        trader.everything(streams_url, 30)
        trader.repeat(streams_url, 20)

    assert_all_hold(database_url, streams_url, trader)


def test_old_messages_that_come_again_after_a_restart_count_once(
    daemon: Daemon, database_url: str, streams_url: str, trader: Trader
) -> None:
    trader.everything(streams_url, 60)
    daemon.kill()
    trader.repeat(streams_url, 20)
    trader.everything(streams_url, 20)

    with daemon:
        trader.repeat(streams_url, 20)
        assert_all_hold(database_url, streams_url, trader)


def test_signals_of_several_strategies_and_their_copies_in_disorder_are_each_counted_once(
    daemon: Daemon, database_url: str, streams_url: str, trader: Trader
) -> None:
    signals = [trader.signal() for _ in range(60)]
    shuffled = [(None, one) for one in signals] + [(f"copy of {one['id']}", one) for one in signals]
    random.Random(7).shuffle(shuffled)

    streams.publish_under(streams_url, SIGNALS, shuffled)

    assert_all_hold(database_url, streams_url, trader)
