"""Rules for sessions: pure functions between requests, rows and what others may see of them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from actors.errors import SessionNotFound
from actors.messages import Reply, SaveSession, StoredSession
from actors.rows import SessionRow

MARKET_ZONE = ZoneInfo("Asia/Kolkata")
ZERODHA_EXPIRY = time(6, 0)
EXPIRED = "token_expired"
"""The reason of a session that ended by itself."""


class SavedSession(Protocol):
    """What the database knows of a session that it has saved."""

    @property
    def session_id(self) -> str: ...
    @property
    def start_time(self) -> datetime | None: ...
    @property
    def updated_at(self) -> datetime: ...


class SessionRecord(Protocol):
    """What is needed of a session as the database hands it out."""

    @property
    def session_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def start_time(self) -> datetime | None: ...
    @property
    def end_time(self) -> datetime | None: ...
    @property
    def is_active(self) -> bool: ...
    @property
    def session_data(self) -> Mapping[str, Any]: ...
    @property
    def updated_at(self) -> datetime | None: ...
    @property
    def access_token(self) -> str | None: ...


def row_of(message: SaveSession) -> SessionRow:
    """The row a login asks for; the stored id stays when the user has a session already."""
    data = {
        "access_token": message.access_token,
        "user_name": message.user_name,
        "user_shortname": message.user_shortname,
        "broker": message.broker,
        "email": message.email,
        "login_method": message.login_method,
        "ip_address": message.ip_address,
        "user_agent": message.user_agent,
    }
    expires_at = message.expires_at
    if expires_at is None and message.broker == "zerodha":
        expires_at = next_zerodha_expiry(message.saved_at)
    return SessionRow(
        session_id=str(uuid.uuid4()),
        user_id=message.user_id,
        start_time=message.saved_at,
        end_time=expires_at,
        is_active=True,
        session_data=data,
        updated_at=message.saved_at,
        direct=message.delivery is None,
    )


def next_zerodha_expiry(moment: datetime) -> datetime:
    """The next 06:00 in India after the moment, in UTC, when Zerodha ends every token (Kite Connect)."""
    local = moment.astimezone(MARKET_ZONE)
    expiry = datetime.combine(local.date(), ZERODHA_EXPIRY, MARKET_ZONE)
    return (expiry if expiry > local else expiry + timedelta(days=1)).astimezone(UTC)


def as_stored(record: SessionRecord) -> StoredSession:
    """A database record as a message."""
    data = record.session_data
    return StoredSession(
        session_id=record.session_id,
        user_id=record.user_id,
        broker=data.get("broker"),
        login_method=data.get("login_method"),
        user_name=data.get("user_name"),
        is_active=record.is_active,
        start_time=record.start_time,
        expires_at=record.end_time,
        updated_at=record.updated_at,
        access_token=record.access_token,
        reason=data.get("invalidation_reason"),
        used_at=_moment(data.get("last_activity_timestamp")),
    )


def as_saved(row: SessionRow, saved: SavedSession) -> StoredSession:
    """The session as a save of the row left it."""
    data = row.session_data
    return StoredSession(
        session_id=saved.session_id,
        user_id=row.user_id,
        broker=data.get("broker"),
        login_method=data.get("login_method"),
        user_name=data.get("user_name"),
        is_active=row.is_active,
        start_time=saved.start_time,
        expires_at=row.end_time,
        updated_at=saved.updated_at,
        access_token=data.get("access_token"),
    )


def state_of(session: StoredSession, now: datetime) -> str:
    """`active`, `expired` or `invalidated`."""
    if not session.is_active:
        return "expired" if session.reason == EXPIRED else "invalidated"
    expired = session.expires_at is not None and session.expires_at <= now
    return "expired" if expired else "active"


def shown(session: StoredSession, now: datetime) -> dict[str, Any]:
    """A session as people and other programs may see it: the token masked."""
    return {
        "session_id": session.session_id,
        "user_id": session.user_id,
        "broker": session.broker,
        "state": state_of(session, now),
        "login_method": session.login_method,
        "user_name": session.user_name,
        "start_time": _wire(session.start_time),
        "expires_at": _wire(session.expires_at),
        "updated_at": _wire(session.updated_at),
        "last_activity_timestamp": _wire(session.used_at),
        "invalidation_reason": session.reason,
        "access_token": "********" if session.access_token else None,
    }


def answer(reply: Reply, session: StoredSession | None) -> None:
    """Complete the request that changed a session."""
    if session is None:
        reply.fail(SessionNotFound("no session is stored for that user"))
    else:
        reply.complete(session)


def _moment(text: Any) -> datetime | None:
    """The time of a text that others may have written; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _wire(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
