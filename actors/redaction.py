"""What may be shown of bytes that somebody sent: never a token or a password; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

MASK = "********"
SECRET_WORDS = ("token", "password", "passwd", "secret", "authorization", "api_key", "api-key", "apikey", "credential")
MARKET_WORDS = ("instrument_token", "exchange_token")
"""They hold such a word, and are no secrets."""


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


def shown_headers(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """The headers with the values of those masked whose names speak of secrets."""
    return {name: MASK if speaks_of_secrets(name) else value for name, value in (headers or {}).items()}


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
    waiting: list[Any] = [holder]
    while waiting:
        container = waiting.pop()
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for name, value in list(items):
            if isinstance(value, dict | list) and not _is_secret(name, None, harmless=None):
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
