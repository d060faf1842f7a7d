"""What becomes of stored sessions beside logins: statements of the writer, between its group commits."""

from __future__ import annotations

from actors.messages import EndExpired, NoteUse, StoredSession
from actors.sessions import EXPIRED, as_stored
from persistence.database import Database

EXPIRED_AT_ONCE = 500


def end_expired(database: Database, message: EndExpired) -> tuple[StoredSession, ...]:
    """End sessions whose time is over; those that were ended, at most `EXPIRED_AT_ONCE`.

    Raises:
        Unavailable, Conflict: try again.
    """
    with database.writer_unit() as work:
        ended = work.sessions.expire(message.moment, EXPIRED, EXPIRED_AT_ONCE)
        if ended:
            work.commit()
    return tuple(as_stored(record) for record in ended)


def note_use(database: Database, message: NoteUse) -> None:
    """Note the last activity.

    Raises:
        Unavailable, Conflict: try again.
    """
    with database.writer_statement() as work:
        work.sessions.note_use(message.user_id, message.used_at)
