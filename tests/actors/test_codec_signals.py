"""Signals at the edge: a good one comes in typed, a bad one is refused with the field that is wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from actors.gateway.codec import (
    BadMessage,
    decode_signal,
)
from actors.messages import ExecuteSignal, Signal
from tests.actors.messages import (
    NOW,
    changed,
    delivery,
    signal,
    wire,
)

ENVELOPE_KEYS = [
    "id",
    "correlation_id",
    "causation_id",
    "trace_id",
    "parent_trace_id",
    "broker",
    "type",
    "ts",
    "key",
    "source",
    "version",
    "data",
]


def refusal_of_signal(message: Any) -> str:
    data = message if isinstance(message, bytes) else wire(message)
    with pytest.raises(BadMessage) as caught:
        decode_signal(delivery(data), "paper")
    return str(caught.value)


class TestSignal:
    def test_a_good_one_comes_in_typed(self) -> None:
        one = delivery(wire(signal()))

        assert decode_signal(one, "paper") == ExecuteSignal(
            one,
            Signal(
                signal_id="019b8c2f-0000-7000-8000-000000000001",
                correlation_id="correlation 1",
                trace_id="trace 1",
                broker="paper",
                strategy_id="momentum",
                instrument_token=256265,
                side="BUY",
                quantity=8,
                price=Decimal("100.25"),
                order_type="market",
                timestamp=NOW,
            ),
        )

    @pytest.mark.parametrize("name", ENVELOPE_KEYS)
    def test_of_the_envelope_only_what_may_be_null_may_be_missing(self, name: str) -> None:
        data = wire(changed(signal(), name, ...))

        if name in {"causation_id", "trace_id", "parent_trace_id", "version"}:
            assert decode_signal(delivery(data), "paper").signal.quantity == 8
        else:
            assert refusal_of_signal(data) == f"{name}: Field required"

    @pytest.mark.parametrize(
        "path",
        [
            "data.original_signal",
            "data.original_signal.strategy_id",
            "data.original_signal.instrument_token",
            "data.original_signal.signal_type",
            "data.original_signal.quantity",
            "data.original_signal.timestamp",
            "data.validated_quantity",
            "data.timestamp",
        ],
    )
    def test_a_missing_field_is_named(self, path: str) -> None:
        assert refusal_of_signal(changed(signal(), path, ...)) == f"{path}: Field required"

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("id", ""),
            ("id", "x" * 65),
            ("id", 5),
            ("id", None),
            ("correlation_id", None),
            ("correlation_id", "x" * 65),
            ("causation_id", 7),
            ("trace_id", ["x"]),
            ("broker", ""),
            ("broker", None),
            ("type", "trading_signal"),
            ("ts", "yesterday"),
            ("ts", "2026-01-05T04:00:00"),
            ("ts", "2026-01-05"),
            ("ts", None),
            ("ts", True),
            ("key", None),
            ("source", 1),
            ("version", "one"),
            ("version", True),
            ("data", None),
            ("data", []),
            ("data", "{}"),
            ("data.original_signal", None),
            ("data.original_signal.strategy_id", ""),
            ("data.original_signal.strategy_id", "x" * 256),
            ("data.original_signal.instrument_token", -1),
            ("data.original_signal.instrument_token", 2**31),
            ("data.original_signal.instrument_token", 1.5),
            ("data.original_signal.instrument_token", True),
            ("data.original_signal.instrument_token", "NIFTY"),
            ("data.original_signal.signal_type", "buy"),
            ("data.original_signal.signal_type", "SHORT"),
            ("data.original_signal.quantity", 0),
            ("data.original_signal.quantity", -1),
            ("data.original_signal.price", "0"),
            ("data.original_signal.metadata", []),
            ("data.validated_quantity", 0),
            ("data.validated_quantity", -8),
            ("data.validated_quantity", 0.5),
            ("data.validated_quantity", True),
            ("data.validated_quantity", None),
            ("data.validated_quantity", 10**12 + 1),
            ("data.validated_quantity", "ten"),
            ("data.validated_price", 0),
            ("data.validated_price", "0.00"),
            ("data.validated_price", "-1"),
            ("data.validated_price", -0.01),
            ("data.validated_price", "NaN"),
            ("data.validated_price", "sNaN"),
            ("data.validated_price", "Infinity"),
            ("data.validated_price", "-Infinity"),
            ("data.validated_price", "1e999999999"),
            ("data.validated_price", "1" * 39),
            ("data.validated_price", "hundred"),
            ("data.validated_price", ""),
            ("data.validated_price", True),
            ("data.validated_price", {}),
            ("data.timestamp", "0001-01-01T00:00:00+14:00"),
            ("data.timestamp", "9999-12-31T23:59:59-14:00"),
        ],
    )
    def test_a_wrong_value_is_refused_by_the_name_of_its_field(self, path: str, value: Any) -> None:
        assert refusal_of_signal(changed(signal(), path, value)).startswith(f"{path}: ")

    def test_every_wrong_field_is_named_at_once(self) -> None:
        twice = changed(changed(signal(), "id", ""), "ts", "yesterday")

        assert re.match(r"^id: .+; ts: .+$", refusal_of_signal(twice))

    def test_another_brokers_signal_is_refused(self) -> None:
        text = refusal_of_signal(changed(signal(), "broker", "zerodha"))

        assert text == "broker: the envelope's does not match the subject paper.signals.validated"

    @pytest.mark.parametrize("price", ["100.1", 100.1, "1.001E+2", "100.10"])
    def test_a_decimal_may_be_a_number_or_a_string(self, price: Any) -> None:
        decoded = decode_signal(delivery(wire(changed(signal(), "data.validated_price", price))), "paper")

        assert decoded.signal.price == Decimal(str(price))

    @pytest.mark.parametrize("price", [0.1 + 0.2, 100.10000000000001, 1e-7, 123456.789012345])
    def test_a_float_is_taken_by_its_shortest_digits(self, price: float) -> None:
        decoded = decode_signal(delivery(wire(changed(signal(), "data.validated_price", price))), "paper")

        assert decoded.signal.price == Decimal(repr(price))

    @pytest.mark.parametrize(
        ("validated", "original", "price"),
        [("99", "100", Decimal(99)), (None, "100", Decimal(100)), (None, None, None)],
    )
    def test_the_validated_price_goes_before_the_original_one(
        self, validated: str | None, original: str | None, price: Decimal | None
    ) -> None:
        message = changed(signal(), "data.validated_price", validated)
        message = changed(message, "data.original_signal.price", original)

        assert decode_signal(delivery(wire(message)), "paper").signal.price == price

    def test_extra_fields_are_no_concern(self) -> None:
        message = changed(changed(signal(), "extra", [1]), "data.original_signal.extra", {"x": 1})

        assert decode_signal(delivery(wire(message)), "paper").signal.quantity == 8

    def test_times_of_any_zone_come_in_as_utc(self) -> None:
        message = changed(signal(), "data.timestamp", "2026-01-05T09:30:00+05:30")

        timestamp = decode_signal(delivery(wire(message)), "paper").signal.timestamp

        assert (timestamp, timestamp.tzinfo) == (datetime(2026, 1, 5, 4, tzinfo=UTC), UTC)

    def test_the_order_type_comes_from_the_metadata(self) -> None:
        message = changed(signal(), "data.original_signal.metadata", {"order_type": "limit"})

        assert decode_signal(delivery(wire(message)), "paper").signal.order_type == "limit"
