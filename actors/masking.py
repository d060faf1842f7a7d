"""Text that people see without the secrets that may stand in it: log lines, errors, reasons; pure.

Masked are the users and passwords of URLs, sealed tokens, and what follows a name that speaks of secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from actors.redaction import MASK, speaks_of_secrets

DEEPEST = 8
"""What is nested more deeply is not looked at, and not shown."""

_SPELLINGS = r"(?:pass(?:word|wd)|secret|token|authorization|api[_-]?key|credential)"
_NAMED = re.compile(
    rf"""(?P<name>(?<![a-z])[\w-]{{0,64}}?{_SPELLINGS}\w{{0,64}}\\*["']?\s*(?P<sign>[:=])\s*)"""
    r"""(?P<value>(?P<quote>\\*["']).*?(?:(?P=quote)|$)|[^\s"'&,;)}\]]+)""",
    re.IGNORECASE | re.MULTILINE,
)
_AUTHORIZATION = re.compile(r"""(authorization\\*["']?\s*[:=]\s*\\*["']?)[^\s"'][^"'\n]*""", re.IGNORECASE)
_SCHEME = re.compile(r"\b((?:bearer|basic)\s+|fernet:)[\w+/=.~-]{6,}", re.IGNORECASE)
_WORD = re.compile(r"\S*://\S*")


def masked(text: str) -> str:
    """The text without secrets; takes a time that grows no faster than the text."""
    if "://" in text:
        text = _WORD.sub(_without_user, text)
    text = _SCHEME.sub(rf"\1{MASK}", text)
    if not speaks_of_secrets(text):
        return text
    return _NAMED.sub(_without_value, _AUTHORIZATION.sub(rf"\1{MASK}", text))


def masked_value(name: str, value: Any, depth: int = 0) -> Any:
    """A value as it may be shown under that name; what is neither a number nor text nor made of these, as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if speaks_of_secrets(name) or depth > DEEPEST:
        return MASK
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {str(key): masked_value(str(key), one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked_value("", one, depth + 1) for one in value]
    return masked(repr(value))


def _without_user(word: re.Match[str]) -> str:
    """All between `://` and the last `@` is taken for the user and the password, as either may hold an `@` itself."""
    scheme, sign, rest = word[0].partition("://")
    user, at, host = rest.rpartition("@")
    if not at:
        return word[0]
    name, colon, _ = user.partition(":")
    return f"{scheme}{sign}{name if colon else ''}{colon}{MASK}{at}{host}"


def _without_value(found: re.Match[str]) -> str:
    """After a colon a bare word without a digit is prose, as in `access_token: missing`."""
    name, value = found["name"], found["value"]
    prose = found["sign"] == ":" and not found["quote"] and not any(letter.isdigit() for letter in value)
    if prose or not speaks_of_secrets(name):
        return found[0]
    quote = found["quote"] or ""
    return f"{name}{quote}{MASK}{quote}"
