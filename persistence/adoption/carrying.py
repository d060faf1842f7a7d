"""Carrying a table's rows over to its shadow, while others write to the table.

Each transaction sees one state of the table. What changes afterwards stands in the log and is carried over later, so
it does not matter in which order rows and changes are met; nobody but the adoption writes to the shadow.
"""

# ruff: noqa: S608 - every name in these statements is a constant of `shapes` or stands in the catalogue

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg2

from persistence.adoption.catalogue import STATE, read_table
from persistence.adoption.connection import Connection, HeldTooLong
from persistence.adoption.shadow import Shadow
from persistence.errors import PersistenceError
from persistence.json_repair import repaired
from settings import program

FITS = """
    CREATE OR REPLACE FUNCTION pg_temp.fits_jsonb(given json) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN PERFORM given::jsonb; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END $$
"""
FEW_CHANGES = 200
"""So few are carried over within the swap."""
_BATCH_S = 0.3
_SMALLEST, _LARGEST, _FIRST = 50, 50_000, 2_000
_LARGEST_IN_SWAP = 1_000
_ROUNDS = 100
_REFUSED_VALUES = ("22", "54")
_GRANTS = """
    SELECT format('GRANT %%s ON TABLE %%s TO %%s%%s', privilege_type, %(table)s,
                  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
      FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass(%(table)s) AND grantee <> relowner
    UNION ALL
    SELECT format('GRANT %%s (%%I) ON TABLE %%s TO %%s', privilege_type,
                  CASE attname WHEN 'live_trading_enabled' THEN 'zerodha_trading_enabled' ELSE attname END, %(table)s,
                  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
      FROM pg_attribute, aclexplode(attacl) WHERE attrelid = to_regclass(%(table)s)
"""


