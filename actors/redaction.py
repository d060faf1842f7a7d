"""What may be shown, or kept in clear, of bytes that somebody sent: never a token or a password; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

MASK = "********"
SECRET_WORDS = ("token", "password", "passwd", "secret", "authorization", "api_key", "api-key", "apikey", "credential")
MARKET_WORDS = ("instrument_token", "exchange_token")
"""They hold such a word, and are no secrets."""

SENSITIVE = "auth."
"""Subjects that begin so carry tokens."""
HARMLESS = frozenset(
    {
        *("id", "correlation_id", "causation_id", "trace_id", "parent_trace_id", "broker", "type", "ts", "key"),
        *("source", "version", "user_id", "reason", "Nats-Msg-Id"),
    }
)
"""Whose values are shown of messages and headers that carry tokens: those of the envelope, and who it is about."""
KNOWN = HARMLESS | {
    *("data", "access_token", "expires_at", "login_method", "user_name", "user_shortname", "email"),
    *("ip_address", "user_agent"),
}
"""Names of such messages; another name may be a token itself."""
MAX_READ_BYTES = 1 << 20
"""More is not read: no envelope is larger."""

_WORDS = tuple(word.encode() for word in SECRET_WORDS)
_MARKET_WORDS = tuple(word.encode() for word in MARKET_WORDS)


@dataclass(frozen=True, slots=True)
class Shown:
    """Bytes as they may be shown: as `text`, as `hex`, or, where secrets cannot be told from the rest, as neither.

    `masked` says that something is left out.
    """

    text: str | None
    hex: str | None
    masked: bool


def shown(data: bytes, harmless: frozenset[str] | None = None) -> Shown:
    """What may be shown of `data`: JSON without the values whose names speak of secrets, other bytes if none does.

    Where messages carry secrets, `harmless` names the only values that are shown; then nothing but JSON is.
    """
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _not_json(data, hidden=harmless is not None)
    holder = [parsed]
    masked = _mask(holder, harmless)
    if not masked and not speaks_of_secrets(data.decode()) and b"\\u" not in data:
        return Shown(data.decode(), None, masked=False)
    try:
        return Shown(orjson.dumps(holder[0]).decode(), None, masked)
    except orjson.JSONEncodeError:  # nested more deeply than it writes
        return Shown(None, None, masked=True)


def substitute(subject: str, data: bytes) -> bytes | None:
    """What may be kept in clear of a message on the subject: None if all of it, `b""` if nothing.

    Where the bytes have none of the words that speak of secrets, and the subject does not, this takes microseconds.
    """
    sensitive = subject.startswith(SENSITIVE)
    if not data or not (sensitive or _may_speak_of_secrets(data)):
        return None
    if len(data) > MAX_READ_BYTES:
        return b""
    try:
        holder = [orjson.loads(data)]
        if _mask(holder, HARMLESS if sensitive else None):
            return orjson.dumps(holder[0])
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return b""
    return b"" if _repeats_a_name(data) else None


def _repeats_a_name(data: bytes) -> bool:
    """Whether an object of the JSON has a name twice: the first value was not looked at, as readers take the last."""
    repeated = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        repeated.extend([True] * (len(dict(pairs)) < len(pairs)))

    try:
        json.loads(data, object_pairs_hook=note)
    except (ValueError, RecursionError):
        return True
    return bool(repeated)


def _may_speak_of_secrets(data: bytes) -> bool:
    lower = data.lower()
    if b"\\u" in lower:
        return True
    if b"\0" in lower:  # two or four bytes for each character
        lower = lower.replace(b"\0", b"")
    for word in _MARKET_WORDS:
        lower = lower.replace(word, b"")
    return any(word in lower for word in _WORDS)


def shown_headers(headers: Mapping[str, Any] | None, harmless: frozenset[str] | None = None) -> dict[str, Any]:
    """The headers without the values that speak of secrets, or whose names do; with `harmless`, its values alone."""
    return {
        name: MASK if _is_secret(name, value, harmless=harmless) else value for name, value in (headers or {}).items()
    }


def harmless_of(subject: str) -> frozenset[str] | None:
    """The names whose values alone are shown of a message on the subject; None where all are that are no secret."""
    return HARMLESS if subject.startswith(SENSITIVE) else None


def _not_json(data: bytes, *, hidden: bool) -> Shown:
    text = data.decode("utf-8", "replace").replace("\0", "")
    if hidden or speaks_of_secrets(text) or "\\u" in text:
        return Shown(None, None, masked=True)
    try:
        return Shown(data.decode(), None, masked=False)
    except UnicodeDecodeError:
        return Shown(None, data.hex(), masked=False)


def _mask(holder: list[Any], harmless: frozenset[str] | None) -> bool:
    """Mask the secrets in place and say whether there was one; without recursion, as JSON nests deeper than calls."""
    found = False
    known = None if harmless is None else KNOWN | harmless
    waiting: list[Any] = [holder]
    while waiting:
        container = waiting.pop()
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for name, value in list(items):
            if known is not None and isinstance(name, str) and name not in known:
                del container[name]
                container[MASK], found = MASK, True
            elif isinstance(value, dict | list) and not _is_secret(name, None, harmless=None):
                waiting.append(value)
            elif _is_secret(name, value, harmless=harmless):
                container[name], found = MASK, True
    return found


def _is_secret(name: str | int, value: Any, *, harmless: frozenset[str] | None) -> bool:
    if isinstance(name, str) and speaks_of_secrets(name):
        return True
    if harmless is not None and name not in harmless:
        return value is not None
    return isinstance(value, str) and any(sign in value for sign in ":=") and speaks_of_secrets(value)


def speaks_of_secrets(text: str) -> bool:
    """Whether there is a word in it that names a secret."""
    lower = text.lower()
    for word in MARKET_WORDS:
        lower = lower.replace(word, "")
    return any(word in lower for word in SECRET_WORDS)
