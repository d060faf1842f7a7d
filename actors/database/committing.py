"""Group commits: each written, or made smaller until it can be, or kept until the server is back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.database.announcement import Announcer
from actors.database.commit import poisoned
from actors.database.leases import Leases
from actors.database.outbox import Outbox
from actors.database.parking import Parking
from actors.database.transaction import Transactions, Written
from actors.dead_letter import ids_in
from actors.messages import CommitUnit
from actors.runtime.correlation import ids_of
from persistence.errors import Conflict, Poison, Unavailable

TOO_SLOW = "57014"
"""SQLSTATE query_canceled: the statement timeout; fewer units may be quick enough."""


class Committing:
    """For the writer's thread alone.

    Args:
        transactions: what writes them.
        leases: whose books are open.
        outbox: what is published and to be dropped.
        parking: where units wait while the server is away.
        announcer: who tells of what is committed.
        counted: called with every transaction that is committed, and the seconds that it took, before it is told of.
        log: the writer's.
        now: monotonic seconds.
    """

    def __init__(
        self,
        transactions: Transactions,
        leases: Leases,
        outbox: Outbox,
        parking: Parking,
        announcer: Announcer,
        counted: Callable[[Written, float], None],
        log: Any,
        now: Callable[[], float],
    ) -> None:
        self._transactions = transactions
        self._leases = leases
        self._outbox = outbox
        self._parking = parking
        self._announcer = announcer
        self._counted = counted
        self._log = log
        self._now = now

    def commit(self, units: list[CommitUnit]) -> None:
        """Commit the units and tell of it; what cannot be written now is parked."""
        began = self._now()
        try:
            written = self._transactions.write(units, self._leases.books, self._outbox.published)
        except (Unavailable, Conflict) as error:
            if error.sqlstate == TOO_SLOW and len(units) > 1:
                self._halve(units)
            else:
                self._parking.park(units, error)
        except Poison as error:
            self._isolate(units, error)
        else:
            self._outbox.dropped()
            self._counted(written, self._now() - began)
            self._announcer.announce(written)

    def _isolate(self, units: list[CommitUnit], error: Poison) -> None:
        """Halve the batch until the poison stands alone; it becomes a dead letter, everything else is written."""
        if len(units) > 1:
            self._halve(units)
            return
        unit = units[0]
        if unit.dead_letter is not None:
            raise error
        ids = {} if unit.delivery is None else ids_in(unit.delivery.data)
        place = {"consumer": unit.consumer, "broker": unit.broker, **ids, **ids_of(unit)}
        self._log.error("poison", **place, reason=str(error))
        self.commit([poisoned(unit, str(error), type(error).__name__)])
        if self._parking.units:
            self._parking.units = list(units)
        else:
            self._announcer.settle(unit)

    def _halve(self, units: list[CommitUnit]) -> None:
        half = len(units) // 2
        self.commit(units[:half])
        if self._parking.units:
            self._parking.units += units[half:]
        else:
            self.commit(units[half:])
