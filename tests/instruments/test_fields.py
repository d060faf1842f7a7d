"""What each column may hold, and that the pattern of whole lines lets through only what reading would."""

from __future__ import annotations

import csv
import re
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistence.instrument_file.fields import FIELDS
from persistence.instrument_file.layout import KITE, BadRow, layout_of

LAYOUT, _ = layout_of(",".join(KITE).encode())
DECIMALS = {"last_price", "strike", "tick_size"}


@pytest.mark.parametrize(
    ("column", "text", "stored"),
    [
        ("instrument_token", "2147483647", "2147483647"),
        ("instrument_token", "007", "7"),
        ("exchange_token", "0", "0"),
        ("name", "", ""),
        ("name", "Ω" * 200, "Ω" * 200),
        ("last_price", "-37.63", "-37.6300"),
        ("last_price", "0.30000000000000004", "0.3000"),
        ("last_price", "1E+3", "1000.0000"),
        ("strike", "99999999999.9999", "99999999999.9999"),
        ("strike", "24000.000000", "24000.0000"),
        ("tick_size", "", ""),
        ("lot_size", "", ""),
        ("lot_size", "0", "0"),
        ("expiry", "2024-02-29", "2024-02-29 00:00:00"),
        ("expiry", "2026-01-29T10:00:00Z", "2026-01-29 15:30:00"),
        ("tradingsymbol", "NIFTY 50", "NIFTY 50"),
    ],
)
def test_a_value_is_stored_as(column: str, text: str, stored: str) -> None:
    assert FIELDS[column].read(text) == stored


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("instrument_token", "", "instrument_token '' is no whole number"),
        ("instrument_token", "0", "instrument_token '0' is less than 1"),
        ("instrument_token", "12.5", "instrument_token '12.5' is no whole number"),
        ("instrument_token", "٣", "instrument_token '٣' is no whole number"),
        ("instrument_token", "2147483648", "instrument_token '2147483648' is beyond 32 bits (at most 2147483647)"),
        ("instrument_token", "9" * 5000, f"instrument_token '{'9' * 40}..' is beyond 32 bits (at most 2147483647)"),
        ("exchange_token", "-1", "exchange_token '-1' is less than 0"),
        ("lot_size", "-75", "lot_size '-75' is less than 0"),
        ("lot_size", "1e3", "lot_size '1e3' is no whole number"),
        (
            "last_price",
            "99999999999.99999",
            "last_price '99999999999.99999' is too large once it is rounded to 4 decimals",
        ),
        ("last_price", "1_000", "last_price '1_000' is no number"),
        ("strike", "١٢٣", "strike '١٢٣' is no number"),
        ("last_price", "NaN", "last_price 'NaN' is no number"),
        ("last_price", "Infinity", "last_price 'Infinity' is no number"),
        ("last_price", "1e400", "last_price '1e400' is too large (at most 11 digits before the point)"),
        ("strike", "-1", "strike '-1' is negative"),
        ("strike", "1.00001", "strike '1.00001' has more than 4 decimals"),
        ("tick_size", "1000000", "tick_size '1000000' is too large (at most 6 digits before the point)"),
        ("expiry", "2026-02-29", "expiry '2026-02-29' is no date"),
        ("expiry", "29/01/2026", "expiry '29/01/2026' is no date"),
        ("tradingsymbol", "", "tradingsymbol is empty"),
        ("tradingsymbol", "A" * 51, "tradingsymbol has 51 characters, at most 50 are stored"),
        ("name", "a\tb", "name 'a\\tb' has a control character"),
        ("exchange", "ELEVENCHARS", "exchange has 11 characters, at most 10 are stored"),
    ],
)
def test_a_value_is_refused_with_its_reason(column: str, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        FIELDS[column].read(text)


_numbers = st.one_of(
    st.integers(-(2**33), 2**33).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-(10**12), max_value=10**12).map(str),
    st.from_regex(r"[0-9]{0,12}(\.[0-9]{0,5})?", fullmatch=True),
)
_dates = st.one_of(st.dates().map(str), st.from_regex(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]", fullmatch=True))
_texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60)
_values = st.one_of(_numbers, _dates, _texts, st.just(""))


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line that is a row but for, perhaps, one value."""
    values = ["408065", "1594", "INFY", "INFOSYS", "1500.5", "2026-01-29", "0", "0.05", "1", "EQ", "NSE", "NSE"]
    values[draw(st.integers(0, 11))] = draw(_values)
    return ",".join(values).encode()


@given(lines())
def test_a_line_that_the_pattern_proves_means_the_same_when_it_is_read(line: bytes) -> None:
    proven = LAYOUT.run.fullmatch(line + b"\n") is not None

    try:
        read = next(csv.reader([LAYOUT.read(line).decode()]))
    except BadRow:
        assert not proven
    else:
        if proven:
            for column, raw, stored in zip(KITE, line.decode().split(","), read, strict=True):
                assert _meaning(column, raw) == _meaning(column, stored)


def _meaning(column: str, text: str) -> object:
    if not text:
        return text
    if column in DECIMALS:
        return Decimal(text)
    return datetime.fromisoformat(text) if column == "expiry" else text
