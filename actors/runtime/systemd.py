"""The service manager's notification protocol: one datagram per state, nothing when there is no manager.

Source: sd_notify(3). Names of abstract sockets begin with `@` in the environment and with NUL on the wire.
"""

from __future__ import annotations

import contextlib
import os
import socket


class Notifier:
    """Sends state changes to the address in `NOTIFY_SOCKET`; errors are ignored, as the manager may be gone."""

    def __init__(self, address: str | None) -> None:
        self._address = address

    @classmethod
    def from_environment(cls) -> Notifier:
        """Take the address out of the environment, so that children do not inherit it."""
        return cls(os.environ.pop("NOTIFY_SOCKET", None))

    def send(self, *assignments: str) -> None:
        """Send assignments such as `READY=1`."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one,
        ):
            one.sendto("\n".join(assignments).encode(), address)
