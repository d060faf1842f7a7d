"""The demo's proofs hold for true evidence, and each fails for the lie that it is there to find."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from console.demo.evidence import Event, Evidence
from console.demo.ledger import fold
from console.demo.proofs import prove
from persistence.records import PortfolioRecord

CASH = 1000


def fill(side: str, quantity: int, price: str, fees: str = "0") -> dict[str, Any]:
    return {
        "strategy_id": "s",
        "instrument_token": 7,
        "side": side,
        "quantity": quantity,
        "fill_price": price,
        "fees": fees,
    }


def events(signal: str, data: dict[str, Any]) -> tuple[Event, ...]:
    return (
        Event(f"{signal}-placed", "order_placed", signal, {}),
        Event(f"{signal}-filled", "order_filled", signal, data),
    )


@pytest.fixture
def evidence() -> Evidence:
    rows = (*events("a", fill("BUY", 2, "10", "1")), *events("b", fill("SELL", 1, "13", "0.5")))
    position = {"quantity": 1, "cost_basis": "10", "realized_pnl": "1.5"}
    portfolio = PortfolioRecord(
        "paper:s",
        "paper",
        "s",
        {"7": position},
        Decimal("1.5"),
        Decimal(3),
        Decimal("4.5"),
        Decimal("991.5"),
        datetime(2030, 1, 1, tzinfo=UTC),
    )
    return Evidence(("a", "b"), rows, rows, (portfolio,), 1, 0)


def failing(evidence: Evidence) -> set[str]:
    return {proof.claim for proof in prove(evidence, CASH) if not proof.holds}


def test_all_proofs_hold_for_true_evidence(evidence: Evidence) -> None:
    assert failing(evidence) == set()


def test_a_lost_signal_is_found(evidence: Evidence) -> None:
    lost = replace(evidence, signals=("a", "b", "c"))

    assert failing(lost) == {"each signal placed one order", "each signal was filled once"}


def test_a_signal_that_counted_twice_is_found(evidence: Evidence) -> None:
    again = (*evidence.rows, Event("b-filled-again", "order_filled", "b", fill("SELL", 1, "13", "0.5")))

    assert failing(replace(evidence, rows=again, published=again)) == {
        "each signal was filled once",
        "the books equal a recount of the fills",
    }


def test_an_event_that_was_booked_twice_is_found(evidence: Evidence) -> None:
    assert "no event was booked twice" in failing(replace(evidence, rows=(*evidence.rows, evidence.rows[0])))


@pytest.mark.parametrize("change", [slice(0, -1), slice(0, 0)])
def test_an_event_that_was_not_published_is_found(evidence: Evidence, change: slice) -> None:
    assert failing(replace(evidence, published=evidence.rows[change])) == {"each event was published once"}


def test_an_event_that_was_published_twice_is_found(evidence: Evidence) -> None:
    twice = (*evidence.published, evidence.published[0])

    assert failing(replace(evidence, published=twice)) == {"each event was published once"}


def test_a_message_that_differs_from_its_row_is_found(evidence: Evidence) -> None:
    first, *rest = evidence.published
    changed = (replace(first, data={"quantity": 3}), *rest)

    assert failing(replace(evidence, published=changed)) == {"what was published is what was booked"}


@pytest.mark.parametrize(
    "change",
    [
        {"cash": Decimal("991.50000001")},
        {"total_realized_pnl": Decimal("1.4")},
        {"strategy_id": "other"},
        {"positions": {}},
        {"positions": {"7": {"quantity": 2, "cost_basis": "10", "realized_pnl": "1.5"}}},
    ],
)
def test_books_that_differ_in_anything_are_found(evidence: Evidence, change: dict[str, Any]) -> None:
    wrong = replace(evidence, portfolios=(replace(evidence.portfolios[0], **change),))

    assert failing(wrong) == {"the books equal a recount of the fills"}


def test_an_actor_that_did_not_restart_and_dead_letters_are_found(evidence: Evidence) -> None:
    assert failing(replace(evidence, restarts=0, dead_letters=1)) == {
        "trading.paper crashed and came back",
        "no message was given up",
    }


def test_a_position_that_turns_around_is_closed_and_opened_anew() -> None:
    ledger = fold([fill("BUY", 3, "10"), fill("SELL", 5, "12"), fill("BUY", 1, "11")], CASH)["s"]

    holding = ledger.holdings["7"]
    assert (holding.quantity, holding.cost, holding.earned) == (-1, Fraction(-12), Fraction(7))
    assert ledger.cash == CASH - 30 + 60 - 11


def test_a_third_of_a_cost_is_rounded_and_the_rest_keeps_the_difference() -> None:
    holding = fold([fill("BUY", 3, "3.3333333333"), fill("BUY", 3, "3"), fill("SELL", 1, "4")], CASH)["s"].holdings["7"]

    assert holding.cost == Fraction("18.9999999999") - Fraction("3.1666666666")
