"""Connections that can be cut from another thread when the server no longer answers.

libpq waits for ever for a server that is frozen, or whose host has vanished behind a proxy that still holds the
connection: no packet is missing, so no keepalive notices, and `statement_timeout` is the server's own. Each connection
notes since when it waits; whoever calls `cut` from time to time ends a wait that is too long, and the waiting thread
gets an `OperationalError`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import connection, cursor


class Patience:
    """The connections of one process; `connect` is for psycopg2's `connection_factory`."""

    def __init__(self) -> None:
        self._connections: weakref.WeakSet[PatientConnection] = weakref.WeakSet()

    def connect(self, dsn: str, **options: Any) -> PatientConnection:
        """A new connection.

        Raises:
            psycopg2.OperationalError: not connected.
        """
        made = PatientConnection(dsn, **options)
        self._connections.add(made)
        return made

    def cut(self, longest_s: float) -> int:
        """Cut every connection that has waited for its server longer than that; returns how many. From any thread."""
        now = time.monotonic()
        overdue = [one for one in tuple(self._connections) if one.waiting_since < now - longest_s]
        for one in overdue:
            one.cut()
        return len(overdue)


class PatientConnection(connection):
    """Knows since when it waits, by the monotonic clock: infinity while it does not."""

    waiting_since = float("inf")

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The time of one exchange with the server."""
        self.waiting_since = time.monotonic()
        try:
            yield
        finally:
            self.waiting_since = float("inf")

    def cursor(self, *args: Any, **options: Any) -> Any:
        options.setdefault("cursor_factory", PatientCursor)
        return super().cursor(*args, **options)

    def commit(self) -> None:
        with self.waiting():
            super().commit()

    def rollback(self) -> None:
        with self.waiting():
            super().rollback()

    def cut(self) -> None:
        """End the wait of the thread that uses it; harmless when it is closed already."""
        with contextlib.suppress(psycopg2.InterfaceError, OSError):
            twin = socket.socket(fileno=os.dup(self.fileno()))
            with contextlib.closing(twin):
                twin.shutdown(socket.SHUT_RDWR)


class PatientCursor(cursor):
    """A cursor of such a connection."""

    connection: PatientConnection

    def execute(self, *args: Any, **options: Any) -> None:
        with self.connection.waiting():
            super().execute(*args, **options)

    def executemany(self, *args: Any, **options: Any) -> None:
        with self.connection.waiting():
            super().executemany(*args, **options)

    def copy_expert(self, *args: Any, **options: Any) -> None:
        with self.connection.waiting():
            super().copy_expert(*args, **options)
