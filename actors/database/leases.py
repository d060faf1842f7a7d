"""Which brokers' books are open here, under which token and which lease."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from actors.database.commit import Books
from actors.messages import BooksHeld, BooksOpened, PortfolioData
from actors.tenure import NEVER, Tenure
from persistence.database import Database
from persistence.records import LeftOut

LEASE_TTL_S = 10.0
MARGIN_S = 2.0
"""Before its end a lease is not relied on any more, as the clocks of two hosts run at different speeds."""


class Leases:
    """Takes, renews and gives back the leases of this process; used by the writer's thread alone.

    A token is given out once: whoever opens a broker's books again ends the token of before.

    Args:
        database: where the leases are.
        node: whose state directory is locked by this process; an earlier process of it is dead.
        incarnation: tells this process from earlier ones of the node.
        first_token: greater than any token given out before by this process.
        monotonic: seconds, also while the process stands still.
    """

    def __init__(
        self, database: Database, node: str, incarnation: str, first_token: int, monotonic: Callable[[], float]
    ) -> None:
        self._database = database
        self._node = node
        self._owner = f"{node}:{incarnation}"
        self._token = first_token
        self._monotonic = monotonic
        self.books: dict[str, Books] = {}
        self.tenures: dict[str, Tenure] = {}
        """By broker, the last lease that there was; replaced whole."""

    def open(self, broker: str) -> BooksOpened | BooksHeld:
        """Take the broker's lease and read its books, or say who holds it.

        Raises:
            Unavailable, Conflict: try again.
        """
        until = self._reliable_until()
        with self._database.writer_unit() as work:
            lease = work.leases.acquire(broker, self._owner, self._node, LEASE_TTL_S)
            holder = None if lease else work.leases.holder(broker)
            records = work.portfolios.load(broker) if lease else []
            left_out = work.portfolios.left_out(broker) if lease else LeftOut(0, ())
            work.commit()
        if lease is None:
            self.books.pop(broker, None)
            self._end([broker])
            return BooksHeld(broker, holder.owner if holder else "", holder.epoch if holder else 0)
        self._token += 1
        self.books[broker] = Books(self._token, lease.epoch)
        before = self.tenures.get(broker)
        reign = before.reign if before is not None and lease.epoch == before.epoch + 1 else lease.epoch
        self.tenures = self.tenures | {broker: Tenure(reign, lease.epoch, until)}
        portfolios = tuple(
            PortfolioData(
                one.strategy_id, one.positions, one.total_realized_pnl, one.cash, one.portfolio_id, one.row_id
            )
            for one in records
        )
        return BooksOpened(
            broker, self._token, lease.owner, lease.epoch, portfolios, reign, left_out.count, left_out.names
        )

    def close(self, broker: str) -> int | None:
        """End the broker's token; returns it if there was one. The lease is kept until it expires or is given back."""
        books = self.books.pop(broker, None)
        return None if books is None else books.token

    def renew(self) -> list[str]:
        """Renew every lease; returns the brokers whose lease is lost.

        Raises:
            Unavailable, Conflict: try again.
        """
        if not self.books:
            return []
        until = self._reliable_until()
        with self._database.writer_unit() as work:
            lost = [
                broker
                for broker, books in sorted(self.books.items())
                if not work.leases.renew(broker, self._owner, books.epoch, LEASE_TTL_S)
            ]
            work.commit()
        renewed = {broker: replace(self.tenures[broker], until=until) for broker in self.books}
        self.tenures = self.tenures | renewed
        self._end(lost)
        return lost

    def give_back(self) -> None:
        """Let another process take over at once.

        Raises:
            Unavailable, Conflict: the leases will expire.
        """
        with self._database.writer_unit() as work:
            for broker, books in self.books.items():
                work.leases.release(broker, self._owner, books.epoch)
            work.commit()
        self.books.clear()
        self._end(self.tenures)

    def _reliable_until(self) -> float:
        """The end of a lease that is asked for now."""
        return self._monotonic() + LEASE_TTL_S - MARGIN_S

    def _end(self, brokers: Iterable[str]) -> None:
        ended = {broker: replace(self.tenures[broker], until=NEVER) for broker in brokers if broker in self.tenures}
        self.tenures = self.tenures | ended
