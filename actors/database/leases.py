"""Which brokers' books are open here, under which token and which lease."""

from __future__ import annotations

from actors.database.commit import Books
from actors.messages import BooksHeld, BooksOpened, PortfolioData
from persistence.database import Database

LEASE_TTL_S = 10.0


class Leases:
    """Takes, renews and gives back the leases of this process; used by the writer's thread alone.

    A token is given out once: whoever opens a broker's books again ends the token of before.

    Args:
        database: where the leases are.
        node: whose state directory is locked by this process; an earlier process of it is dead.
        incarnation: tells this process from earlier ones of the node.
        first_token: greater than any token given out before by this process.
    """

    def __init__(self, database: Database, node: str, incarnation: str, first_token: int) -> None:
        self._database = database
        self._node = node
        self._owner = f"{node}:{incarnation}"
        self._token = first_token
        self.books: dict[str, Books] = {}

    def open(self, broker: str) -> BooksOpened | BooksHeld:
        """Take the broker's lease and read its books, or say who holds it.

        Raises:
            Unavailable, Conflict: try again.
        """
        with self._database.writer_unit() as work:
            lease = work.leases.acquire(broker, self._owner, self._node, LEASE_TTL_S)
            holder = None if lease else work.leases.holder(broker)
            records = work.portfolios.load(broker) if lease else []
            work.commit()
        if lease is None:
            self.books.pop(broker, None)
            return BooksHeld(broker, holder.owner if holder else "", holder.epoch if holder else 0)
        self._token += 1
        self.books[broker] = Books(self._token, lease.epoch)
        portfolios = tuple(
            PortfolioData(one.strategy_id, one.positions, one.total_realized_pnl, one.cash) for one in records
        )
        return BooksOpened(broker, self._token, lease.owner, lease.epoch, portfolios)

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
        with self._database.writer_unit() as work:
            lost = [
                broker
                for broker, books in sorted(self.books.items())
                if not work.leases.renew(broker, self._owner, books.epoch, LEASE_TTL_S)
            ]
            work.commit()
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
