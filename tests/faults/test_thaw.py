"""Two daemons: the one that acts stands still until the other has taken over, and then goes on."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.conftest import execute
from tests.faults.arming import Faults
from tests.faults.invariants import assert_all_hold
from tests.faults.trader import Trader
from tests.system.daemon import Daemon, eventually


def state_of(daemon: Daemon) -> str:
    return str(daemon.status()["brokers"]["paper"]["state"])


def test_a_daemon_that_goes_on_after_another_took_over_changes_nothing_and_no_order(
    daemon: Daemon, tmp_path: Path, database_url: str, streams_url: str, trader: Trader
) -> None:
    trader.trade(streams_url, 50)
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    other = Faults(tmp_path / "other-faults").daemon(tmp_path / "other", **servers)
    other.start()
    try:
        eventually(lambda: state_of(other) == "standby")
        daemon.running.send_signal(signal.SIGSTOP)
        trader.trade(streams_url, 100)
        execute(database_url, "UPDATE broker_leases SET expires_at = to_timestamp(0)")
        eventually(lambda: state_of(other) == "trading")
        trader.trade(streams_url, 100)

        daemon.running.send_signal(signal.SIGCONT)
        trader.trade(streams_url, 100)

        assert_all_hold(database_url, streams_url, trader)
        eventually(lambda: state_of(daemon) == "standby")
    finally:
        other.kill()
