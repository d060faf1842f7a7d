"""Which of Alpha Panda's databases it is, and whatever keeps it from being taken over."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from urllib.parse import quote

from persistence.adoption.catalogue import STATE, Catalogue, LiveColumn, LiveTable
from persistence.adoption.shadow import Shadow
from persistence.adoption.shape import Column, Index, Shape
from persistence.adoption.shapes import ALPHA_PANDAS_REVISION, FOREIGN_KEY, LATER_INDEXES, REWRITABLE, SHAPES
from persistence.migration import OLDEST
from settings import program

OLDEST_SERVER = 140_000
_FILLED = {(FOREIGN_KEY.table, "tradingsymbol"), (FOREIGN_KEY.table, "exchange")}
"""Columns whose NULLs are filled, from the instrument."""


class Kind(Enum):
    """The databases that can be taken over, and those that are already."""

    EMPTY = "empty"
    L0 = "L0, Alpha Panda before the critical fixes"
    L1 = "L1, Alpha Panda after the critical fixes"
    L2 = f"L2, Alpha Panda at its revision {ALPHA_PANDAS_REVISION}"
    OURS = "taken over already"


def kind_of(catalogue: Catalogue) -> Kind:
    """The kind of a database that `differences` finds nothing wrong with."""
    if catalogue.begun_as:
        return Kind[catalogue.begun_as]
    if catalogue.revision == ALPHA_PANDAS_REVISION:
        return Kind.L2
    if catalogue.revision not in {"", OLDEST}:
        return Kind.OURS
    if not (catalogue.tables or catalogue.revision):
        return Kind.EMPTY
    return Kind.L1 if all(_fixed(catalogue, shape) for shape in SHAPES) else Kind.L0


def differences(catalogue: Catalogue) -> tuple[str, ...]:
    """In what it is none of the kinds, a line each; empty where it is one of them."""
    if kind_of(catalogue) in {Kind.EMPTY, Kind.OURS}:
        return ()
    return tuple(line for shape in SHAPES for line in _differences(catalogue.table(shape.table), shape))


def obstacles(catalogue: Catalogue) -> tuple[str, ...]:
    """What must be changed before it can be taken over, a line each."""
    kind = kind_of(catalogue)
    if kind is Kind.EMPTY and catalogue.elsewhere:
        return (_out_of_sight(catalogue),)
    if kind is Kind.OURS:
        return ()
    return (*_torn(catalogue), *_obstacles(catalogue, kind))


def rewritten(catalogue: Catalogue, shape: Shape) -> bool:
    """Whether the table's rows must be written anew: its columns are others, or a unique key of duplicates lacks."""
    table = catalogue.table(shape.table)
    if table is None or shape not in REWRITABLE:
        return False
    found = [(column.name, column.kind, column.not_null) for column in table.columns]
    wanted = [(column.name, column.kind, column.not_null) for column in shape.columns]
    unique = next((index for index in shape.indexes if index.unique and index.columns == (shape.group,)), None)
    return found != wanted or (unique is not None and not _has(table, unique))


def unfinished(catalogue: Catalogue, shape: Shape) -> Shadow | None:
    """The table's shadow, if an adoption has verifiably begun it and has not put it in the table's place yet.

    A name proves nothing: the adoption's trigger on the table does, or its note of how far the copy has come.
    """
    table = catalogue.table(shape.table)
    if table is None:
        return None
    shadow = Shadow(shape, table, catalogue.schema)
    noted = shadow.progress in catalogue.noted and rewritten(catalogue, shape)
    return shadow if noted or shape.table in catalogue.watched else None


def namesakes(catalogue: Catalogue, shape: Shape) -> tuple[str, ...]:
    """What bears the name of a copy's own tables, and is not known to be of one."""
    table = catalogue.table(shape.table)
    if table is None or shape not in REWRITABLE or unfinished(catalogue, shape):
        return ()
    shadow = Shadow(shape, table, catalogue.schema)
    return tuple(name for name in (shadow.name, shadow.log) if name in catalogue.relations)


def matches(table: LiveTable, index: Index) -> bool:
    """Whether the table has exactly this index."""
    live = table.index(index.name)
    return live is not None and (live.definition, live.unique, live.valid, live.constraint) == (
        index.definition,
        index.unique,
        True,
        index.constraint,
    )


def _has(table: LiveTable, wanted: Index) -> bool:
    """Whether a valid unique index on the same column is there, by whatever name."""
    return any(live.valid and live.unique and live.columns == wanted.columns for live in table.indexes)


def _fixed(catalogue: Catalogue, shape: Shape) -> bool:
    table = catalogue.table(shape.table)
    if table is None:
        return False
    documents = () if shape.table == "strategy_configurations" else shape.columns
    typed = all(
        live.kind == "jsonb"
        for column in documents
        if column.kind == "jsonb" and (live := table.column(column.name)) is not None
    )
    unique = all(_has(table, index) for index in shape.indexes if index.unique)
    linked = shape.table != FOREIGN_KEY.table or any(key.name == FOREIGN_KEY.name for key in table.foreign_keys)
    return typed and unique and linked


def _differences(table: LiveTable | None, shape: Shape) -> Iterator[str]:
    if table is None:
        yield f"the table {shape.table} is missing"
    elif table.relkind != "r":
        yield f"{shape.table} is no plain table"
    else:
        yield from _column_differences(table, shape)
        yield from _key_differences(table, shape)


