"""`instruments subscribe`, `unsubscribe` and `registry`: which instruments are wanted, and in which order."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import asdict
from typing import TypeVar

from rich.markup import escape

from console.database import opened
from console.failure import FAILED, OK, USAGE, Failure
from console.output import plain_table, printable, screen
from console.wire import write_json
from persistence.errors import Poison
from persistence.records import InstrumentRecord, SubscriptionRecord
from persistence.unit_of_work import UnitOfWork
from settings import Settings, program

Named = TypeVar("Named", InstrumentRecord, SubscriptionRecord)

LONGEST_NOTES = 500
LARGEST_TOKEN = 2**31 - 1


def subscribe(settings: Settings, which: str, priority: int | None, notes: str | None, *, as_json: bool) -> int:
    """Put an instrument into the registry; prints its entry."""
    _check(which)
    if notes is not None and (len(notes) > LONGEST_NOTES or not notes.isprintable()):
        raise Failure(f"--notes: one line of at most {LONGEST_NOTES} characters", USAGE)
    with opened(settings) as database, database.writer_unit() as work:
        instrument = _one(which, _instruments(work, which))
        try:
            entry = work.registry.subscribe(instrument, _user(), priority, notes)
        except Poison as error:
            raise Failure(f"{which}: {error}", FAILED) from None
        work.commit()
    if as_json:
        write_json(asdict(entry))
    else:
        line = f"subscribed to {entry.exchange}:{entry.tradingsymbol} ({entry.instrument_token})"
        screen().print(f"{line} with priority {entry.priority}", markup=False, soft_wrap=True)
    return OK


def unsubscribe(settings: Settings, which: str) -> int:
    """End a subscription, also that of an instrument that is not active any more."""
    _check(which)
    with opened(settings) as database, database.writer_unit() as work:
        entries = [one for one in _entries(work, which) if one.is_subscribed]
        if not entries:
            raise Failure(f"{which} is not subscribed to; see `{program()} instruments registry`", FAILED)
        entry = _one(which, entries)
        work.registry.unsubscribe(entry.instrument_token)
        work.commit()
    screen().print(f"unsubscribed from {entry.exchange}:{entry.tradingsymbol} ({entry.instrument_token})", markup=False)
    return OK


def show_all(settings: Settings, *, ended: bool, as_json: bool) -> int:
    """Print the registry by priority, then symbol."""
    with opened(settings) as database, database.read_unit() as work:
        entries = work.registry.list(ended=ended)
    if as_json:
        write_json([asdict(one) for one in entries])
    elif not entries:
        screen().print(f"nothing is subscribed to; add one with `{program()} instruments subscribe INSTRUMENT`")
    else:
        state = ("state",) if ended else ()
        table = plain_table("priority", "symbol", "exchange", "token", *state, "by", "notes", right=_FIGURES)
        for one in entries:
            shown = ("subscribed" if one.is_subscribed else "ended",) if ended else ()
            texts = (one.tradingsymbol, one.exchange, str(one.instrument_token), *shown, one.added_by, one.notes)
            table.add_row(str(one.priority), *(escape(printable(text or "-")) for text in texts))
        screen().print(table)
    return OK


_FIGURES = frozenset({"priority", "token"})


def _user() -> str:
    """Who does this; a user without an entry has no name."""
    try:
        return getpass.getuser()[:100]
    except (KeyError, OSError):
        return "unknown"


def _check(which: str) -> None:
    if not which.strip() or not which.isprintable():
        raise Failure("name an instrument: its token, its symbol, or NSE:INFY", USAGE)


def _token(which: str) -> int | None:
    return int(which) if which.isascii() and which.isdecimal() and int(which) <= LARGEST_TOKEN else None


def _parts(which: str) -> tuple[str, str | None]:
    """Symbol and exchange."""
    exchange, colon, symbol = which.strip().partition(":")
    return (symbol, exchange) if colon else (exchange, None)


def _instruments(work: UnitOfWork, which: str) -> list[InstrumentRecord]:
    """Those that are meant; digits are a token first, then a symbol."""
    token = _token(which)
    known = None if token is None else work.instruments.get(token)
    return [known] if known is not None else work.instruments.named(*_parts(which))


def _entries(work: UnitOfWork, which: str) -> list[SubscriptionRecord]:
    token = _token(which)
    of_token = [one for one in work.registry.list() if one.instrument_token == token]
    return of_token or work.registry.find(*_parts(which))


def _one(which: str, found: Sequence[Named]) -> Named:
    """The only one.

    Raises:
        Failure: there is none, or more than one.
    """
    if not found:
        raise Failure(f"no active instrument is {which}; try `{program()} instruments search`", FAILED)
    if len(found) > 1:
        names = ", ".join(f"{one.exchange}:{one.tradingsymbol} ({one.instrument_token})" for one in found)
        raise Failure(f"{which} is several instruments: {names}; give the exchange or the token", USAGE)
    return found[0]
