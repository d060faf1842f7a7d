"""What the paper broker makes of a signal."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.brokers.paper import MAX_QUANTITY, NO_PRICE, PaperBroker
from actors.trading.orders import Side, Signal, SignalSide, order_id
from settings import PaperTradingSettings
from tests.trading.samples import NOW, signal

BROKER = PaperBroker(PaperTradingSettings())


@pytest.mark.parametrize(
    ("side", "quantity", "price", "tick", "slippage", "commission", "fill_price", "fees"),
    [
        pytest.param("BUY", 10, "100.50", None, "0.05", "0.1", "100.55025", "1.0055025", id="buy pays more"),
        pytest.param("SELL", 10, "100.50", None, "0.05", "0.1", "100.44975", "1.0044975", id="sell gets less"),
        pytest.param("BUY", 10, "100", "90", "0", "0", "100", "0", id="signal price before tick"),
        pytest.param("BUY", 10, None, "90", "0.05", "0.1", "90.045", "0.90045", id="tick without signal price"),
        pytest.param("SELL", 3, "0.05", None, "50", "0", "0.025", "0", id="great slippage"),
        pytest.param("BUY", 7, "0.3333", None, "0.01", "0.03", "0.33333333", "0.000699999993", id="all digits"),
    ],
)
def test_a_market_order_is_filled_in_full_at_the_exact_price(
    side: SignalSide,
    quantity: int,
    price: str | None,
    tick: str | None,
    slippage: str,
    commission: str,
    fill_price: str,
    fees: str,
) -> None:
    settings = PaperTradingSettings(slippage_percent=Decimal(slippage), commission_percent=Decimal(commission))
    last_price = None if tick is None else Decimal(tick)

    execution = PaperBroker(settings).execute(signal(side, quantity, price), last_price, NOW)

    (fill,) = execution.fills
    assert execution.rejection is None
    assert (fill.side, fill.quantity) == (Side(side), quantity)
    assert (fill.price, fill.fees) == (Decimal(fill_price), Decimal(fees))


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (signal("HOLD"), "HOLD places no order"),
        (signal(price=None), NO_PRICE),
        (signal(order_type="limit"), "Order type 'limit' is not supported by the paper broker yet"),
        (signal(order_type="stop"), "Order type 'stop' is not supported by the paper broker yet"),
        (signal(quantity=0), "Quantity below minimum"),
        (signal(quantity=-5), "Quantity below minimum"),
        (signal(quantity=MAX_QUANTITY + 1), "Quantity exceeds maximum"),
        (signal(price="0"), "Price below minimum"),
        (signal(price="-1"), "Price below minimum"),
        (signal(price="NaN"), "Price below minimum"),
        (signal(price="Infinity"), "Price below minimum"),
        (signal(price="1E+40"), "Price or quantity has too many digits to be booked exactly"),
        (signal(price="0." + "3" * 60), "Price or quantity has too many digits to be booked exactly"),
        (signal(price="0." + "3" * 200), "Price or quantity has too many digits to be booked exactly"),
    ],
)
def test_an_order_that_cannot_be_filled_is_rejected_with_the_reason(one: Signal, reason: str) -> None:
    execution = BROKER.execute(one, None, NOW)

    assert execution.fills == ()
    assert not execution.was_placed
    assert execution.rejection is not None
    assert execution.rejection.reason == reason


def test_a_market_order_is_recognised_in_any_case() -> None:
    assert BROKER.execute(signal(order_type="MARKET"), None, NOW).was_placed


def test_a_sale_of_what_is_not_held_is_a_short_and_is_filled() -> None:
    assert BROKER.execute(signal("SELL"), None, NOW).was_placed


def test_an_order_is_not_refused_for_lack_of_cash() -> None:
    poor = PaperBroker(PaperTradingSettings(starting_cash=Decimal(0)))

    assert poor.execute(signal(quantity=1_000_000), None, NOW).was_placed


def test_the_same_signal_asks_for_the_same_order_at_the_given_time() -> None:
    first, second = (BROKER.execute(signal(), None, NOW) for _ in range(2))

    assert first == second
    assert first.order.order_id == first.fills[0].order_id == order_id("paper", "signal-1")
    assert first.order.timestamp == first.fills[0].timestamp == NOW
    assert first.order.price == Decimal("100.50")
