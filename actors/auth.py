"""AuthActor: every change of a session passes through its mailbox, one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from actors.errors import DomainError, SessionNotFound, StartRefused, TryAgain
from actors.messages import (
    CommitUnit,
    EndExpired,
    ExpireSessions,
    GetSession,
    GetSessions,
    InvalidateSession,
    NoteUse,
    SaveSession,
    SessionsStored,
    StoredSession,
    UseSession,
)
from actors.rows import SessionInvalidationRow
from actors.runtime.actor import DEFERRED, ServiceActor
from actors.runtime.cell import Context
from actors.sessions import as_stored, row_of, shown, state_of
from persistence.database import Database
from persistence.errors import Conflict, Misconfigured, NotMigrated, Poison, TokenKeyError, Unavailable

CONSUMER = "auth"
EXPIRE_EVERY_S = 300.0
NOTE_USE_EVERY_S = 60.0


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
    Receives: `SaveSession`, `InvalidateSession`, `GetSession`, `GetSessions`, `UseSession`, `SessionsStored`.
    Sends: `CommitUnit` to the database, which answers the asker after its commit; `EndExpired` from time to time, and
    `NoteUse`.
    On failure: restarted; the sessions are read again.
    """

    def __init__(self, context: Context, database: Database) -> None:
        super().__init__(context)
        self._database = database
        self._sessions: dict[str, StoredSession] = {}
        self._use_noted: dict[str, float] = {}
        self.handles(
            {
                SaveSession: self._save,
                InvalidateSession: self._invalidate,
                GetSession: self._get,
                GetSessions: self._get_all,
                UseSession: self._use,
                ExpireSessions: self._expire,
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
        self._expire(ExpireSessions())

    def _save(self, message: SaveSession) -> Any:
        consumer = message.delivery.consumer if message.delivery else CONSUMER
        unit = CommitUnit(consumer, message.message_id, message.delivery, session=row_of(message), reply=self.reply)
        return self._commit(unit)

    def _invalidate(self, message: InvalidateSession) -> Any:
        consumer = message.delivery.consumer if message.delivery else CONSUMER
        direct = message.delivery is None
        row = SessionInvalidationRow(message.user_id, message.reason, message.invalidated_at, direct)
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

    def _use(self, message: UseSession) -> StoredSession:
        now = self.context.clock.now()
        for stored in self._read(lambda work: [work.sessions.newest(now, message.user_id, message.broker)]):
            self._note_use(stored.user_id, now)
            return stored
        wanted = " ".join(word for word in (message.user_id, message.broker) if word is not None)
        raise SessionNotFound(f"no session is active for {wanted or 'anybody'}; log in again")

    def _note_use(self, user_id: str, now: datetime) -> None:
        moment = self.context.clock.monotonic()
        if moment - self._use_noted.get(user_id, float("-inf")) >= NOTE_USE_EVERY_S:
            self._use_noted[user_id] = moment
            self.context.directory["database"].tell(NoteUse(user_id, now))

    def _expire(self, _: ExpireSessions) -> None:
        self.context.after(EXPIRE_EVERY_S, ExpireSessions())
        self.context.directory["database"].tell(EndExpired(self.context.clock.now()))
        recent = self.context.clock.monotonic() - NOTE_USE_EVERY_S
        self._use_noted = {user: at for user, at in self._use_noted.items() if at > recent}

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
        self.log.info("session stored", user=first.user_id, broker=first.broker, state=state_of(first, now), **also)
        self._publish()

    def _remember(self, session: StoredSession, now: datetime) -> None:
        """Keep the newest session of the broker; one that expired is shown until another takes its place."""
        broker, state = session.broker or "", state_of(session, now)
        known = self._sessions.get(broker)
        ours = known is not None and known.user_id == session.user_id
        if state == "active" or (state == "expired" and ours):
            self._sessions[broker] = session
        elif ours:
            del self._sessions[broker]

    def _publish(self) -> None:
        self.context.publish(AuthSnapshot(dict(self._sessions)))
