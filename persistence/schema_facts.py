"""What the models demand of a database, as plain facts that its catalogue can be held against."""

# ruff: noqa: S608 - every name in these statements is one of the models

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    create_mock_engine,
)
from sqlalchemy.schema import AddConstraint, Constraint, CreateColumn, CreateIndex, CreateTable, DefaultClause

from persistence.models import metadata

T = TypeVar("T", Constraint, Index)

_dialect = create_mock_engine("postgresql+psycopg2://", lambda *_: None).dialect
_SPELLED_OUT = {"varchar": "character varying"}
NOT_NULL, NULLABLE, NO_DEFAULT, OWN_SEQUENCE = "not null", "nullable", "none", "from its own sequence"


class Kind(Enum):
    """What a fact is about."""

    TABLE = "table"
    COLUMN = "column"
    NULLS = "nulls"
    DEFAULT = "default"
    PRIMARY_KEY = "primary key"
    UNIQUE = "unique constraint"
    FOREIGN_KEY = "foreign key"
    CHECK = "check"
    INDEX = "index"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something about a table that two databases can agree or differ in.

    Args:
        table: the table's name.
        kind: what it is about.
        name: of the column, the constraint, the index.
        definition: how it is, in the words of `format_type` and `pg_get_indexdef`; of a column its type.
    """

    table: str
    kind: Kind
    name: str
    definition: str

    @property
    def key(self) -> tuple[str, Kind, str]:
        """What there can be only one of."""
        return self.table, self.kind, self.name


@dataclass(frozen=True, slots=True)
class Demand:
    """A fact that has to be, the statements that make it so, and those for where there is nothing yet."""

    fact: Fact
    cure: str
    cure_of_absence: str = ""


def demands() -> list[Demand]:
    """All that the models demand, table by table."""
    return [demand for table in metadata.tables.values() for demand in _of_table(table)]


def _of_table(table: Table) -> Iterator[Demand]:
    made = "; ".join(map(_sql, (CreateTable(table), *map(CreateIndex, _by_name(table.indexes)))))
    yield Demand(Fact(table.name, Kind.TABLE, table.name, "permanent"), f"ALTER TABLE {table.name} SET LOGGED", made)
    for column in table.columns:
        yield from _of_column(column)
    for constraint in _by_name(table.constraints):
        yield _of_constraint(table, constraint)
    for index in _by_name(table.indexes):
        yield _of_index(table, index)


def _of_column(column: Column[Any]) -> Iterator[Demand]:
    table, name, kind = column.table.name, column.name, _type(column)
    change = f"ALTER TABLE {table} ALTER COLUMN {name}"
    added = f"ALTER TABLE {table} ADD COLUMN {_sql(CreateColumn(column))}"
    yield Demand(Fact(table, Kind.COLUMN, name, kind), f"{change} TYPE {kind} USING {name}::{kind}", added)
    nulls = NULLABLE if column.nullable else NOT_NULL
    yield Demand(Fact(table, Kind.NULLS, name, nulls), f"{change} {'DROP' if column.nullable else 'SET'} NOT NULL")
    default = _default(column)
    yield Demand(Fact(table, Kind.DEFAULT, name, default), _default_cure(table, name, default, kind))


def _default_cure(table: str, name: str, default: str, kind: str) -> str:
    change = f"ALTER TABLE {table} ALTER COLUMN {name}"
    if default == NO_DEFAULT:
        return f"{change} DROP DEFAULT"
    if default != OWN_SEQUENCE:
        return f"{change} SET DEFAULT {default}"
    sequence = f"{table}_{name}_seq"
    return (
        f"CREATE SEQUENCE IF NOT EXISTS {sequence}; "
        f"ALTER SEQUENCE {sequence} AS {kind} NO MAXVALUE OWNED BY {table}.{name}; "
        f"{change} SET DEFAULT nextval('{sequence}'); SELECT setval('{sequence}', max({name})) FROM {table}"
    )


def _of_constraint(table: Table, constraint: Constraint) -> Demand:
    name = str(constraint.name)
    cure = f"ALTER TABLE {table.name} DROP CONSTRAINT IF EXISTS {name}; {_sql(_added(constraint))}"
    match constraint:
        case PrimaryKeyConstraint():
            fact = Fact(table.name, Kind.PRIMARY_KEY, name, _listed(constraint.columns.keys()))
        case UniqueConstraint():
            fact = Fact(table.name, Kind.UNIQUE, name, _listed(constraint.columns.keys()))
        case ForeignKeyConstraint():
            there = [element.column.name for element in constraint.elements]
            on_delete = f" on delete {constraint.ondelete.lower()}" if constraint.ondelete else ""
            target = f"references {constraint.referred_table.name} {_listed(there)}{on_delete}"
            fact = Fact(table.name, Kind.FOREIGN_KEY, name, f"{_listed(constraint.column_keys)} {target}")
        case _:
            raise TypeError(f"{name}: the models have a kind of constraint that is not proved yet")
    return Demand(fact, cure)


def _of_index(table: Table, index: Index) -> Demand:
    name = str(index.name)
    method = index.dialect_options["postgresql"]["using"] or "btree"
    ops = index.dialect_options["postgresql"]["ops"]
    parts = [_key(part, ops) for part in index.expressions]
    definition = f"{'unique ' if index.unique else ''}{method} {_listed(parts)}"
    create = _sql(CreateIndex(index)).replace(" INDEX ", " INDEX CONCURRENTLY ", 1)
    cure = f"DROP INDEX CONCURRENTLY IF EXISTS {name}; {create}"
    return Demand(Fact(table.name, Kind.INDEX, name, definition), cure)


def _key(part: Any, ops: Mapping[str, str]) -> str:
    name = part.name if isinstance(part, Column) else str(part)
    operators = ops.get(getattr(part, "key", None) or "")
    return f"{name} {operators}" if operators else name


def _is_serial(column: Column[Any]) -> bool:
    """Whether CREATE TABLE would give it a sequence."""
    return "SERIAL" in CreateColumn(column).compile(dialect=_dialect).string


def _type(column: Column[Any]) -> str:
    """As `format_type` has it."""
    text = column.type.compile(dialect=_dialect).lower().replace(", ", ",")
    name, bracket, rest = text.partition("(")
    return _SPELLED_OUT.get(name, name) + bracket + rest


def _default(column: Column[Any]) -> str:
    if column.server_default is None:
        return OWN_SEQUENCE if _is_serial(column) else NO_DEFAULT
    return str(column.server_default.arg) if isinstance(column.server_default, DefaultClause) else ""


def _added(constraint: Constraint) -> AddConstraint:
    """Without taking the constraint out of its table, as SQLAlchemy does by default."""
    return AddConstraint(constraint, isolate_from_table=False)


def _by_name(parts: Iterable[T]) -> list[T]:
    return sorted(parts, key=lambda one: str(one.name))


def _listed(names: Any) -> str:
    return f"({', '.join(names)})"


def _sql(element: Any) -> str:
    return " ".join(str(element.compile(dialect=_dialect)).split())
