"""The lease of a broker, taken or ended from outside."""

from __future__ import annotations

from tests.conftest import execute


def take_away(database_url: str) -> None:
    """Give every lease to somebody else, who keeps it however long the test takes."""
    execute(
        database_url,
        "UPDATE broker_leases"
        " SET owner = 'other:1', epoch = epoch + 1, expires_at = clock_timestamp() + interval '1 hour'",
    )


def expire(database_url: str) -> None:
    """As when whoever holds it did not renew it in time."""
    execute(database_url, "UPDATE broker_leases SET expires_at = to_timestamp(0)")
