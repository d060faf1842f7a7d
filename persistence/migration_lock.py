"""One migration at a time for a database, whoever starts it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from persistence.errors import Misconfigured, Unavailable

KEY = 0x616C7061_6E6461
WAIT_S = 600.0
_POLL_S = 0.2
_log = logging.getLogger("alembic.lock")


@contextmanager
def migration_lock(engine: Engine, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock on a connection of its own, so that commits between migrations do not drop it.

    Raises:
        Misconfigured: a pooler gives sessions away between transactions, and the lock with them.
        Unavailable: another migration held it for `wait_s` seconds.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _require_own_session(engine, connection)

        def taken() -> bool:
            return bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": KEY}).scalar_one())

        await_lock(taken, wait_s)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": KEY})


def _require_own_session(engine: Engine, connection: Connection) -> None:
    """Of an idle connection: whether another one is given its session."""
    before = _session(connection)
    with engine.connect() as other:
        _session(other)
        after = _session(connection)
    if after != before:
        raise Misconfigured(
            "the pooler before the database shares its sessions between transactions, and migrations lock by session: "
            'see "Behind PgBouncer" in docs/database.md'
        )


def _session(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def await_lock(taken: Callable[[], bool], wait_s: float = WAIT_S) -> None:
    """Call `taken`, which tries to take the lock, until it says so.

    It is polled for: a blocking waiter would hold a snapshot and deadlock with CREATE INDEX CONCURRENTLY.

    Raises:
        Unavailable: another migration held it for `wait_s` seconds.
    """
    deadline_s = time.monotonic() + wait_s
    told = False
    while not taken():
        if time.monotonic() > deadline_s:
            raise Unavailable("another migration of this database is still running: wait for it, then try again")
        if not told:
            _log.info("another migration of this database is running: waiting for it")
            told = True
        time.sleep(_POLL_S)
