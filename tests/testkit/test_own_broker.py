"""How one tests a broker of one's own: by itself, in its trading actor, and when it fails. See testing-actors.md."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.brokers.protocol import Broker
from actors.messages import (
    BooksOpened,
    BrokerOpened,
    CommitUnit,
    CrashedOn,
    Delivery,
    ExecuteSignal,
    GetTicks,
    OpenBooks,
    Tick,
    Ticks,
)
from actors.runtime.child import ChildSpec
from actors.runtime.tree import Status
from actors.testkit import Gate, Injected, Neighbour, Stepper, faulty, running_tree
from actors.trading.actor import TradingActor
from tests.testkit.flat_fee import FlatFeeBroker
from tests.trading.samples import NOW, RELIANCE, signal

PRICE = Ticks((Tick(RELIANCE, Decimal(100), NOW),))
BROKER = FlatFeeBroker(Decimal(20), lot=5)


def order(number: int, quantity: int = 10) -> ExecuteSignal:
    """A signal for the broker, as the gateway hands it over."""
    name = f"signal-{number}"
    delivery = Delivery("trading-flat", "FLAT_SIGNALS", number, "flat.signals.validated", "", 1, NOW)
    return ExecuteSignal(delivery, replace(signal("BUY", quantity, None, signal_id=name), broker="flat"))


def trading(broker: Broker) -> Stepper:
    """The trading actor of the broker, with its books open."""
    gateway = Neighbour("gateway")
    gateway.answers(GetTicks, PRICE)
    stepper = Stepper(lambda context: TradingActor(context, broker, Decimal(1000)), "database", gateway)
    open_books(stepper)
    stepper.tell(PRICE)
    return stepper


def open_books(stepper: Stepper) -> None:
    stepper["database"].expect_all(OpenBooks("flat", stepper.name))
    stepper.tell_control(BooksOpened("flat", stepper.generation, "me", 1, ()))
    stepper.step()
    stepper["gateway"].expect(BrokerOpened)


def kinds(unit: CommitUnit) -> list[str]:
    return [str(event.event_type) for event in unit.events]


def test_a_refusal_is_an_execution_and_no_exception() -> None:
    execution = BROKER.execute(order(1, quantity=7).signal, Decimal(100), NOW)

    assert execution.rejection is not None
    assert execution.rejection.reason == "7 is no multiple of 5"


def test_the_same_signal_asks_for_the_same_order() -> None:
    first, again = (BROKER.execute(order(1).signal, Decimal(100), NOW) for _ in range(2))

    assert first == again


def test_its_fill_is_committed_with_its_fee() -> None:
    stepper = trading(BROKER)

    stepper.tell(order(1))
    stepper.run()

    unit = stepper["database"].expect(CommitUnit)
    assert (unit.message_id, unit.books_token) == ("signal-1", 1)
    assert kinds(unit)[:2] == ["order_placed", "order_filled"]
    assert unit.portfolio is not None


def test_a_broker_that_raises_crashes_its_actor_and_the_signal_is_the_successors_first() -> None:
    stepper = trading(faulty(BROKER, "execute", nth=2, fault=ConnectionError("gone")))
    stepper.tell(order(1))
    stepper.tell(order(2))
    stepper.tell(order(3))

    with pytest.raises(ConnectionError):
        stepper.run()
    stepper.restart()
    open_books_again(stepper)
    stepper.run()

    committed = [unit.message_id for unit in stepper["database"].pending()]
    assert committed == ["signal-2", "signal-3"]


def test_a_signal_that_crashes_the_successor_too_is_given_up_and_the_next_one_trades() -> None:
    stepper = trading(faulty(BROKER, "execute", nth=range(2, 4), fault=ConnectionError("gone")))
    for number in range(1, 4):
        stepper.tell(order(number))
    with pytest.raises(ConnectionError):
        stepper.run()
    stepper.restart()
    open_books_again(stepper)

    with pytest.raises(ConnectionError):
        stepper.run()

    assert stepper["gateway"].expect(CrashedOn).delivery == order(2).delivery
    stepper.restart()
    stepper["gateway"].expect(GetTicks)
    open_books(stepper)
    stepper.run()
    assert [unit.message_id for unit in stepper["database"].pending()] == ["signal-3"]


def open_books_again(stepper: Stepper) -> None:
    """What a restart after the crash on the second signal takes."""
    assert stepper["database"].expect(CommitUnit).message_id == "signal-1"
    stepper["gateway"].expect(GetTicks)
    open_books(stepper)


def test_when_the_answer_is_lost_nothing_was_committed() -> None:
    stepper = trading(faulty(BROKER, "execute", after=True))
    stepper.tell(order(1))

    with pytest.raises(Injected, match="after execute 1"):
        stepper.run()

    stepper["database"].expect_nothing()


def test_a_broker_that_hangs_is_abandoned_and_its_successor_trades_on() -> None:
    gate, database, gateway = Gate(), Neighbour("database"), Neighbour("gateway")
    gateway.answers(GetTicks, PRICE)
    hanging = faulty(BROKER, "execute", nth=1, fault=gate)
    spec = ChildSpec("trading.flat", lambda context: TradingActor(context, hanging, Decimal(1000)), handler_budget_s=5)

    with running_tree(spec, neighbours=(database, gateway)) as grove:
        grove.gate(gate)
        for generation in (1, 2):
            database.expect_all(OpenBooks("flat", "trading.flat"))
            grove["trading.flat"].tell_control(BooksOpened("flat", generation, "me", 1, ()))
            grove["trading.flat"].tell(order(generation))
            if generation == 1:
                gate.wait_entered()
                grove.advance(7)
                grove.revive("trading.flat")

        assert database.expect(CommitUnit).message_id == "signal-2"
        assert grove.child("trading.flat").last_error == "handler exceeded 5 s"
        grove.until_status("trading.flat", Status.RUNNING, 2)