def _column_differences(table: LiveTable, shape: Shape) -> Iterator[str]:
    expected = set()
    for column in shape.columns:
        live = table.column(column.name) or table.column(column.named_before)
        if live is not None:
            expected.add(live.name)
            yield from _difference(shape, column, live)
        elif not column.made_of:
            yield f"the column {shape.table}.{column.name} is missing"
    for extra in table.columns:
        if extra.name not in expected:
            yield f"the column {shape.table}.{extra.name} ({extra.kind}) is not Alpha Panda's"
    wanted = [column.name for column in shape.columns]
    if shape not in REWRITABLE and _order(table) != wanted and sorted(_order(table)) == sorted(wanted):
        yield f"the columns of {shape.table} are in another order"


def _key_differences(table: LiveTable, shape: Shape) -> Iterator[str]:
    for index in shape.indexes:
        if index.constraint and not matches(table, index):
            words = "primary key" if index.constraint == "p" else "unique constraint"
            yield f"the {words} {index.name} of {shape.table} is not on {', '.join(index.columns)}"
        elif index.unique and index.columns != (shape.group,) and not _has(table, index):
            yield f"the unique index {index.name} of {shape.table} is missing"
    for key in table.foreign_keys:
        if key.name != FOREIGN_KEY.name:
            yield f"the foreign key {key.name} of {shape.table} is not Alpha Panda's"


def _order(table: LiveTable) -> list[str]:
    return [column.name for column in table.columns]


def _difference(shape: Shape, column: Column, live: LiveColumn) -> Iterator[str]:
    name = f"{shape.table}.{live.name}"
    if live.computed:
        yield f"the column {name} is an identity or generated"
    if live.kind != column.kind and live.kind not in column.before:
        yield f"the column {name} is {live.kind}, Alpha Panda's is {' or '.join((*column.before, column.kind))}"
    if column.not_null and not live.not_null and (shape.table, column.name) not in _FILLED:
        yield f"the column {name} may be NULL"


def _obstacles(catalogue: Catalogue, kind: Kind) -> Iterator[str]:
    if catalogue.version < OLDEST_SERVER:
        yield f"the server is PostgreSQL {catalogue.version // 10_000}: version 14 or later is needed"
    if not catalogue.schema:
        yield "no schema of the search path exists: create one, or set the search path"
        return
    if not catalogue.may_create:
        yield f"this user may not create tables in the schema {catalogue.schema}: GRANT CREATE, or use its owner"
    if kind is Kind.EMPTY:
        return
    if not catalogue.may_make_temporary:
        yield "this user may not make temporary objects: GRANT TEMPORARY ON DATABASE, or use its owner"
    if catalogue.encoding != "UTF8":
        yield f"the database's encoding is {catalogue.encoding}, which cannot hold every JSON: restore it as UTF8"
    for table in catalogue.tables:
        if not table.owned:
            yield f"this user does not own the table {table.name}: adopt as its owner"
    if STATE not in catalogue.relations and catalogue.side_tables:
        named = ", ".join(catalogue.side_tables)
        yield f"{named} would be made here and exist already: rename or drop what an earlier attempt has left"
    for shape in REWRITABLE:
        if rewritten(catalogue, shape):
            yield from in_the_way(catalogue.table(shape.table), shape)
            yield from in_its_place(catalogue, shape)


def _out_of_sight(catalogue: Catalogue) -> str:
    there = catalogue.elsewhere[0]
    return (
        f"the tables are in the schema {' and '.join(catalogue.elsewhere)}, and not in {catalogue.schema}, which this "
        f"connection works in: put {there} first in the search path, with ALTER ROLE .. SET search_path, or with "
        f"options=-csearch_path%3D{quote(there)} in the query of DATABASE__POSTGRES_URL"
    )


def _torn(catalogue: Catalogue) -> Iterator[str]:
    """What an unfinished adoption has made and somebody has dropped since."""
    for shape in REWRITABLE:
        shadow = unfinished(catalogue, shape)
        if shadow is None or not rewritten(catalogue, shape):
            continue
        for name in shadow.parts:
            if name not in catalogue.relations:
                fails = name == shadow.log and shape.table in catalogue.watched
                means = f", and every write to {shape.table} fails without it" if fails else ""
                yield (
                    f"{name} is missing, which an unfinished adoption has made{means}: undo that with "
                    f"`{program()} db adopt --undo`, and adopt anew"
                )


def in_its_place(catalogue: Catalogue, shape: Shape) -> Iterator[str]:
    """What bears a name that the table's copy needs."""
    for name in namesakes(catalogue, shape):
        yield f"{name} would be made here and exists already, of no unfinished adoption: rename it, or drop it"


def in_the_way(table: LiveTable | None, shape: Shape) -> Iterator[str]:
    """What would be lost with a table that is replaced."""
    if table is None:
        return
    for name in (*table.dependents, *(f"constraint {check}" for check in table.checks)):
        yield f"{name} hangs on {shape.table}, which is written anew: drop it, and make it again afterwards"
    for index in table.indexes:
        known = {*LATER_INDEXES, *(wanted.name for wanted in shape.indexes)}
        if index.name not in known and not redundant(index.columns, shape, unique=index.unique):
            yield f"the index {index.name} of {shape.table} is not Alpha Panda's: drop it, and make it again afterwards"


def redundant(columns: tuple[str, ...], shape: Shape, *, unique: bool) -> bool:
    """Whether an index on these columns answers nothing that one of the shape's own does not."""
    if not columns:
        return False
    others = [index for index in shape.indexes if index.columns[: len(columns)] == columns]
    return any(index.unique and index.columns == columns for index in others) if unique else bool(others)
