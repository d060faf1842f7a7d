"""One daemon, its servers, the proxies between them and the load: all that a storm strikes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Self

from tests.conftest import execute
from tests.faults.arming import Faults
from tests.faults.disk import Disk, FullTable, mounted
from tests.faults.evidence import gather
from tests.faults.invariants import Check, settle, violations
from tests.faults.load import Load
from tests.faults.servers import Servers
from tests.faults.trader import Trader
from tests.faults.watch import SessionWatch
from tests.system import streams
from tests.system.daemon import eventually

SETTLE_S = 90.0
RECOVERY_S = 60.0


class World:
    """Use as a context manager, in the main thread.

    Args:
        directory: of its own; the log of the daemon is in it.
        seed: of the load.
        rate: of the load, messages a second.
    """

    def __init__(self, directory: Path, seed: int, rate: float) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.mount = mounted(directory / "disk")
        self.servers = Servers(directory, None if self.mount is None else self.mount.place / "postgres")
        self.disk: Disk = self.mount or FullTable(self.servers.postgres.directory / "data")
        self.faults = Faults(directory / "faults")
        self.trader = Trader(seed)
        self._seed = seed
        self._rate = rate

    def __enter__(self) -> Self:
        self.servers.start()
        self._fresh = self.servers.fresh()
        self._fresh.__enter__()
        self.daemon = self.faults.daemon(self.directory / "state", **self.servers.environment())
        self.watch = SessionWatch(self.database_url)
        self.load = Load(self.nats_url, self.trader, self._rate, self._seed)
        self.daemon.start()
        self.daemon.wait_until("ready")
        self.watch.start()
        self.load.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.load.stop()
        self.watch.stop()
        if self.daemon.running.poll() is None:
            self.daemon.kill()
        self._fresh.__exit__(None, None, None)
        self.servers.stop()
        if self.mount is not None:
            self.mount.unmount()

    @property
    def database_url(self) -> str:
        return self.servers.database_url

    @property
    def nats_url(self) -> str:
        return self.servers.nats_url

    def wait(self, seconds: float) -> None:
        """Let the load flow for so long."""
        threading.Event().wait(seconds)

    def restart_daemon(self) -> None:
        """Start it again after it was killed, without waiting."""
        self.daemon.running.wait(20)
        self.faults.disarm()
        self.daemon.start()

    def recover(self, timeout_s: float = RECOVERY_S) -> None:
        """Wait until the daemon is ready and a signal sent now has been counted."""
        self.daemon.wait_until("ready", timeout_s)
        probe = eventually(self._probe, 10)
        counted = f"SELECT 1 FROM trading_events WHERE correlation_id = '{probe}'"
        eventually(lambda: execute(self.database_url, counted), timeout_s, every_s=0.05)

    def _probe(self) -> str:
        signal = self.trader.signal()
        streams.publish(self.nats_url, "paper.signals.validated", [signal])
        self.trader.note("paper.signals.validated", signal)
        return str(signal["id"])

    def restarts(self) -> int:
        """Of all children, since the daemon began."""
        return sum(child["restarts"] for child in self.daemon.status()["children"])

    def counted(self) -> int:
        """Signals that are in the books."""
        query = "SELECT count(*) FROM trading_events WHERE event_type IN ('order_filled', 'order_failed')"
        ((number,),) = execute(self.database_url, query)
        return int(str(number))

    def check(self, but: tuple[Check, ...] = ()) -> list[str]:
        """Stop the load, wait for all of it to settle, and return what does not hold."""
        self.load.pause()
        try:
            settle(self.database_url, self.nats_url, SETTLE_S)
            wrong = violations(gather(self.database_url, self.nats_url), self.trader, but)
            wrong += self.watch.violations
        except AssertionError as error:
            wrong = [str(error)]
        self.load.go_on()
        return wrong
