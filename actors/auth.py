"""AuthActor: every change of a session passes through its mailbox, one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from actors.errors import DomainError, SessionNotFound, StartRefused, TryAgain
from actors.messages import (
    CommitUnit,
    GetSession,
    GetSessions,
    InvalidateSession,
    SaveSession,
    SessionsStored,
    StoredSession,
)
from actors.rows import SessionInvalidationRow
from actors.runtime.actor import DEFERRED, ServiceActor
from actors.runtime.cell import Context
from actors.sessions import as_stored, row_of, shown, state_of
from persistence.database import Database
from persistence.errors import Conflict, Misconfigured, NotMigrated, Poison, TokenKeyError, Unavailable

CONSUMER = "auth"


@dataclass(frozen=True, slots=True)
class AuthSnapshot:
    """The newest unexpired session of each broker."""

    sessions: Mapping[str, StoredSession]

    def as_status(self, _now: float, /) -> dict[str, Any]:
        moment = datetime.now(UTC)
        return {
            "sessions": {
                broker: {
                    "user_id": session.user_id,
                    "expires_at": shown(session, moment)["expires_at"],
                    "state": state_of(session, moment),
                }
                for broker, session in self.sessions.items()
            }
        }


class AuthActor(ServiceActor):
    """Sessions.

    Owns: the newest unexpired session of each broker, loaded before the health checks run.
    Receives: `SaveSession`, `InvalidateSession`, `GetSession`, `GetSessions`, `SessionsStored`.
    Sends: `CommitUnit` to the database, which answers the asker after its commit.
    On failure: restarted; the sessions are read again.
    """

    def __init__(self, context: Context, database: Database) -> None:
        super().__init__(context)
        self._database = database
        self._sessions: dict[str, StoredSession] = {}
        self.handles(
            {
                SaveSession: self._save,
                InvalidateSession: self._invalidate,
                GetSession: self._get,
                GetSessions: self._get_all,
                SessionsStored: self._stored,
            }
        )

    def on_start(self) -> None:
        try:
            with self._database.read_unit() as work:
                records = work.sessions.load_active(self.context.clock.now())
        except (Unavailable, Conflict) as error:
            raise StartRefused(str(error), exit_code=69, retryable=True) from error
        except (NotMigrated, Misconfigured, TokenKeyError) as error:
            raise StartRefused(str(error), exit_code=78) from error
        now = self.context.clock.now()
        for record in reversed(records):
            self._remember(as_stored(record), now)
        self._publish()
        self.log.info("sessions loaded", sessions=len(records))

    def _save(self, message: SaveSession) -> Any:
        consumer = message.delivery.consumer if message.delivery else CONSUMER
        unit = CommitUnit(consumer, message.message_id, message.delivery, session=row_of(message), reply=self.reply)
        return self._commit(unit)

    def _invalidate(self, message: InvalidateSession) -> Any:
        consumer = message.delivery.consumer if message.delivery else CONSUMER
        row = SessionInvalidationRow(message.user_id, message.reason, message.invalidated_at)
        unit = CommitUnit(consumer, message.message_id, message.delivery, invalidation=row, reply=self.reply)
        return self._commit(unit)

    def _commit(self, unit: CommitUnit) -> Any:
        database = self.context.directory["database"]
        if unit.delivery is None and database.crowded:
            raise TryAgain("the database has too much to do; try again")
        if not database.tell(unit) and unit.delivery is None:
            raise TryAgain("the database's mailbox is full; try again")
        return DEFERRED  # a refused delivery is a dead letter by now, so its stream gets it back

    def _get(self, message: GetSession) -> StoredSession:
        for stored in self._read(lambda work: [work.sessions.get(message.user_id)]):
            return stored
        raise SessionNotFound(f"no session is stored for {message.user_id}")

    def _get_all(self, message: GetSessions) -> tuple[StoredSession, ...]:
        return tuple(self._read(lambda work: work.sessions.list(message.limit)))

    def _read(self, query: Any) -> list[StoredSession]:
        try:
            return [as_stored(record) for record in self._database.read(query) if record is not None]
        except (Unavailable, Conflict) as error:
            raise TryAgain(str(error)) from error
        except Poison as error:
            raise DomainError(str(error)) from error

    def _stored(self, message: SessionsStored) -> None:
        now = self.context.clock.now()
        for session in message.sessions:
            self._remember(session, now)
        first, *others = message.sessions
        also = {"others": len(others)} if others else {}
        self.log.info("session stored", user=first.user_id, broker=first.broker, active=first.is_active, **also)
        self._publish()

    def _remember(self, session: StoredSession, now: datetime) -> None:
        broker = session.broker or ""
        if state_of(session, now) == "active":
            self._sessions[broker] = session
        elif (known := self._sessions.get(broker)) is not None and known.user_id == session.user_id:
            del self._sessions[broker]

    def _publish(self) -> None:
        self.context.publish(AuthSnapshot(dict(self._sessions)))
