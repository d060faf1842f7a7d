"""`json` text that `jsonb` refuses, made acceptable with as little change as possible."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})\\u([0-9a-fA-F]{4})|\\u([0-9a-fA-F]{4})|\\[^u]", re.DOTALL)
_REPLACEMENT = "\\ufffd"
_MOST_DIGITS = 131_072
_MOST_DECIMALS = 16_383


def repaired(text: str) -> str:
    """The text with NUL and lone surrogates as U+FFFD, and numbers beyond `numeric` as strings."""
    return _TOKEN.sub(_repaired_token, text)


def _repaired_token(match: re.Match[str]) -> str:
    token = match.group()
    if token.startswith('"'):
        return _without_bad_escapes(token)
    return token if _fits_numeric(token) else f'"{token}"'


def _fits_numeric(token: str) -> bool:
    try:
        number = Decimal(token)
    except InvalidOperation:
        return False
    exponent = number.as_tuple().exponent
    return number.adjusted() < _MOST_DIGITS and isinstance(exponent, int) and -exponent <= _MOST_DECIMALS


def _without_bad_escapes(text: str) -> str:
    done: list[str] = []
    at = 0
    for start, end, replacement in _bad_escapes(text):
        done += [text[at:start], replacement]
        at = end
    return "".join([*done, text[at:]])


def _bad_escapes(text: str) -> list[tuple[int, int, str]]:
    found = []
    at = 0
    while match := _ESCAPE.search(text, at):
        at = match.end()
        first, second, single = match.groups()
        if first is not None and not _is_pair(first, second):
            at, single = match.start() + 6, first
        if single is not None and (int(single, 16) == 0 or 0xD800 <= int(single, 16) <= 0xDFFF):
            found.append((match.start(), match.start() + 6, _REPLACEMENT))
    return found


def _is_pair(first: str, second: str) -> bool:
    return 0xD800 <= int(first, 16) <= 0xDBFF and 0xDC00 <= int(second, 16) <= 0xDFFF
