"""A dump of instruments like Kite's daily one: of the same make-up, made of numbers alone, and always the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)
FIRST_EXPIRY = date(2026, 1, 29)
_STEMS = (
    "ADANI", "BAJAJ", "BHARAT", "CIPLA", "DABUR", "EICHER", "GODREJ", "HAVELLS", "INDUS", "JINDAL", "KOTAK", "LUPIN",
    "MARICO", "NESTLE", "ORIENT", "PIDILITE", "RELIANCE", "SIEMENS", "TATA", "ULTRA", "VEDANTA", "WIPRO", "YES", "ZEE",
)  # fmt: skip
_TRADES = (
    "POWER", "FINANCE", "STEEL", "FOODS", "MOTORS", "PHARMA", "BANK", "CEMENT", "CHEMICALS", "ENERGY", "INFRA",
    "TEXTILES", "SOFTWARE", "PAPER", "SUGAR", "LOGISTICS", "CAPITAL", "ELECTRONICS", "METALS", "RETAIL",
)  # fmt: skip
_FORMS = ("LIMITED", "INDIA", "", "INDUSTRIES", "CORPORATION", "HOLDINGS")
_SEGMENTS = {"NSE": 1, "NFO": 2, "BSE": 4, "MCX": 5}


def lines(count: int, seed: int = 0) -> Iterator[str]:
    """The header and so many rows: equities of two exchanges, then futures and options with expiries and strikes."""
    yield HEADER
    yield from islice(_rows(max(count // 10, 1), random.Random(seed)), count)


def write(path: Path, count: int, seed: int = 0) -> Path:
    """The dump as a file, with lines that end as Kite's do."""
    path.write_text("".join(f"{line}\n" for line in lines(count, seed)), encoding="utf-8")
    return path


def _rows(equities: int, chance: random.Random) -> Iterator[str]:
    for number in range(equities):
        exchange = "BSE" if number % 3 == 2 else "NSE"
        symbol, name = _company(number)
        price = chance.randrange(500, 500_000) / 100
        name = "" if number % 50 == 49 else name
        yield _row(exchange, number + 1, symbol, name, price, "", 0, 0.05, 1, "EQ", exchange)
    number = equities
    for underlying in range(10**9):
        exchange = "MCX" if underlying % 12 == 11 else "NFO"
        stem = _company(underlying)[0]
        at, lot = chance.randrange(100, 20_000), 25 * chance.randrange(1, 60)
        for expiry in (FIRST_EXPIRY + timedelta(days=28 * month) for month in range(3)):
            month, day = f"{expiry:%y%b}".upper(), expiry.isoformat()
            number += 1
            symbol, segment = f"{stem}{month}FUT", f"{exchange}-FUT"
            yield _row(exchange, number, symbol, stem, float(at), day, 0, 0.05, lot, "FUT", segment)
            for step in range(-40, 41):
                strike = max(at + step * max(at // 100, 1), 1)
                for kind in ("CE", "PE"):
                    number += 1
                    symbol = f"{stem}{month}{strike}{kind}"
                    yield _row(exchange, number, symbol, stem, 0.0, day, strike, 0.05, lot, kind, f"{exchange}-OPT")


def _company(number: int) -> tuple[str, str]:
    """Its symbol and its name."""
    stem, rest = _STEMS[number % len(_STEMS)], number // len(_STEMS)
    trade, form = _TRADES[rest % len(_TRADES)], _FORMS[rest // len(_TRADES) % len(_FORMS)]
    series = rest // len(_TRADES) // len(_FORMS)
    mark = f"{series}" if series else ""
    return f"{stem[:5]}{trade[:5]}{form[:1]}{mark}", " ".join(filter(None, (stem, trade, mark, form)))


def _row(
    exchange: str,
    number: int,
    symbol: str,
    name: str,
    price: float,
    expiry: str,
    strike: int,
    tick: float,
    lot: int,
    kind: str,
    segment: str,
) -> str:
    token = number * 256 + _SEGMENTS[exchange]
    return f"{token},{number},{symbol},{name},{price:g},{expiry},{strike},{tick},{lot},{kind},{segment},{exchange}"
