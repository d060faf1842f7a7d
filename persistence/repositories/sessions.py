"""Login sessions: one for each user, the newest save wins, tokens sealed."""

# ruff: noqa: S608 - what is put into these statements is a constant of this file

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, CursorResult, or_, select, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import DBAPIError

from persistence import models
from persistence.bulk import encode
from persistence.errors import TokenKeyError
from persistence.records import SavedSession, SessionRecord
from persistence.repositories.rows import as_columns, value_of
from persistence.repositories.session_statements import (
    DATA,
    INVALIDATE,
    SAVE,
    SAVE_DIRECTLY,
    UPSERT,
    UPSERT_DIRECTLY,
)
from persistence.token_cipher import TokenCipher
from settings import program

_COLUMNS = ("session_id", "user_id", "start_time", "end_time", "is_active", "session_data", "updated_at")
_SEALED_FIELD = "access_token"
_EXPIRE = text(f"""
    UPDATE trading_sessions AS stored
    SET is_active = false,
        session_data = {DATA} - 'access_token'
            || jsonb_build_object('invalidation_reason', CAST(:reason AS text))
    FROM (SELECT session_id FROM trading_sessions
          WHERE is_active AND end_time <= :now
          ORDER BY session_id LIMIT :limit FOR UPDATE) AS over
    WHERE stored.session_id = over.session_id
    RETURNING stored.*
""")
_PRUNE = text("""
    DELETE FROM trading_sessions WHERE session_id = ANY(ARRAY(
        SELECT session_id FROM trading_sessions
        WHERE NOT is_active
          AND GREATEST(updated_at, CASE WHEN end_time < now() THEN end_time END)
              < now() - make_interval(secs => :age_s)
        LIMIT :limit
    ))
""")
_USED = text(f"""
    UPDATE trading_sessions AS stored
    SET session_data = {DATA}
        || jsonb_build_object('last_activity_timestamp', CAST(:used_at AS text))
    WHERE user_id = :user_id AND is_active
""")
_PREPARED = {save: f"panda_prepared_{name}" for name, save in (("save", SAVE), ("direct_save", SAVE_DIRECTLY))}
"""Where a connection notes a statement's name, which is its own: behind a pooler others share its backend."""
_NEVER = ""
_NOT_PREPARED = "26000"
"""SQLSTATE invalid_sql_statement_name: a pooler between us and the server gave us another of its connections."""
_table = models.trading_sessions
_newest_first = (_table.c.updated_at.desc().nulls_last(), _table.c.user_id)
_UNKNOWN = datetime.fromtimestamp(0, UTC)

Sessions = list[SessionRecord]


class Login(Protocol):
    """A session to be saved, and the inbox key of the message that brought it."""

    @property
    def consumer(self) -> str: ...
    @property
    def message_id(self) -> str: ...
    @property
    def stream_seq(self) -> int | None: ...
    @property
    def session(self) -> object: ...


