"""Files of instruments as tests write them, and what a pass over one finds."""

from __future__ import annotations

import io
from pathlib import Path

from persistence.database import Database
from persistence.instrument_file.screening import Screening
from persistence.instrument_file.source import Source, open_source
from persistence.instrument_load import Loaded, LoadOrder, OnMerged, load

KITE = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)
INFY = "408065,1594,INFY,INFOSYS,1500.5,,0,0.05,1,EQ,NSE,NSE"
RELIANCE = "738561,2885,RELIANCE,RELIANCE INDUSTRIES,2900,,0,0.05,1,EQ,NSE,NSE"
OPTION = "12345602,48225,NIFTY26JAN24000CE,NIFTY,101.25,2026-01-29,24000,0.05,75,CE,NFO-OPT,NFO"


def dump(*rows: str, header: str | None = KITE) -> bytes:
    """The rows as a file, with Kite's header unless told otherwise."""
    return "".join(f"{line}\n" for line in ((header,) if header else ()) + rows).encode()


def screened(data: bytes) -> tuple[Screening, list[str]]:
    """The pass over the bytes, at its end, and the lines that it let through."""
    screening = Screening(Source(io.BytesIO(data), "test.csv"))
    valid = b"".join(iter(screening.read, b""))
    return screening, valid.decode().splitlines()


def refusals(data: bytes) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for one in screened(data)[0].refusals]


def load_bytes(
    database: Database,
    data: bytes,
    order: LoadOrder | None = None,
    name: str = "test.csv",
    on_merged: OnMerged = lambda *_: None,
) -> Loaded:
    return load(database, Screening(Source(io.BytesIO(data), name)), order or LoadOrder(), on_merged)


def load_path(database: Database, path: Path, order: LoadOrder | None = None) -> Loaded:
    with open_source(path, io.BytesIO()) as source:
        return load(database, Screening(source), order or LoadOrder())
