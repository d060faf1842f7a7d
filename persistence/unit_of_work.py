"""One transaction for each `with`: it is rolled back unless `commit()` was called."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, text

from persistence.errors import Unavailable
from persistence.repositories.dead_letters import DeadLetterRepository
from persistence.repositories.events import EventRepository
from persistence.repositories.inbox import InboxRepository
from persistence.repositories.instruments import InstrumentRepository
from persistence.repositories.leases import LeaseRepository
from persistence.repositories.outbox import OutboxRepository
from persistence.repositories.portfolios import PortfolioRepository
from persistence.repositories.registry import RegistryRepository
from persistence.repositories.sealed_tokens import SealedTokens
from persistence.repositories.sessions import SessionRepository
from persistence.token_cipher import TokenCipher
from persistence.translation import translate, translated


class UnitOfWork:
    """All or nothing. The repositories are its attributes, from `__enter__` on, and for one thread only.

    Errors of the driver leave as `persistence.errors` on enter, in the body, and in `commit`. A connection
    lost during COMMIT is `Unavailable`: the outcome is unknown, and the same work repeated finds it out
    through the inbox.
    """

    inbox: InboxRepository
    outbox: OutboxRepository
    events: EventRepository
    portfolios: PortfolioRepository
    sessions: SessionRepository
    tokens: SealedTokens
    dead_letters: DeadLetterRepository
    leases: LeaseRepository
    instruments: InstrumentRepository
    registry: RegistryRepository

    def __init__(self, engine: Engine, cipher: TokenCipher | None = None, *, autocommit: bool = False) -> None:
        self._engine = engine
        self._autocommit = autocommit
        self._cipher = cipher or TokenCipher(())
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        with translated():
            connection = self._engine.connect()
        self._connection = connection
        if self._autocommit:
            self._set_autocommit(True)
        self.inbox = InboxRepository(connection)
        self.outbox = OutboxRepository(connection, self._cipher)
        self.events = EventRepository(connection)
        self.portfolios = PortfolioRepository(connection)
        self.sessions = SessionRepository(connection, self._cipher)
        self.tokens = SealedTokens(connection, self._cipher)
        self.dead_letters = DeadLetterRepository(connection, self._cipher)
        self.leases = LeaseRepository(connection)
        self.instruments = InstrumentRepository(connection)
        self.registry = RegistryRepository(connection)
        return self

    @property
    def connection(self) -> Connection:
        """The connection of this transaction, for statements that no repository has."""
        if self._connection is None:
            raise RuntimeError("a unit of work is used inside its `with` only")
        return self._connection

    def ping(self) -> None:
        """Find out whether the server answers.

        Raises:
            PersistenceError: it does not.
        """
        with translated():
            self.connection.execute(text("SELECT 1"))

    def commit(self) -> None:
        """Make everything so far durable. May be called again for what follows.

        Raises:
            PersistenceError: by class; after `Unavailable` the outcome is unknown.
        """
        try:
            with translated():
                self.connection.commit()
        except Unavailable:
            self.connection.invalidate()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        ours = translate(error) if isinstance(error, Exception) else None
        self._give_back(isinstance(ours or error, Unavailable))
        if ours is not None:
            raise ours from error

    def _set_autocommit(self, value: bool) -> None:
        """Without a word to the server. SQLAlchemy's own option would, on a connection that is lost while it is given
        back, fail there, and its place in the pool were gone for good.
        """
        driver = self.connection.connection.driver_connection
        if driver is not None and not driver.closed:
            driver.autocommit = value

    def _give_back(self, broken: bool) -> None:
        if self._autocommit and not broken and not self.connection.invalidated:
            self._set_autocommit(False)
        connection, self._connection = self.connection, None
        with translated():
            if broken:
                connection.invalidate()
            connection.close()