class SessionRepository:
    """Rows of `trading_sessions`. A token travels as `session_data["access_token"]` and is sealed on its way
    in.
    """

    def __init__(self, connection: Connection, cipher: TokenCipher | None = None) -> None:
        self._connection = connection
        self._cipher = cipher or TokenCipher(())

    def upsert(self, rows: Sequence[object]) -> Sessions:
        """Save sessions; returns the stored one of every user given, in the order of the user ids.

        Rows have the fields session_id, user_id, start_time, end_time, is_active, session_data,
        updated_at and, where somebody waits for it, direct. A user keeps the stored session_id and start_time.
        A save older than what is stored changes nothing, and the stored session is returned all the same. One
        that is direct happens now: it is dated after what is stored, whatever the clocks say.
        """
        if not rows:
            return []
        newest = _newest_of_each(rows)
        for direct, statement in ((False, UPSERT), (True, UPSERT_DIRECTLY)):
            if chosen := [self._sealed(row) for row in newest.values() if _is_direct(row) is direct]:
                self._connection.exec_driver_sql(statement, (encode(chosen),))
        return self._of_users(list(newest))

    def save(self, logins: Sequence[Login]) -> list[SavedSession]:
        """Note the logins in the inbox and save those that are new there, all in one statement: all of them are
        direct, or none is.

        The saved ones are returned, one for each user: a login that was handled before, or is older than what is
        stored and not direct, is not among them. Whoever sends nothing else needs no transaction around it.
        """
        if not logins:
            return []
        given = []
        for place, login in enumerate(logins):
            row = self._sealed(login.session)
            row["place"], row["consumer"], row["message_id"] = place, login.consumer, login.message_id
            row["stream_seq"] = login.stream_seq
            given.append(row)
        statement = SAVE_DIRECTLY if _is_direct(logins[0].session) else SAVE
        return [SavedSession._make(row) for row in self._run_save(statement, encode(given))]

    def _run_save(self, statement: str, payload: str) -> CursorResult[Any]:
        """The statement, planned once for each connection: to plan it takes as long as to run it."""
        known, prepared = self._connection.info, _PREPARED[statement]
        if known.get(prepared) is None:
            known[prepared] = name = f"panda_save_{uuid4().hex}"
            self._connection.exec_driver_sql(f"PREPARE {name} (text) AS {statement.replace('%s', '$1')}")
        if known[prepared] == _NEVER:
            return self._connection.exec_driver_sql(statement, (payload,))
        try:
            return self._connection.exec_driver_sql(f"EXECUTE {known[prepared]} (%s)", (payload,))
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) != _NOT_PREPARED:
                raise
            known[prepared] = _NEVER
            return self._connection.exec_driver_sql(statement, (payload,))

    def invalidate(self, orders: Sequence[object]) -> Sessions:
        """End sessions and forget their tokens; returns the stored ones of the users given that have one.

        Rows have the fields of `Invalidation`. A session saved after `updated_at` stays as it is, unless the order
        is direct: that is given now, and dated after what is stored.
        """
        if not orders:
            return []
        self._connection.exec_driver_sql(INVALIDATE, (encode(orders),))
        return self._of_users([value_of(order, "user_id") for order in orders])

    def expire(self, now: datetime, reason: str, limit: int) -> Sessions:
        """End at most `limit` active sessions whose end time is `now` or earlier, for that reason, and forget their
        tokens; returns them as they are then.

        What orders saves, `updated_at`, stays: a login of just before the expiry that comes late is still saved.
        """
        given = {"now": now, "limit": limit, "reason": reason}
        return [self._record(row) for row in self._connection.execute(_EXPIRE, given).mappings()]

    def prune(self, age_s: float, limit: int) -> int:
        """Delete at most `limit` sessions that ended that many seconds ago or earlier; returns how many."""
        return self._connection.execute(_PRUNE, {"age_s": age_s, "limit": limit}).rowcount

    def note_use(self, user_id: str, used_at: datetime) -> bool:
        """Note the last activity of the user's session; false if there is no active one. `updated_at` stays."""
        given = {"user_id": user_id, "used_at": used_at.isoformat()}
        return self._connection.execute(_USED, given).rowcount == 1

    def newest(self, now: datetime, user_id: str | None, broker: str | None) -> SessionRecord | None:
        """The newest session that is active and not expired: of that user, at that broker, of any if None."""
        wanted = select(_table).where(_is_valid(now))
        if user_id is not None:
            wanted = wanted.where(_table.c.user_id == user_id)
        if broker is not None:
            wanted = wanted.where(_table.c.session_data["broker"].astext == broker)
        newest = wanted.order_by(*_newest_first).limit(1)
        return next((self._record(row) for row in self._connection.execute(newest).mappings()), None)

    def load_active(self, now: datetime) -> Sessions:
        """Sessions that are active and not expired, newest first.

        Raises:
            TokenKeyError: a token was sealed with a key that is not configured. Everywhere else such a
                session comes without its token and with `token_readable` false.
        """
        records = self._valid(now)
        if unreadable := [record.user_id for record in records if not record.token_readable]:
            users = ", ".join(unreadable[:3])
            if not self._cipher.seals:
                raise TokenKeyError(
                    f"the token of {users} is sealed, and no key is configured: set AUTH__TOKEN_KEYS_FILE"
                )
            raise TokenKeyError(
                f"the token of {users} was sealed with another key: add it to {self._cipher.setting},"
                f" or, if it is lost, `{program()} sessions forget --unreadable`"
            )
        return records

    def unreadable(self, now: datetime) -> Sessions:
        """Of the sessions that are active and not expired, those whose token no key opens."""
        return [record for record in self._valid(now) if not record.token_readable]

    def get(self, user_id: str) -> SessionRecord | None:
        """The user's session, active or not."""
        return next(iter(self._of_users([user_id])), None)

    def list(self, limit: int) -> Sessions:
        """At most `limit` sessions, newest first."""
        newest = select(_table).order_by(*_newest_first).limit(limit)
        return [self._record(row) for row in self._connection.execute(newest).mappings()]

    def _valid(self, now: datetime) -> Sessions:
        wanted = select(_table).where(_is_valid(now)).order_by(*_newest_first)
        return [self._record(row) for row in self._connection.execute(wanted).mappings()]

    def _of_users(self, user_ids: Sequence[str]) -> Sessions:
        wanted = select(_table).where(_table.c.user_id.in_(user_ids)).order_by(_table.c.user_id)
        return [self._record(row) for row in self._connection.execute(wanted).mappings()]

    def _sealed(self, row: object) -> dict[str, Any]:
        columns = as_columns(row, _COLUMNS)
        data = columns["session_data"]
        if isinstance(data, Mapping) and data.get(_SEALED_FIELD) is not None:
            columns["session_data"] = {**data, _SEALED_FIELD: self._cipher.seal(str(data[_SEALED_FIELD]))}
        return columns

    def _record(self, row: RowMapping) -> SessionRecord:
        stored = row["session_data"]
        data = dict(stored) if isinstance(stored, Mapping) else {}
        token, readable = self._opened(data.pop(_SEALED_FIELD, None))
        created = row["created_at"] or row["updated_at"] or _UNKNOWN
        known = {
            "session_data": data,
            "start_time": row["start_time"] or created,
            "updated_at": row["updated_at"] or created,
        }
        return SessionRecord(**{**row, **known}, access_token=token, token_readable=readable)

    def _opened(self, text: Any) -> tuple[str | None, bool]:
        if text is None:
            return None, True
        try:
            return self._cipher.open(str(text)), True
        except TokenKeyError:
            return None, False


def _is_direct(row: object) -> bool:
    return bool(getattr(row, "direct", False))


def _is_valid(now: datetime) -> ColumnElement[bool]:
    return _table.c.is_active & or_(_table.c.end_time.is_(None), _table.c.end_time > now)


def _newest_of_each(rows: Sequence[object]) -> dict[str, object]:
    newest: dict[str, object] = {}
    for row in rows:
        user_id = value_of(row, "user_id")
        if user_id not in newest or value_of(newest[user_id], "updated_at") <= value_of(row, "updated_at"):
            newest[user_id] = row
    return newest
