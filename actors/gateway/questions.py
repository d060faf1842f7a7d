"""Requests about sessions, from bytes to messages; pure. No error quotes what was sent."""

from __future__ import annotations

from typing import Any

import orjson

from actors.gateway.codec import MAX_TEXT, BadMessage
from actors.messages import GetSession, UseSession

_OPENS_JSON = ("{", "[", '"')


def decode_get(data: bytes) -> GetSession:
    """A request on `panda.sessions.get`: `{"user_id": ...}` or the bare id, which is no JSON.

    Raises:
        BadMessage: it cannot be handled.
    """
    text = data.decode(errors="replace").strip()
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if text.startswith(_OPENS_JSON):
            raise BadMessage(f"not JSON: {error.msg} at character {error.pos}") from None
        parsed = text
    user_id = _name("user_id", parsed.get("user_id") if isinstance(parsed, dict) else parsed, "user_id: missing")
    return GetSession(user_id)


def decode_use(data: bytes) -> UseSession:
    """A request on `panda.sessions.use`: `{"user_id": ..., "broker": ...}`, one of them at least.

    Raises:
        BadMessage: it cannot be handled.
    """
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError:
        parsed = None
    fields = parsed if isinstance(parsed, dict) else {}
    missing = "user_id or broker: missing"
    wanted = {
        field: _name(field, value, missing)
        for field in ("user_id", "broker")
        if (value := fields.get(field)) is not None
    }
    if not wanted:
        raise BadMessage(missing)
    return UseSession(**wanted)


def _name(field: str, value: Any, missing: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadMessage(missing)
    if len(value) > MAX_TEXT:
        raise BadMessage(f"{field}: longer than {MAX_TEXT} characters")
    return value
