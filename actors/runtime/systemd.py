"""The service manager's notification protocol: one datagram per state, nothing when there is no manager.

Source: sd_notify(3), sd_watchdog_enabled(3). Names of abstract sockets begin with `@` in the environment and with NUL
on the wire.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping


class Notifier:
    """Sends state changes to the address in `NOTIFY_SOCKET`; errors are ignored, as the manager may be gone.

    `watchdog_s` is how long the manager waits for a sign of life before it ends the process, or None for ever.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self._address = address
        self.watchdog_s = watchdog_s

    @classmethod
    def from_environment(cls) -> Notifier:
        """Take what the manager passes out of the environment, so that children do not inherit it."""
        return cls(os.environ.pop("NOTIFY_SOCKET", None), take_watchdog(os.environ, os.getpid()))

    def send(self, *assignments: str) -> None:
        """Send assignments such as `READY=1`; from any thread."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one,
        ):
            one.sendto("\n".join(assignments).encode(), address)

    def reloading(self) -> None:
        """Say that the settings are read again; `READY=1` ends it."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, within_s: float) -> None:
        """Say that the process stops, and how long it may take, whatever the unit allows."""
        self.send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(within_s * 1e6)}", "STATUS=stopping")


def take_watchdog(environment: MutableMapping[str, str], pid: int) -> float | None:
    """Remove `WATCHDOG_USEC` and `WATCHDOG_PID`; returns seconds, or None if this process is not watched."""
    limit, watched = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", str(pid))
    if not (limit.isascii() and limit.isdigit()) or int(limit) == 0 or watched != str(pid):
        return None
    return int(limit) / 1e6
