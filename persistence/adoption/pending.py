"""What the revisions lock that a database of this program has ahead of it, and for how long: the plan of an upgrade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from persistence.adoption.connection import Patience
from persistence.adoption.plan import Waits


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock on a table, which a revision holds until it is committed."""

    table: str
    lock: str = "ACCESS EXCLUSIVE"
    waits: Waits = Waits.EVERYBODY
    rows_per_s: int = 0
    """How many rows are dealt with meanwhile; 0 where it takes an instant, whatever there is."""
    copied_beyond: int = 0
    """With more rows than that the table is copied beside, as in an adoption, and locked no longer than there."""


HOLDS: Mapping[str, tuple[Hold, ...]] = {
    "0003": (),
    "0004": (Hold("dead_letters"),),
    "0005": (
        Hold("instruments"),
        Hold("portfolio_snapshots"),
        Hold("strategy_configurations"),
        Hold("trading_events"),
        Hold("trading_sessions"),
        Hold("users"),
    ),
    "0006": (Hold("trading_sessions", rows_per_s=700_000),),
    "0007": (Hold("instruments", "SHARE", Waits.WRITERS, rows_per_s=150_000),),
    "0008": (Hold("trading_events", rows_per_s=140_000, copied_beyond=100_000),),
    "0009": (Hold("inbox", rows_per_s=1_500_000),),
}
"""By revision, in the order in which it takes them. None before 0003 is ahead of a database of this program: what is at
0001 is adopted."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A revision that is ahead. `work_s` is estimated."""

    revision: str
    holds: tuple[Hold, ...]
    work_s: float
    copied: tuple[str, ...]
    """The tables that are copied beside."""

    def longest_s(self, patience: Patience) -> float:
        """How long one statement on its tables waits at the most: for each of its locks, and until it is done."""
        if self.copied:
            return patience.longest_s
        return len(self.holds) * patience.insistent_lock_s + self.work_s


def worked_on(ahead: Sequence[str]) -> frozenset[str]:
    """The tables whose rows decide how long these revisions take."""
    return frozenset(hold.table for revision in ahead for hold in HOLDS[revision] if hold.rows_per_s)


def pending(ahead: Sequence[str], relations: frozenset[str], rows: Mapping[str, int]) -> tuple[Pending, ...]:
    """What is ahead of a database with these relations, and so many rows in them."""
    return tuple(
        _pending(revision, tuple(hold for hold in HOLDS[revision] if hold.table in relations), rows)
        for revision in ahead
    )


def _pending(revision: str, holds: tuple[Hold, ...], rows: Mapping[str, int]) -> Pending:
    work_s = sum(rows.get(hold.table, 0) / hold.rows_per_s for hold in holds if hold.rows_per_s)
    copied = tuple(hold.table for hold in holds if 0 < hold.copied_beyond < rows.get(hold.table, 0))
    return Pending(revision, holds, work_s, copied)
