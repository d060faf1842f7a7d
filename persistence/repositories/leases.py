"""Who may act for a broker account: one owner at a time, told apart by a growing epoch.

All times are the database's (`clock_timestamp()`), so the clocks of hosts do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from persistence.records import LeaseRecord

_ACQUIRE = text("""
    INSERT INTO broker_leases AS held (broker, owner, epoch, expires_at)
    VALUES (:broker, :owner, 1, clock_timestamp() + :ttl_s * interval '1 second')
    ON CONFLICT (broker) DO UPDATE
    SET owner = excluded.owner,
        epoch = held.epoch + 1,
        expires_at = clock_timestamp() + :ttl_s * interval '1 second'
    WHERE held.expires_at < clock_timestamp() OR starts_with(held.owner, :node || ':')
    RETURNING broker, owner, epoch, expires_at
""")
_HOLDER = text("""
    SELECT broker, owner, epoch, expires_at FROM broker_leases
    WHERE broker = :broker AND expires_at > clock_timestamp()
""")
_ANY = text("SELECT EXISTS (SELECT FROM broker_leases WHERE expires_at > clock_timestamp())")
_RENEW = text("""
    UPDATE broker_leases SET expires_at = clock_timestamp() + :ttl_s * interval '1 second'
    WHERE broker = :broker AND owner = :owner AND epoch = :epoch AND expires_at > clock_timestamp()
""")
_FENCE = text("""
    SELECT held.broker FROM broker_leases AS held
    JOIN unnest(CAST(:brokers AS text[]), CAST(:epochs AS bigint[])) AS mine (broker, epoch)
      ON held.broker = mine.broker AND held.epoch = mine.epoch
    ORDER BY held.broker FOR SHARE OF held
""")
_RELEASE = text("""
    UPDATE broker_leases SET expires_at = to_timestamp(0)
    WHERE broker = :broker AND owner = :owner AND epoch = :epoch
""")


class LeaseRepository:
    """Rows of `broker_leases`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def acquire(self, broker: str, owner: str, node: str, ttl_s: float) -> LeaseRecord | None:
        """Take the lease for `ttl_s` seconds under a new epoch; None while someone else holds it.

        An owner whose name begins with `node` and a colon is an earlier life of this node: whoever asks has
        the lock on the node's state directory, so that one is gone and need not be waited for.
        """
        taken = self._connection.execute(
            _ACQUIRE, {"broker": broker, "owner": owner, "node": node, "ttl_s": ttl_s}
        ).one_or_none()
        return LeaseRecord(*taken) if taken else None

    def holder(self, broker: str) -> LeaseRecord | None:
        """The lease in force, or None."""
        held = self._connection.execute(_HOLDER, {"broker": broker}).one_or_none()
        return LeaseRecord(*held) if held else None

    def any_in_force(self) -> bool:
        """Whether anybody may act for any broker."""
        return bool(self._connection.execute(_ANY).scalar_one())

    def renew(self, broker: str, owner: str, epoch: int, ttl_s: float) -> bool:
        """Prolong the lease to `ttl_s` seconds from now; false when it is lost."""
        given = {"broker": broker, "owner": owner, "epoch": epoch, "ttl_s": ttl_s}
        return self._connection.execute(_RENEW, given).rowcount == 1

    def fence(self, pairs: Sequence[tuple[str, int]]) -> set[str]:
        """Of these (broker, epoch), the brokers still ours; until the transaction ends nobody can take them
        over.
        """
        if not pairs:
            return set()
        given = {"brokers": [broker for broker, _ in pairs], "epochs": [epoch for _, epoch in pairs]}
        return set(self._connection.execute(_FENCE, given).scalars())

    def release(self, broker: str, owner: str, epoch: int) -> bool:
        """Give the lease up, so that another can take it at once; false when it was lost before."""
        given = {"broker": broker, "owner": owner, "epoch": epoch}
        return self._connection.execute(_RELEASE, given).rowcount == 1
