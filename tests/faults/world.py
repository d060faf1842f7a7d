"""One daemon, its servers, the proxies between them and the load: all that a storm strikes."""

from __future__ import annotations

import threading
from contextlib import ExitStack
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
        self.trader = Trader(seed)
        self._seed = seed
        self._rate = rate

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._begin(stack)
            self._stack = stack.pop_all()
        return self

    def _begin(self, stack: ExitStack) -> None:
        self.directory.mkdir(exist_ok=True)
        mount = mounted(self.directory / "disk")
        if mount is not None:
            stack.callback(mount.unmount)
        self.servers = Servers(self.directory, None if mount is None else mount.place / "postgres")
        stack.callback(self.servers.stop)
        self.servers.start()
        stack.enter_context(self.servers.fresh())
        self.disk: Disk = mount or FullTable(self.servers.postgres.directory / "data")
        self.faults = Faults(self.directory / "faults")
        self.daemon = self.faults.daemon(self.directory / "state", **self.servers.environment())
        stack.enter_context(self.daemon)
        self.watch = SessionWatch(self.database_url)
        self.load = Load(self.nats_url, self.trader, self._rate, self._seed)
        for one in (self.watch, self.load):
            one.start()
            stack.callback(one.stop)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

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
        self.daemon.ended()
        self.faults.disarm()
        self.daemon.start()

    def recover(self, timeout_s: float = RECOVERY_S) -> None:
        """Wait until the daemon is ready and a signal sent now has been counted."""
        self.daemon.wait_until("ready", timeout_s)
        probe = eventually(self._probe)
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
