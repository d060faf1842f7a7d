"""What becomes of stored sessions beside logins: statements of the writer, between its group commits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from actors.errors import DomainError
from actors.messages import EndExpired, NoteUse, Reseal, StoredSession
from actors.redaction import substitute
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


def reseal(database: Database, message: Reseal) -> dict[str, Any]:
    """Seal a portion of stored secrets with the first key.

    Raises:
        DomainError: there is no key.
        Unavailable, Conflict: try again.
    """
    if not database.seals:
        raise DomainError("no key is configured: set AUTH__TOKEN_KEYS or AUTH__TOKEN_KEYS_FILE")
    with database.writer_unit() as work:
        if message.table == "sessions":
            done = work.tokens.reseal(message.after, message.limit)
        else:
            done = work.dead_letters.reseal(message.after, message.limit, substitute)
        work.commit()
    return asdict(done)
