"""The connections of one process: a pool for readers and a connection of its own for the writer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, text

from persistence.migration import verify
from persistence.patience import Patience
from persistence.retry import READING, Budget, retried
from persistence.sequences import Given, most_given
from persistence.token_cipher import TokenCipher
from persistence.translation import translated
from persistence.unit_of_work import UnitOfWork
from persistence.urls import normalise_url, safe_url
from settings import DatabaseSettings

__all__ = ["Database", "normalise_url", "open_database", "safe_url", "translated"]

T = TypeVar("T")

PATIENCE_S = 5.0
"""How much longer than its statement timeout the server is waited for."""
_KNOWS_TRANSACTION_TIMEOUT = 170_000
UNLIMITED_TRANSACTION = text("SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'")
"""For work that takes long: no limit on this transaction as a whole, where the server knows one."""


def open_database(url: str, settings: DatabaseSettings, role: str, cipher: TokenCipher | None = None) -> Database:
    """Prepare the connections; none is made before the first use.

    `role` shows in `pg_stat_activity` as `alpha-panda/<role>`. `cipher` seals session tokens; without it they
    are stored as given.

    Raises:
        Misconfigured: the URL cannot be used.
    """
    target, patience = normalise_url(url), Patience()
    common: dict[str, Any] = {
        "connect_args": {**connect_args(target, settings, role), "connection_factory": patience.connect},
        "json_serializer": lambda value: orjson.dumps(value, default=str).decode(),
        "json_deserializer": orjson.loads,
        "hide_parameters": True,
    }

    def limited(engine: Engine) -> Engine:
        if "transaction_timeout" not in _given_options(target):
            event.listen(engine, "connect", _limit_transactions(settings.transaction_timeout_ms))
        return engine

    def pool(limits: DatabaseSettings) -> Engine:
        readers = create_engine(
            target,
            pool_size=limits.pool_size,
            max_overflow=limits.max_overflow,
            pool_recycle=limits.pool_recycle_s,
            pool_timeout=limits.pool_timeout_s,
            pool_pre_ping=True,
            pool_use_lifo=True,
            **common,
        )
        return limited(readers)

    with translated():
        writer = create_engine(target, pool_size=1, max_overflow=0, pool_timeout=settings.pool_timeout_s, **common)
        return Database(pool, limited(writer), settings, patience, cipher)


class Database:
    """Hands out connections and units of work; safe to use from any thread.

    A lost connection fails the work that was on it with `Unavailable`; the next use gets a fresh one.
    """

    def __init__(
        self,
        pool: Callable[[DatabaseSettings], Engine],
        writer: Engine,
        settings: DatabaseSettings,
        patience: Patience,
        cipher: TokenCipher | None = None,
    ) -> None:
        self._pool = pool
        self._reader = pool(settings)
        self._writer = writer
        self._cipher = cipher or TokenCipher(())
        self._longest_s = settings.statement_timeout_ms / 1000 + PATIENCE_S
        self.patience = patience
        self.embedded = settings.embedded
        """Whether it is the private server of this program."""

    @property
    def engine(self) -> Engine:
        """The readers' engine."""
        return self._reader

    @property
    def safe_url(self) -> str:
        """Where it is, without the password."""
        return safe_url(self._reader.url)

    @contextmanager
    def reader(self) -> Iterator[Connection]:
        """A pooled connection for reading; whatever was done on it is rolled back."""
        with translated(), self._reader.connect() as connection:
            yield connection

    def read_unit(self) -> UnitOfWork:
        """A unit of work on a pooled connection."""
        return UnitOfWork(self._reader, self._cipher)

    def read(self, query: Callable[[UnitOfWork], T], budget: Budget = READING) -> T:
        """What `query` makes of a unit of work on a pooled connection; repeated on a fresh one within the budget.

        Raises:
            PersistenceError: by class, once the budget is spent.
        """

        def attempt() -> T:
            with self.read_unit() as unit:
                return query(unit)

        return retried(attempt, budget)

    def writer_unit(self) -> UnitOfWork:
        """A unit of work on the writer's one connection: one at a time, a second waits and then is
        `Unavailable`.
        """
        return UnitOfWork(self._writer, self._cipher)

    def writer_statement(self) -> UnitOfWork:
        """As `writer_unit`, but each statement is a transaction of its own: it is committed when it returns."""
        return UnitOfWork(self._writer, self._cipher, autocommit=True)

    def cut_overdue(self) -> int:
        """End every wait for a server that should have answered by now, as it is frozen or gone; returns how many.

        To be called from time to time; whoever waited gets `Unavailable`.
        """
        return self.patience.cut(self._longest_s)

    def check_schema(self) -> None:
        """Make sure that the schema is at this version's head.

        Raises:
            NotMigrated: it is not; the message names both revisions and the command to run.
            PersistenceError: it could not be asked.
        """
        verify(self._reader)

    @property
    def seals(self) -> bool:
        """Whether tokens are sealed."""
        return self._cipher.seals

    def use_keys(self, keys: Sequence[str]) -> None:
        """Seal tokens with the first of these keys from now on; what earlier keys sealed is still read.

        Raises:
            TokenKeyError: a key is malformed, or there is none; then the keys stay as they were.
        """
        self._cipher.use(keys)

    def ping(self) -> float:
        """Seconds that one round trip takes.

        Raises:
            PersistenceError: there was no answer.
        """
        with self.reader() as connection:
            started = time.monotonic()
            connection.execute(text("SELECT 1"))
            return time.monotonic() - started

    def clock_ahead_s(self) -> float:
        """By how many seconds the server's clock is ahead of ours, give or take half a round trip; negative: behind.

        Raises:
            PersistenceError: there was no answer.
        """
        with self.reader() as connection:
            before = time.time()
            theirs = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
            return float(theirs) - (before + time.time()) / 2

    def ids_given(self) -> Given:
        """The largest part of its ids that any table has given.

        Raises:
            PersistenceError: there was no answer.
        """
        with self.reader() as connection:
            return most_given(connection)

    def resize(self, limits: DatabaseSettings) -> None:
        """Have the readers use a pool with these sizes and times from now on; connections in use close when they are
        given back. From any thread.
        """
        old, self._reader = self._reader, self._pool(limits)
        old.dispose()

    def close(self) -> None:
        """Close all idle connections; one in use closes when it is given back. A later use would connect
        anew.
        """
        self._reader.dispose()
        self._writer.dispose()


