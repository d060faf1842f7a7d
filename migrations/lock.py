"""One migration at a time for a database, whoever starts it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from persistence.errors import Unavailable

_KEY = 0x616C7061_6E6461
_POLL_S = 0.2
_log = logging.getLogger("alembic.lock")


@contextmanager
def migration_lock(engine: Engine, wait_s: float = 600) -> Iterator[None]:
    """Hold the lock on a connection of its own, so that commits between migrations do not drop it.

    It is polled for: a blocking waiter would hold a snapshot and deadlock with CREATE INDEX CONCURRENTLY.

    Raises:
        Unavailable: another migration held it for `wait_s` seconds.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _acquire(connection, time.monotonic() + wait_s)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _KEY})


def _acquire(connection: Connection, deadline_s: float) -> None:
    told = False
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _KEY}).scalar_one():
        if time.monotonic() > deadline_s:
            raise Unavailable("another migration of this database is still running: wait for it, then try again")
        if not told:
            _log.info("another migration of this database is running: waiting for it")
            told = True
        time.sleep(_POLL_S)
