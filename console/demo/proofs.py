"""What must be true after the demo, whatever happened in between; pure, over the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from console.demo.evidence import Event, Evidence
from console.demo.ledger import Ledger, fold
from persistence.records import PortfolioRecord

PLACED, FILLED = "order_placed", "order_filled"


@dataclass(frozen=True, slots=True)
class Proof:
    """A claim, what was found, and whether it holds."""

    claim: str
    found: str
    holds: bool


def prove(evidence: Evidence, starting_cash: int) -> list[Proof]:
    """Every claim, those that fail included."""
    return [
        *_each_signal_once(evidence),
        *_each_event_once(evidence),
        _books_equal_fills(evidence, starting_cash),
        Proof("trading.paper crashed and came back", f"{evidence.restarts} restart(s)", evidence.restarts >= 1),
        Proof("no message was given up", f"{evidence.dead_letters} in the .dlq streams", evidence.dead_letters == 0),
    ]


def _each_signal_once(evidence: Evidence) -> Iterator[Proof]:
    wanted = sorted(evidence.signals)
    for kind, claim in ((PLACED, "each signal placed one order"), (FILLED, "each signal was filled once")):
        signals = sorted(row.signal_id for row in evidence.rows if row.event_type == kind)
        yield Proof(claim, f"{len(wanted)} signals, {len(signals)} {kind}", signals == wanted)


def _each_event_once(evidence: Evidence) -> Iterator[Proof]:
    rows, published = evidence.rows, evidence.published
    ids = {row.event_id for row in rows}
    yield Proof("no event was booked twice", f"{len(rows)} rows, {len(ids)} ids", len(ids) == len(rows))
    sent = {message.event_id for message in published}
    once = len(sent) == len(published) and sent == ids
    yield Proof("each event was published once", f"{len(published)} messages, {len(sent)} ids", once)
    different = _different(rows, published)
    yield Proof("what was published is what was booked", f"{different} differ", different == 0)


def _different(rows: tuple[Event, ...], published: tuple[Event, ...]) -> int:
    """How many messages say something else than their row."""
    booked = {row.event_id: row for row in rows}
    return sum(booked.get(message.event_id) != message for message in published)


def _books_equal_fills(evidence: Evidence, starting_cash: int) -> Proof:
    fills = [row.data for row in evidence.rows if row.event_type == FILLED]
    ledgers = fold(fills, starting_cash)
    stored = {portfolio.strategy_id: portfolio for portfolio in evidence.portfolios}
    equal = ledgers.keys() == stored.keys() and all(_equal(ledgers[name], stored[name]) for name in stored)
    return Proof("the books equal a recount of the fills", f"{len(fills)} fills, {len(stored)} portfolio(s)", equal)


def _equal(ledger: Ledger, stored: PortfolioRecord) -> bool:
    """Whether cash, profit and every holding agree to the last digit."""
    return (
        ledger.cash == Fraction(stored.cash)
        and ledger.earned == Fraction(stored.total_realized_pnl)
        and ledger.holdings.keys() == stored.positions.keys()
        and all(
            holding.quantity == stored.positions[token]["quantity"]
            and holding.cost == Fraction(stored.positions[token]["cost_basis"])
            and holding.earned == Fraction(stored.positions[token]["realized_pnl"])
            for token, holding in ledger.holdings.items()
        )
    )
