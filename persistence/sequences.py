"""How many of its ids a table has given: once they are all given, it takes no row any more."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, text

from persistence.models import metadata

_HIGHEST_INTEGER, _HIGHEST_BIGINT = 2**31 - 1, 2**63 - 1
# The token of an instrument comes from the exchange, never from the sequence that its column has.
_LIMITS = {
    f"{table.name}_id_seq": (table.name, _HIGHEST_BIGINT if isinstance(column.type, BigInteger) else _HIGHEST_INTEGER)
    for table in metadata.tables.values()
    if (column := table.autoincrement_column) is not None and column.name == "id"
}
_GIVEN = text("""
    SELECT sequencename, last_value, max_value FROM pg_sequences
     WHERE schemaname = current_schema() AND sequencename = ANY(:names) AND last_value IS NOT NULL
""")


class Given(NamedTuple):
    """The part of its ids that a table has given, from 0 to 1."""

    share: float
    table: str


def most_given(connection: Connection) -> Given:
    """The table that has given the largest part of its ids."""
    found = connection.execute(_GIVEN, {"names": list(_LIMITS)})
    given = [_given(row.sequencename, row.last_value, row.max_value) for row in found]
    return max(given, default=Given(0.0, ""))


def _given(sequence: str, last: int, highest: int) -> Given:
    table, limit = _LIMITS[sequence]
    return Given(last / min(highest, limit), table)
