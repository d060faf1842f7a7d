"""Whole batches in one statement with one parameter: rows travel as JSON and are unpacked by the server.

A statement has the form `INSERT .. SELECT .. FROM jsonb_to_recordset(%s) .. ON CONFLICT ..`, is built once
from the models, and is run with `connection.exec_driver_sql(statement, (encode(rows),))`. Compared with one
statement a row it costs a fraction of the client's CPU, and so of the interpreter lock.
"""

# ruff: noqa: S608 - names come from the models, values travel as the parameter

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Column, Table, create_mock_engine

from persistence.errors import Poison

_dialect = create_mock_engine("postgresql+psycopg2://", lambda *_: None).dialect
_quote = _dialect.identifier_preparer.quote


def encode(rows: Sequence[object]) -> str:
    """The rows as one JSON text: slotted dataclasses or mappings whose names are column names.

    Raises:
        Poison: a value that JSON or the database cannot hold (a lone surrogate, a huge integer, a decimal
            NaN).
    """
    try:
        return orjson.dumps(rows, default=_plain).decode()
    except orjson.JSONEncodeError as error:
        raise Poison(f"a row cannot be written as JSON: {error}") from error


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("a decimal must be finite")
        return str(value)
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


@cache
def insert(table: Table, columns: tuple[str, ...], on_conflict_do_nothing: tuple[str, ...] = ()) -> str:
    """A statement that inserts the rows in their order, leaving out those whose key exists already."""
    nothing = f" ON CONFLICT ({_names(on_conflict_do_nothing)}) DO NOTHING" if on_conflict_do_nothing else ""
    into = f"INSERT INTO {_quote(table.name)} ({_names(columns)})"
    return f"{into} SELECT {_names(columns, 'x')} FROM {_recordset(table, columns)}{nothing}"


@cache
def upsert(
    table: Table,
    columns: tuple[str, ...],
    conflict: tuple[str, ...],
    update: tuple[str, ...] | None = None,
    where: str = "",
) -> str:
    """A statement that inserts the rows or updates those whose `conflict` key exists.

    `update` names the columns to overwrite (all but the key by default); `where` is a condition on the stored
    row and `excluded`. Rows are locked in the order of the key, so two batches cannot deadlock. A serial id
    that the rows do not carry is kept for known keys instead of drawing a number from its sequence, which
    would run dry.
    """
    changed = update if update is not None else tuple(name for name in columns if name not in conflict)
    settings = ", ".join(f"{_quote(name)} = excluded.{_quote(name)}" for name in changed)
    serial = _missing_serial(table, columns)
    return (
        f"INSERT INTO {_quote(table.name)} ({_names((*serial, *columns))}) "
        f"SELECT {_serials(table, serial)}{_names(columns, 'x')} FROM {_recordset(table, columns)}"
        f"{_known(table, conflict) if serial else ''} ORDER BY {_names(conflict, 'x')} "
        f"ON CONFLICT ({_names(conflict)}) DO UPDATE SET {settings}{f' WHERE {where}' if where else ''}"
    )


def _names(names: Sequence[str], alias: str = "") -> str:
    return ", ".join(f"{alias}.{_quote(name)}" if alias else _quote(name) for name in names)


def _recordset(table: Table, columns: Sequence[str]) -> str:
    typed = ", ".join(f"{_quote(name)} {_sql_type(table.c[name])}" for name in columns)
    return f"jsonb_to_recordset(CAST(%s AS jsonb)) AS x({typed})"


def _sql_type(column: Column[Any]) -> str:
    return column.type.compile(dialect=_dialect)


def _missing_serial(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    serial = table.autoincrement_column
    return (serial.name,) if serial is not None and serial.name not in columns else ()


def _serials(table: Table, serial: Sequence[str]) -> str:
    return "".join(
        f"COALESCE(known.{_quote(name)}, nextval(pg_get_serial_sequence('{table.name}', '{name}'))), "
        for name in serial
    )


def _known(table: Table, conflict: Sequence[str]) -> str:
    same = " AND ".join(f"known.{_quote(name)} = x.{_quote(name)}" for name in conflict)
    return f" LEFT JOIN {_quote(table.name)} AS known ON {same}"