def connect_args(url: URL, settings: DatabaseSettings, role: str) -> dict[str, Any]:
    """What libpq is told: time limits, keepalives and our name. What the URL itself says wins."""
    ours: dict[str, Any] = {
        "keepalives": 1,
        "keepalives_idle": settings.keepalive_idle_s,
        "keepalives_interval": settings.keepalive_interval_s,
        "keepalives_count": settings.keepalive_count,
        "tcp_user_timeout": settings.tcp_user_timeout_ms,
        "client_encoding": "utf8",
        "connect_timeout": settings.connect_timeout_s,
        "application_name": f"alpha-panda/{role}",
    }
    if len(_hosts(url)) > 1:
        ours["target_session_attrs"] = "read-write"
    kept = {name: value for name, value in ours.items() if name not in url.query}
    return {**kept, "options": f"{_server_options(settings)} {_given_options(url)}".strip()}


def _given_options(url: URL) -> str:
    given = url.query.get("options", ())
    return given if isinstance(given, str) else " ".join(given)


def _hosts(url: URL) -> list[str]:
    given = url.query.get("host", ())
    return [host for one in ((given,) if isinstance(given, str) else given) for host in one.split(",")]


def _limit_transactions(timeout_ms: int) -> Callable[[Any, object], None]:
    """Of each new connection; a server before PostgreSQL 17 would refuse it among the options."""

    def limit(connection: Any, _record: object) -> None:
        if connection.server_version >= _KNOWS_TRANSACTION_TIMEOUT:
            with connection.cursor() as cursor:
                cursor.execute("SET transaction_timeout = %s", (timeout_ms,))
            connection.commit()

    return limit


def _server_options(settings: DatabaseSettings) -> str:
    wanted = {
        "statement_timeout": settings.statement_timeout_ms,
        "lock_timeout": settings.lock_timeout_ms,
        "idle_in_transaction_session_timeout": settings.idle_in_transaction_timeout_ms,
        "tcp_keepalives_idle": settings.keepalive_idle_s,
        "tcp_keepalives_interval": settings.keepalive_interval_s,
        "tcp_keepalives_count": settings.keepalive_count,
        "timezone": "UTC",
    }
    return " ".join(f"-c {name}={value}" for name, value in wanted.items())
