"""What `replay` publishes: price bars as ticks and signals, or messages as they were recorded; pure."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from actors.gateway.subjects import TICKS, validated_signals
from actors.rows import OutboundMessage
from console.envelope import complete, outbound, templates
from console.failure import USAGE, Failure

COLUMNS = ("symbol", "date", "open", "high", "low", "close", "volume")
FIRST_TOKEN = 1001
STRATEGY = "replay"
QUANTITY = 10
SOURCE = "replay"

_NAMESPACE = uuid.UUID("0c4e1a52-7a5b-5c9c-8f43-5e1f6a7d2b90")


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of one instrument. `token` numbers the symbols in order of first appearance."""

    symbol: str
    token: int
    day: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


def read_bars(text: str, name: str) -> list[Bar]:
    """The bars of a CSV text, by date; those of one day in order of appearance.

    Raises:
        Failure: a column or a value is missing or wrong; the line is named.
    """
    reader = csv.DictReader(io.StringIO(text))
    if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
        raise Failure(f"{name} line 1: no column {', '.join(missing)}; the columns are {','.join(COLUMNS)}", USAGE)
    tokens: dict[str, int] = {}
    bars = []
    for row in reader:
        try:
            token = tokens.setdefault(row["symbol"], FIRST_TOKEN + len(tokens))
            bars.append(_bar(row, token))
        except (ValueError, TypeError, InvalidOperation):
            raise Failure(f"{name} line {reader.line_num}: not a bar; it needs {','.join(COLUMNS)}", USAGE) from None
    return sorted(bars, key=lambda bar: bar.day)


def bar_messages(bars: Sequence[Bar], broker: str, name: str, run_id: str) -> Iterator[OutboundMessage]:
    """A tick and then a signal for each bar: BUY 10 at the close of a day that closed above its open, else SELL 10.

    The ids follow from `name`, symbol, day and `run_id`, so the same replay repeated trades nothing twice.
    """
    for bar in bars:
        identity = f"{run_id}:{name}:{bar.symbol}:{bar.day.date()}"
        yield _message(TICKS, _tick(bar), str(uuid.uuid5(_NAMESPACE, f"{identity}:tick")))
        yield _message(validated_signals(broker), _signal(bar), str(uuid.uuid5(_NAMESPACE, f"{identity}:signal")))


def recorded_messages(text: bytes, name: str) -> list[OutboundMessage]:
    """The messages of JSON lines of `{"subject": .., "message": ..}`, completed as `inject` does.

    Raises:
        Failure: a line is something else.
    """
    messages: list[OutboundMessage] = []
    for number, template in enumerate(templates(text, name), 1):
        value = template.value
        if not isinstance(value, dict) or not isinstance(value.get("subject"), str) or "message" not in value:
            raise Failure(f'{name} record {number}: needs {{"subject": .., "message": ..}}', USAGE)
        inner = templates(orjson.dumps(value["message"]), name)
        messages.extend(outbound(inner, value["subject"], 1))
    return messages


def _bar(row: dict[str, str], token: int) -> Bar:
    prices = [Decimal(row[name]) for name in ("open", "high", "low", "close")]
    if not row["symbol"] or not all(price.is_finite() and price > 0 for price in prices):
        raise ValueError("not a price")
    day = datetime.fromisoformat(row["date"]).replace(tzinfo=UTC)
    opening, high, low, close = prices
    return Bar(row["symbol"], token, day, opening, high, low, close, int(row["volume"]))


def _tick(bar: Bar) -> dict[str, Any]:
    ohlc = {"open": str(bar.open), "high": str(bar.high), "low": str(bar.low), "close": str(bar.close)}
    data = {
        "instrument_token": bar.token,
        "last_price": str(bar.close),
        "timestamp": bar.day.isoformat().replace("+00:00", "Z"),
        "volume_traded": bar.volume,
        "ohlc": ohlc,
    }
    return {"type": "market_tick", "source": SOURCE, "data": data}


def _signal(bar: Bar) -> dict[str, Any]:
    timestamp = bar.day.isoformat().replace("+00:00", "Z")
    original = {
        "strategy_id": STRATEGY,
        "instrument_token": bar.token,
        "signal_type": "BUY" if bar.close > bar.open else "SELL",
        "quantity": QUANTITY,
        "price": str(bar.close),
        "timestamp": timestamp,
    }
    data = {
        "original_signal": original,
        "validated_quantity": QUANTITY,
        "validated_price": str(bar.close),
        "timestamp": timestamp,
    }
    return {"type": "validated_signal", "source": SOURCE, "data": data}


def _message(subject: str, value: dict[str, Any], identity: str) -> OutboundMessage:
    return OutboundMessage(subject, identity, orjson.dumps(complete(value, subject, identity, datetime.now(UTC))))
