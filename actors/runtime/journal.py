"""The journal's native protocol: one datagram an entry, with a field for each value.

Source: the native protocol of systemd's journal. A value of several lines is told with its length; an entry that is
too large for a datagram is sent as a sealed file in memory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "alpha-panda"
PREFIX = "ALPHA_PANDA_"
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}
SEND_S = 1.0
"""A journal that takes nothing for so long is passed over."""

_ODD = re.compile(r"[^A-Z0-9_]")
_TOO_LARGE = {errno.EMSGSIZE, errno.ENOBUFS}
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def render(_logger: Any, method: str, event: Mapping[str, Any]) -> tuple[tuple[bytes, str], dict[str, Any]]:
    """The last processor before `Journal`: the entry for its socket, and the same as lines for standard error.

    `event` is the message's beginning; every other value is a field of its own too, under the prefix.
    """
    fields = {key: value for key, value in event.items() if key not in {"event", "level", "timestamp", "exception"}}
    message = " ".join([str(event["event"]), *(f"{key}={value}" for key, value in fields.items())])
    if "exception" in event:
        message += f"\n{event['exception']}"
        fields["exception"] = event["exception"]
    priority = PRIORITIES.get(method, 6)
    entry = {
        "MESSAGE": message,
        "PRIORITY": priority,
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "ALPHA_PANDA_EVENT": event["event"],
    }
    entry |= {PREFIX + _ODD.sub("_", key.upper())[:48]: value for key, value in fields.items() if value is not None}
    lines = "\n".join(f"<{priority}>{line}" for line in message.splitlines())
    return (b"".join(_field(name, str(value)) for name, value in entry.items()), lines), {}


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    if b"\n" in data:
        return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(data)), data)
    return b"%s=%s\n" % (name.encode(), data)


class Journal:
    """A logger that sends entries to the journal, from any thread; what it does not take is written to `fallback`,
    with the priority prefixes of sd-daemon(3).
    """

    def __init__(self, fallback: TextIO, path: Path = SOCKET) -> None:
        self._fallback = fallback
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(SEND_S)

    def __call__(self, *_: Any) -> Journal:
        """Itself, as structlog's logger factory."""
        return self

    def msg(self, entry: bytes, lines: str) -> None:
        """Send one entry."""
        try:
            self._send(entry)
        except OSError:
            with contextlib.suppress(OSError, ValueError):
                self._fallback.write(f"{lines}\n")
                self._fallback.flush()

    debug = info = warning = error = exception = critical = msg

    def _send(self, entry: bytes) -> None:
        try:
            self._socket.sendto(entry, self._path)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            self._send_file(entry)

    def _send_file(self, entry: bytes) -> None:
        descriptor = os.memfd_create(IDENTIFIER, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with os.fdopen(descriptor, "wb") as file:
            file.write(entry)
            file.flush()
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", descriptor))
            self._socket.sendmsg([b""], [rights], 0, self._path)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
