"""The envelopes that an executed signal leaves behind."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.brokers.paper import PaperBroker
from actors.trading.events import Recorded, record_execution, wire_time
from actors.trading.orders import Execution, Rejection, Signal, event_id, order_id
from actors.trading.portfolio import apply, open_portfolio
from settings import PaperTradingSettings
from tests.trading.samples import NOW, RELIANCE, signal

TIME = "2026-01-05T04:00:00.123456Z"
KEYS = [
    "id", "correlation_id", "causation_id", "trace_id", "parent_trace_id", "broker",
    "type", "ts", "key", "source", "version", "data",
]  # fmt: skip


def execute(one: Signal) -> Execution:
    return PaperBroker(PaperTradingSettings()).execute(one, None, NOW)


def record(one: Signal, execution: Execution | None = None) -> tuple[Recorded, ...]:
    execution = execution or execute(one)
    portfolio = open_portfolio("paper", "momentum", Decimal(1_000_000))
    for fill in execution.fills:
        portfolio = apply(portfolio, fill)
    return record_execution(one, execution, portfolio, NOW)


def envelope_of(one: Recorded) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(one.message.payload)
    return envelope


def test_a_filled_signal_leaves_an_order_a_fill_and_the_profit_in_that_order() -> None:
    assert [(one.row.event_type, one.message.subject) for one in record(signal())] == [
        ("order_placed", "paper.orders.submitted"),
        ("order_filled", "paper.orders.filled"),
        ("pnl_snapshot", "paper.pnl.snapshots"),
    ]


def test_a_refused_signal_leaves_only_a_failed_order() -> None:
    assert [(one.row.event_type, one.message.subject) for one in record(signal("HOLD"))] == [
        ("order_failed", "paper.orders.failed")
    ]


def test_every_fill_of_an_order_has_an_event_of_its_own_and_the_profit_comes_once() -> None:
    whole = execute(signal())
    halves = (replace(whole.fills[0], quantity=4), replace(whole.fills[0], quantity=6))

    events = record(signal(), Execution(whole.order, halves))

    assert [one.row.event_type for one in events] == [
        "order_placed",
        "order_filled",
        "order_filled",
        "pnl_snapshot",
    ]
    assert [envelope_of(one)["data"]["quantity"] for one in events[1:3]] == [4, 6]
    assert len({one.row.event_id for one in events}) == 4


def test_an_order_that_was_filled_in_part_is_placed_and_then_failed() -> None:
    whole = execute(signal())

    events = record(signal(), Execution(whole.order, whole.fills, Rejection("Cancelled by the exchange")))

    assert [one.row.event_type for one in events] == [
        "order_placed",
        "order_filled",
        "order_failed",
        "pnl_snapshot",
    ]


@pytest.mark.parametrize("one", [signal(), signal(trace_id=None), signal("HOLD"), signal(price=None)])
def test_every_envelope_is_a_child_of_its_signal_with_all_keys(one: Signal) -> None:
    for recorded in record(one):
        envelope, row = envelope_of(recorded), recorded.row
        assert list(envelope) == KEYS
        assert envelope["correlation_id"] == row.correlation_id == "correlation-1"
        assert envelope["causation_id"] == envelope["parent_trace_id"] == "signal-1"
        assert envelope["trace_id"] == one.trace_id
        assert (envelope["broker"], envelope["source"], envelope["version"]) == ("paper", "trading.paper", 1)
        assert envelope["ts"] == row.event_timestamp == TIME
        assert envelope["id"] == row.event_id == recorded.message.message_id
        assert envelope["type"] == row.event_type
        assert (row.strategy_id, row.instrument_token) == ("momentum", RELIANCE)
        assert json.loads(row.event_data) == envelope["data"]


def test_orders_are_keyed_by_their_signal_and_profit_by_its_portfolio() -> None:
    assert [envelope_of(one)["key"] for one in record(signal())] == [
        f"momentum:{RELIANCE}:{TIME}",
        f"momentum:{RELIANCE}:{TIME}",
        "portfolio_snapshot_paper:momentum",
    ]


def test_the_payloads_have_the_fields_of_alpha_panda_with_decimals_as_strings() -> None:
    placed, filled, profit = (envelope_of(one)["data"] for one in record(signal()))

    assert placed == {
        "order_id": order_id("paper", "signal-1"),
        "instrument_token": RELIANCE,
        "signal_type": "BUY",
        "quantity": 10,
        "price": "100.50",
        "timestamp": TIME,
        "broker": "paper",
        "status": "PLACED",
        "strategy_id": "momentum",
        "execution_mode": "paper",
    }
    assert filled == {
        "order_id": order_id("paper", "signal-1"),
        "instrument_token": RELIANCE,
        "quantity": 10,
        "fill_price": "100.550250",
        "timestamp": TIME,
        "broker": "paper",
        "side": "BUY",
        "strategy_id": "momentum",
        "signal_type": "BUY",
        "execution_mode": "paper",
        "fees": "1.005502500",
    }
    assert profit == {
        "broker": "paper",
        "instrument_token": None,
        "realized_pnl": "-1.005502500",
        "unrealized_pnl": "0.000000",
        "total_pnl": "-1.005502500",
        "timestamp": TIME,
    }


def test_a_failed_order_says_why_and_writes_a_missing_price_as_null() -> None:
    (failed,) = (envelope_of(one)["data"] for one in record(signal("SELL", price=None)))

    assert failed == {
        "strategy_id": "momentum",
        "instrument_token": RELIANCE,
        "signal_type": "SELL",
        "quantity": 10,
        "price": None,
        "order_id": order_id("paper", "signal-1"),
        "execution_mode": "paper",
        "error_message": "No price: the signal has none and no tick was seen",
        "timestamp": TIME,
        "broker": "paper",
    }


def test_a_signal_that_is_handled_again_leaves_the_same_ids() -> None:
    assert [one.row.event_id for one in record(signal())] == [one.row.event_id for one in record(signal())]


def test_ids_never_change_between_releases() -> None:
    assert event_id("paper", "signal-1", "order_filled", 1) == "e60a5d0f-e979-51aa-9ac2-666762d3b9bd"
    assert order_id("paper", "signal-1") == "9c2ae215-1ead-5cb8-9a37-4c6ed55f946d"


def test_ids_differ_by_broker_signal_type_and_ordinal() -> None:
    ids = {
        event_id("paper", "signal-1", "order_filled"),
        event_id("zerodha", "signal-1", "order_filled"),
        event_id("paper", "signal-2", "order_filled"),
        event_id("paper", "signal-1", "order_failed"),
        event_id("paper", "signal-1", "order_filled", 1),
        order_id("paper", "signal-1"),
    }

    assert len(ids) == 6
    assert all(uuid.UUID(one).version == 5 for one in ids)


def test_times_are_written_in_utc_with_microseconds() -> None:
    assert wire_time(NOW.replace(microsecond=0)) == "2026-01-05T04:00:00.000000Z"
