"""What each column of a file of instruments may hold: pure functions from the text to what is stored.

A reader returns the text as the database takes it, empty for NULL, and raises `ValueError` with the reason. A pattern
matches bytes that the reader of the column would return as they are; what it does not match is not wrong for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import partial

INT32_MAX = 2**31 - 1
KOLKATA = timezone(timedelta(hours=5, minutes=30))
"""The exchanges' time, which has no daylight saving: what a time without a zone means."""
SHOWN = 40
"""Characters of a wrong value that a reason repeats."""
_CENT_OF_CENT = Decimal("0.0001")
_EXACT = Context(prec=60)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]+")

_INT = rb"(?:1\d{9}|[1-9]\d{0,8}|0)"
_DAY = rb"(?:19|20)\d\d-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"


@dataclass(frozen=True, slots=True)
class Field:
    """One column: how its text is read, and which bytes need no reading."""

    read: Callable[[str], str]
    pattern: bytes


def _whole(text: str, name: str, low: int) -> str:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{name} {shown(text)} is no whole number")
    if len(text) > 20 or int(text) > INT32_MAX:
        raise ValueError(f"{name} {shown(text)} is beyond 32 bits (at most {INT32_MAX})")
    if int(text) < low:
        raise ValueError(f"{name} {shown(text)} is less than {low}")
    return str(int(text))


def _whole_or_nothing(text: str, name: str, low: int) -> str:
    return _whole(text, name, low) if text else ""


def _amount(text: str, name: str, digits: int, *, negative: bool = False, rounded: bool = False) -> str:
    """A number with at most four decimals and `digits` digits before them, or nothing."""
    if not text:
        return ""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} {shown(text)} is no number")
    value = Decimal(text)
    if value < 0 and not negative:
        raise ValueError(f"{name} {shown(text)} is negative")
    if value.adjusted() >= digits:
        raise ValueError(f"{name} {shown(text)} is too large (at most {digits} digits before the point)")
    stored = value.quantize(_CENT_OF_CENT, ROUND_HALF_EVEN, _EXACT)
    if stored.adjusted() >= digits:
        raise ValueError(f"{name} {shown(text)} is too large once it is rounded to 4 decimals")
    if stored != value and not rounded:
        raise ValueError(f"{name} {shown(text)} has more than 4 decimals")
    return f"{stored:f}"


def _text(text: str, name: str, longest: int, *, needed: bool = False) -> str:
    if needed and not text:
        raise ValueError(f"{name} is empty")
    if len(text) > longest:
        raise ValueError(f"{name} has {len(text)} characters, at most {longest} are stored")
    if not text.isprintable():
        raise ValueError(f"{name} {shown(text)} has a control character")
    return text


def _moment(text: str, name: str) -> str:
    """A date or a time; one with a zone becomes the time of the exchanges."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(KOLKATA).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} {shown(text)} is no date") from None
    return moment.isoformat(sep=" ")


def _words(shortest: int, longest: int) -> bytes:
    """Printable ASCII without quotes and commas, not blank at either end."""
    return rb"(?! )[ !#-+\--~]{%d,%d}+(?<! )" % (shortest, longest)


def _number(digits: int) -> bytes:
    return rb"(?:\d{1,%d}(?:\.\d{1,4})?)?" % digits


def shown(text: str) -> str:
    """The text in quotes and at most so long, for a reason."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}..")


FIELDS: Mapping[str, Field] = {
    "instrument_token": Field(partial(_whole, name="instrument_token", low=1), rb"(?:1\d{9}|[1-9]\d{0,8})"),
    "exchange_token": Field(partial(_whole, name="exchange_token", low=0), _INT),
    "tradingsymbol": Field(partial(_text, name="tradingsymbol", longest=50, needed=True), _words(1, 50)),
    "name": Field(partial(_text, name="name", longest=200), _words(0, 200)),
    "last_price": Field(partial(_amount, name="last_price", digits=11, negative=True, rounded=True), _number(11)),
    "expiry": Field(partial(_moment, name="expiry"), rb"(?:" + _DAY + rb")?"),
    "strike": Field(partial(_amount, name="strike", digits=11), _number(11)),
    "tick_size": Field(partial(_amount, name="tick_size", digits=6), _number(6)),
    "lot_size": Field(partial(_whole_or_nothing, name="lot_size", low=0), rb"(?:" + _INT + rb")?"),
    "instrument_type": Field(partial(_text, name="instrument_type", longest=10), _words(0, 10)),
    "segment": Field(partial(_text, name="segment", longest=20), _words(0, 20)),
    "exchange": Field(partial(_text, name="exchange", longest=10, needed=True), _words(1, 10)),
}
"""Every column that a file can have, in the order of Kite's dump."""
