"""What PostgreSQL's catalogue says about our tables, in the same words as `schema_facts`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, text

from persistence.schema_facts import NO_DEFAULT, NOT_NULL, NULLABLE, OWN_SEQUENCE, Fact, Kind

_TABLES = """
    SELECT relname, CASE WHEN relkind NOT IN ('r', 'p') THEN 'no table' WHEN relpersistence = 'u' THEN 'unlogged'
                         WHEN relpersistence = 't' THEN 'temporary' ELSE 'permanent' END
      FROM pg_class
     WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
       AND relname = ANY (:tables)
"""
_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
           pg_get_serial_sequence(quote_ident(c.relname), a.attname)::regclass::oid = (
               SELECT refobjid FROM pg_depend
                WHERE classid = 'pg_attrdef'::regclass AND objid = d.oid AND refclassid = 'pg_class'::regclass
                  AND refobjid <> c.oid LIMIT 1),
           (SELECT seqmax FROM pg_sequence
             WHERE seqrelid = pg_get_serial_sequence(quote_ident(c.relname), a.attname)::regclass)
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE c.relnamespace = quote_ident(current_schema())::regnamespace
       AND c.relkind IN ('r', 'p') AND c.relname = ANY (:tables)
       AND a.attnum > 0 AND NOT a.attisdropped
"""
_CONSTRAINTS = """
    SELECT c.relname, k.contype::text, k.conname, there.relname,
           ARRAY(SELECT attname FROM unnest(k.conkey) WITH ORDINALITY AS u(number, place)
                   JOIN pg_attribute ON attrelid = k.conrelid AND attnum = u.number ORDER BY place)::text[],
           ARRAY(SELECT attname FROM unnest(k.confkey) WITH ORDINALITY AS u(number, place)
                   JOIN pg_attribute ON attrelid = k.confrelid AND attnum = u.number ORDER BY place)::text[],
           k.confdeltype::text, k.confupdtype::text, k.convalidated, k.condeferrable, pg_get_constraintdef(k.oid)
      FROM pg_constraint k
      JOIN pg_class c ON c.oid = k.conrelid
      LEFT JOIN pg_class there ON there.oid = k.confrelid
     WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = ANY (:tables)
       AND k.contype IN ('p', 'u', 'f', 'c', 'x')
"""
_INDEXES = """
    SELECT c.relname, own.relname, m.amname, i.indisunique, i.indisvalid AND i.indisready AND i.indislive,
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, n::int, true)
                        || CASE WHEN o.opcdefault THEN '' ELSE ' ' || o.opcname END
                   FROM unnest(i.indclass) WITH ORDINALITY AS u(class, n)
                   JOIN pg_opclass o ON o.oid = u.class ORDER BY n),
           i.indoption::int[],
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true)
                   FROM generate_series(i.indnkeyatts + 1, i.indnatts) AS n ORDER BY n),
           pg_get_expr(i.indpred, i.indrelid)
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_class own ON own.oid = i.indexrelid
      JOIN pg_am m ON m.oid = own.relam
     WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = ANY (:tables)
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
"""
_HIGHEST = {"integer": 2**31 - 1, "bigint": 2**63 - 1}
_KINDS = {"p": Kind.PRIMARY_KEY, "u": Kind.UNIQUE, "f": Kind.FOREIGN_KEY, "c": Kind.CHECK, "x": Kind.CHECK}
_ACTIONS = {"a": "", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}
_DESCENDING, _NULLS_FIRST = 1, 2
_AS_TEXT = "::text"
"""The server writes it behind a `varchar` that a function takes as text."""


def read_facts(connection: Connection, tables: Iterable[str]) -> list[Fact]:
    """The facts about those tables of the schema that unqualified names mean."""
    wanted = {"tables": list(tables)}
    found = [Fact(table, Kind.TABLE, table, definition) for table, definition in _run(connection, _TABLES, wanted)]
    for row in _run(connection, _COLUMNS, wanted):
        found += _column_facts(*row)
    found += [_constraint_fact(*row) for row in _run(connection, _CONSTRAINTS, wanted)]
    found += [_index_fact(*row) for row in _run(connection, _INDEXES, wanted)]
    return found


def _run(connection: Connection, query: str, parameters: dict[str, list[str]]) -> Iterator[tuple[Any, ...]]:
    for row in connection.execute(text(query), parameters):
        yield tuple(row)


def _column_facts(
    table: str, name: str, kind: str, not_null: bool, default: str | None, own_sequence: bool | None, last: int | None
) -> list[Fact]:
    if default is not None and "nextval(" in default:
        default = _sequence(kind, last) if own_sequence else f"{default}, which the column does not own"
    return [
        Fact(table, Kind.COLUMN, name, kind),
        Fact(table, Kind.NULLS, name, NOT_NULL if not_null else NULLABLE),
        Fact(table, Kind.DEFAULT, name, NO_DEFAULT if default is None else default),
    ]


def _sequence(kind: str, last: int | None) -> str:
    """What is said of a default from the column's own sequence, whose end is `last`."""
    too_short = last is not None and last < _HIGHEST.get(kind, 0)
    return f"{OWN_SEQUENCE}, which ends at {last}" if too_short else OWN_SEQUENCE


def _constraint_fact(
    table: str,
    kind: str,
    name: str,
    referred: str | None,
    columns: list[str],
    there: list[str],
    on_delete: str,
    on_update: str,
    validated: bool,
    deferrable: bool,
    whole: str,
) -> Fact:
    definition = whole if _KINDS[kind] is Kind.CHECK else f"({', '.join(columns)})"
    if referred is not None:
        definition += f" references {referred} ({', '.join(there)})"
        for event, action in (("delete", _ACTIONS[on_delete]), ("update", _ACTIONS[on_update])):
            definition += f" on {event} {action}" if action else ""
    definition += "" if validated else ", not validated"
    return Fact(table, _KINDS[kind], name, definition + (", deferrable" if deferrable else ""))


def _index_fact(
    table: str,
    name: str,
    method: str,
    unique: bool,
    usable: bool,
    keys: list[str],
    options: list[int],
    included: list[str],
    predicate: str | None,
) -> Fact:
    parts = [key.replace(_AS_TEXT, "") + _order(option) for key, option in zip(keys, options, strict=False)]
    definition = f"{'unique ' if unique else ''}{method} ({', '.join(parts)})"
    definition += f" include ({', '.join(included)})" if included else ""
    definition += f" where {predicate}" if predicate else ""
    return Fact(table, Kind.INDEX, name, definition + ("" if usable else ", invalid"))


def _order(option: int) -> str:
    descending, nulls_first = bool(option & _DESCENDING), bool(option & _NULLS_FIRST)
    order = " DESC" if descending else ""
    if descending != nulls_first:
        order += " NULLS FIRST" if nulls_first else " NULLS LAST"
    return order
