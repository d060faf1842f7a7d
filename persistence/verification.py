"""Proves that a database is what the models say: every column, key and index by the catalogue, every row by queries.

It only reads, in one REPEATABLE READ transaction. The catalogue is read at once; a query that goes over the rows may
take `timeout_s`, and one that takes longer is a finding of its own: not proved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection, Engine, text

from persistence.catalogue import read_facts
from persistence.database import UNLIMITED_TRANSACTION
from persistence.errors import Unavailable
from persistence.models import metadata
from persistence.row_checks import MOST_COUNTED, RowCheck, row_checks
from persistence.schema_facts import NO_DEFAULT, NOT_NULL, Demand, Fact, Kind, demands
from persistence.translation import translated

# PostgreSQL has it from 17 on.
TOOK_TOO_LONG = "57014"
Key = tuple[str, Kind, str]


class Verdict(Enum):
    """What came of a demand."""

    PASSED = "passed"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        table: where.
        kind: what it is about.
        name: of the column, the constraint, the index; of rows what they must be free of.
        verdict: whether it is as it has to be; a note is no fault.
        detail: how it is.
        cure: statements for an operator, where it is not as it has to be.
    """

    table: str
    kind: Kind
    name: str
    verdict: Verdict
    detail: str
    cure: str = ""


def prove(engine: Engine, timeout_s: float) -> list[Finding]:
    """Look at all of it; the database has to be at head.

    Raises:
        Conflict: a migration holds a table.
        PersistenceError: it could not be asked.
    """
    only_reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with translated(), engine.connect().execution_options(**only_reading) as connection:
        connection.execute(UNLIMITED_TRANSACTION)
        found = judge(demands(), read_facts(connection, metadata.tables))
        connection.execute(text(f"SET LOCAL statement_timeout = {max(1, int(timeout_s * 1000))}"))
        wrong = {
            f"{one.table}.{one.name}" for one in found if one.kind is Kind.COLUMN and one.verdict is Verdict.FAILED
        }
        absent = {one.table for one in found if one.kind is Kind.TABLE and one.verdict is Verdict.FAILED}
        for check in row_checks():
            if not any(column in wrong or column.partition(".")[0] in absent for column in check.columns):
                found.append(_ask(connection, check, timeout_s))
    return found


def judge(wanted: Sequence[Demand], live: Sequence[Fact]) -> list[Finding]:
    """The findings about the facts; nothing is said about the parts of what is missing as a whole."""
    there = {fact.key: fact for fact in live}
    found = [finding for demand in wanted if (finding := _judged(demand, there)) is not None]
    keys = {demand.fact.key for demand in wanted}
    return found + [finding for fact in live if fact.key not in keys for finding in _surplus(fact, there)]


def _judged(demand: Demand, there: Mapping[Key, Fact]) -> Finding | None:
    want, have = demand.fact, there.get(demand.fact.key)
    if have == want:
        return Finding(*want.key, Verdict.PASSED, want.definition)
    if have is not None:
        detail = f"is {have.definition}, has to be {want.definition}"
        return Finding(*want.key, Verdict.FAILED, detail, demand.cure)
    if want.kind is not Kind.TABLE and (want.table, Kind.TABLE, want.table) not in there:
        return None
    if want.kind in {Kind.NULLS, Kind.DEFAULT}:
        return None
    return Finding(
        *want.key, Verdict.FAILED, f"is missing, has to be {want.definition}", demand.cure_of_absence or demand.cure
    )


def _surplus(fact: Fact, there: Mapping[Key, Fact]) -> Iterator[Finding]:
    """What the models do not know: a note, unless it can refuse rows that are written."""
    match fact.kind:
        case Kind.COLUMN:
            nulls, default = there[fact.table, Kind.NULLS, fact.name], there[fact.table, Kind.DEFAULT, fact.name]
            refuses = nulls.definition == NOT_NULL and default.definition == NO_DEFAULT
            cure = f"ALTER TABLE {fact.table} ALTER COLUMN {fact.name} DROP NOT NULL"
        case Kind.INDEX:
            refuses = fact.definition.startswith("unique ") or fact.definition.endswith(", invalid")
            cure = f"DROP INDEX CONCURRENTLY {fact.name}"
        case Kind.NULLS | Kind.DEFAULT:
            return
        case _:
            refuses = True
            cure = f"ALTER TABLE {fact.table} DROP CONSTRAINT {fact.name}"
    verdict = Verdict.FAILED if refuses else Verdict.NOTE
    yield Finding(*fact.key, verdict, f"not of this version: {fact.definition}", cure if refuses else "")


def _ask(connection: Connection, check: RowCheck, timeout_s: float) -> Finding:
    key = check.table, Kind.ROWS, check.name
    try:
        with translated(), connection.begin_nested():
            count: int = connection.execute(text(check.query)).scalar_one()
    except Unavailable as error:
        if error.sqlstate != TOOK_TOO_LONG:
            raise
        return Finding(*key, Verdict.FAILED, f"not proved within {timeout_s:g} s", "give it longer with --timeout")
    if not count:
        return Finding(*key, Verdict.PASSED, "none")
    many = f"{count:,} or more" if count >= MOST_COUNTED else f"{count:,}"
    verdict = Verdict.FAILED if check.is_fault else Verdict.NOTE
    return Finding(*key, verdict, f"{many} row{'s' if count > 1 else ''}", check.cure)
