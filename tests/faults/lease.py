"""The lease of a broker, taken or ended from outside."""

from __future__ import annotations

from actors.database.leases import LEASE_TTL_S
from tests.conftest import execute


def take_away(database_url: str) -> None:
    """Give every lease to somebody else, who keeps it however long the test takes."""
    execute(
        database_url,
        "UPDATE broker_leases"
        " SET owner = 'other:1', epoch = epoch + 1, expires_at = clock_timestamp() + interval '1 hour'",
    )


def keep(database_url: str) -> None:
    """From now on no lease ends as nobody renewed it, so that of two daemons each has its part though all pauses."""
    execute(
        database_url,
        """
        CREATE OR REPLACE FUNCTION keep_lease() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.expires_at > clock_timestamp() THEN
                NEW.expires_at := clock_timestamp() + interval '1 hour';
            END IF;
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER keep_lease BEFORE INSERT OR UPDATE ON broker_leases
        FOR EACH ROW EXECUTE FUNCTION keep_lease();
        UPDATE broker_leases SET expires_at = expires_at
        """,
    )


def renew_no_more(database_url: str) -> None:
    """Undo `keep`; the leases there are end when they would have, had their holders renewed them now."""
    execute(
        database_url,
        f"""
        DROP TRIGGER keep_lease ON broker_leases;
        UPDATE broker_leases SET expires_at = clock_timestamp() + {LEASE_TTL_S} * interval '1 second'
        """,
    )


def expire(database_url: str) -> None:
    """As when whoever holds it did not renew it in time."""
    execute(database_url, "UPDATE broker_leases SET expires_at = to_timestamp(0)")