class Carrier:
    """Carries one table over; `carried` is called with the number of rows of each batch after its commit."""

    def __init__(self, connection: Connection, shadow: Shadow, carried: Callable[[int], None]) -> None:
        self._connection = connection
        self._shadow = shadow
        self._carried = carried
        self._batch = _FIRST

    def copy(self) -> None:
        """Copy all rows that are there, from where an interrupted copy has come to.

        It ends where fewer are left than a batch holds: those that are appended meanwhile stand in the log.
        """
        self._make_functions()
        full = True
        while full:
            limit = self._batch
            full = self._timed(self._copy_batch) >= limit

    def catch_up(self) -> None:
        """Carry changes over until few are left; those that come meanwhile are left for the swap."""
        self._make_functions()
        for _ in range(_ROUNDS):
            taken = self._timed(self._catch_up_batch)
            if taken < FEW_CHANGES:
                break
        self._connection.run(f"VACUUM (TRUNCATE false) {self._shadow.log}")

    def prove(self) -> None:
        """Make sure that every row is in the shadow or set aside, that no other one is, and that all values are equal.

        Raises:
            PersistenceError: they are not; nothing has been replaced.
        """
        for words, statement in proofs(self._shadow).items():
            count = self._connection.value(statement)
            if count:
                raise PersistenceError(
                    f"{count} rows of the copy of {self._shadow.table} {words}; the table itself is untouched: "
                    f"report this, and undo with `{program()} db adopt --undo`"
                )

    def swap(self, finish: Callable[[], None]) -> None:
        """Replace the table; `finish` is called in the same transaction, at its end.

        Raises:
            Conflict: the table was in use for too long.
        """
        self._connection.locking(self._shadow.table, lambda: self._swap(finish), before=self.catch_up)

    def _swap(self, finish: Callable[[], None]) -> None:
        connection, shadow = self._connection, self._shadow
        connection.run(f"LOCK TABLE {shadow.table} IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        self._refuse_changes_of_shape()
        while self._take_changes(_LARGEST_IN_SWAP):
            self._hold_no_longer_than(connection.patience.hold_s / 2, started)
        grants = [row[0] for row in connection.rows(_GRANTS, {"table": shadow.table})]
        for statement in (*shadow.tidying(), *shadow.replacement(), *grants):
            connection.run(statement)
        finish()
        self._hold_no_longer_than(connection.patience.hold_s, started)

    def _refuse_changes_of_shape(self) -> None:
        """What somebody has made on the table since it was looked at would be gone with it.

        Raises:
            PersistenceError: there is something.
        """
        planned = self._shadow.live
        found = read_table(self._connection, planned.name)
        if found is None or replace(found, about_rows=planned.about_rows) == planned:
            return
        parts = ("columns", "indexes", "foreign_keys", "checks", "dependents", "owner")
        changed = ", ".join(part.replace("_", " ") for part in parts if getattr(found, part) != getattr(planned, part))
        raise PersistenceError(
            f"the table {planned.name} was changed while it was copied ({changed}), and is untouched: undo with "
            f"`{program()} db adopt --undo`, and adopt anew"
        )

    def _make_functions(self) -> None:
        if self._shadow.documents:
            self._connection.run(FITS)

    @staticmethod
    def _hold_no_longer_than(limit_s: float, started: float) -> None:
        if time.monotonic() - started > limit_s:
            raise HeldTooLong

    def _timed(self, work: Callable[[], int]) -> int:
        """Let a batch take about `_BATCH_S`, so that progress is seen and an interruption loses little."""
        started = time.monotonic()
        done = work()
        spent = max(time.monotonic() - started, 0.001)
        if done:
            self._batch = int(min(_LARGEST, max(_SMALLEST, min(2.0, _BATCH_S / spent) * self._batch)))
            self._carried(done)
        return done

    def _copy_batch(self) -> int:
        shadow, connection = self._shadow, self._connection
        group, table = shadow.shape.grouped_by, shadow.table
        with connection.transaction():
            found = connection.rows(f"SELECT key FROM {STATE} WHERE step = %s", (shadow.progress,))
            after = found[0][0] if found else None
            beyond = "" if after is None else f"WHERE {group} > %(after)s"
            upto, count = connection.rows(
                f"SELECT max({group}), count(*) FROM "
                f"(SELECT {group} FROM {table} {beyond} ORDER BY {group} LIMIT %(limit)s) AS batch",
                {"after": after, "limit": self._batch},
            )[0]
            if not count:
                return 0
            rows = f"t.{group} <= %(upto)s" + ("" if after is None else f" AND t.{group} > %(after)s")
            self._insert(rows, {"after": after, "upto": upto})
            connection.run(
                f"INSERT INTO {STATE} (step, key, rows) VALUES (%(step)s, %(key)s, %(count)s) ON CONFLICT (step) "
                f"DO UPDATE SET key = excluded.key, rows = {STATE}.rows + excluded.rows",
                {"step": shadow.progress, "key": str(upto), "count": count},
            )
        return int(count)

    def _catch_up_batch(self) -> int:
        with self._connection.transaction():
            return self._take_changes(self._batch)

    def _take_changes(self, limit: int) -> int:
        shadow, connection = self._shadow, self._connection
        taken = connection.rows(
            f"DELETE FROM {shadow.log} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {shadow.log} LIMIT %s)) RETURNING key",
            (limit,),
        )
        if any(key is None for (key,) in taken):
            for statement in shadow.sweeping():
                connection.run(statement)
        keys = sorted({key for (key,) in taken if key is not None})
        if keys:
            for statement in shadow.forgetting():
                connection.run(statement, {"keys": keys})
            self._insert(f"t.{shadow.shape.grouped_by} = ANY (%(keys)s)", {"keys": keys})
        return len(taken)

    def _insert(self, rows: str, parameters: dict[str, Any]) -> None:
        connection, shadow = self._connection, self._shadow
        connection.run("SAVEPOINT copying")
        try:
            connection.run(shadow.copying(rows), parameters)
        except psycopg2.Error as error:
            if not (error.pgcode or "").startswith(_REFUSED_VALUES):
                raise
            connection.run("ROLLBACK TO SAVEPOINT copying")
            self._mend(rows, parameters)
            connection.run(shadow.copying(rows), parameters)
        connection.run("RELEASE SAVEPOINT copying")
        for statement in shadow.setting_aside(rows):
            connection.run(statement, parameters)

    def _mend(self, rows: str, parameters: dict[str, Any]) -> None:
        """Mend the JSON that `jsonb` refuses, and keep each original."""
        connection, shadow = self._connection, self._shadow
        for column in shadow.documents:
            unfit = connection.rows(
                f"SELECT {shadow.shape.key}, {column}::text FROM {shadow.chosen(rows)} AS t "
                f"WHERE {column} IS NOT NULL AND NOT pg_temp.fits_jsonb({column})",
                parameters,
            )
            if unfit:
                connection.run_values(
                    f"INSERT INTO {shadow.repairs(column)} (key, original, repaired) VALUES %s ON CONFLICT (key) "
                    "DO UPDATE SET original = excluded.original, repaired = excluded.repaired",
                    [(key, original, repaired(original)) for key, original in unfit],
                )


def proofs(shadow: Shadow) -> dict[str, str]:
    """Queries that count what is wrong with the copy, by what it is; rows with a change in the log are left out."""
    key, group = shadow.shape.key, shadow.shape.grouped_by
    # Two conditions: with an OR between them, each row would be held against all of the log.
    settled = (
        f"NOT EXISTS (SELECT FROM {shadow.log} WHERE key IS NULL) "
        f"AND NOT EXISTS (SELECT FROM {shadow.log} AS l WHERE l.key = {{}}.{group})"
    )
    aside = "".join(f" AND NOT EXISTS (SELECT FROM {side} AS d WHERE d.{key} = t.{key})" for side in shadow.shape.sides)
    same = f"FROM {shadow.name} AS n JOIN {shadow.table} AS t ON t.{key} = n.{key} {shadow.mending()}"
    copied = ", ".join(f"n.{column.name}" for column in shadow.shape.columns)
    wanted = ", ".join(shadow.value(column) for column in shadow.shape.columns)
    return {
        "are missing": f"SELECT count(*) FROM {shadow.table} AS t WHERE NOT EXISTS "
        f"(SELECT FROM {shadow.name} AS n WHERE n.{key} = t.{key}){aside} AND {settled.format('t')}",
        "have no original": f"SELECT count(*) FROM {shadow.name} AS n WHERE NOT EXISTS "
        f"(SELECT FROM {shadow.table} AS t WHERE t.{key} = n.{key}) AND {settled.format('n')}",
        "differ from their originals": f"SELECT count(*) {same} WHERE ({copied}) IS DISTINCT FROM ({wanted}) "
        f"AND {settled.format('t')} AND {settled.format('n')}",
    }
