"""What a database holds, as PostgreSQL's catalogue says: frozen, for decisions to be made on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from persistence.adoption.connection import Connection
from persistence.adoption.shape import columns_of
from persistence.adoption.shapes import FOREIGN_KEY, SHAPES

STATE = "_adoption"
SHADOW_PREFIX = "_new_"
TRIGGER = "_adoption"

_RELATIONS = (
    "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace"
)
_TABLES = """
    SELECT relname, relkind::text, reltuples::bigint, pg_has_role(relowner, 'USAGE'), relowner::regrole::text,
           ARRAY(SELECT conname::text FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('c', 'x') ORDER BY 1)
      FROM pg_class c
     WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relname = ANY (%s) AND relkind <> 'i'
"""
# One or two of these names may be those of another program.
_ELSEWHERE = """
    SELECT quote_ident(nspname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relname = ANY (%s) AND relkind IN ('r', 'p') AND nspname <> current_schema()
       AND NOT starts_with(nspname, 'pg_') AND has_schema_privilege(n.oid, 'USAGE')
     GROUP BY nspname HAVING count(*) >= 3 ORDER BY nspname
"""
_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           COALESCE(pg_get_expr(d.adbin, d.adrelid), ''), a.attidentity <> '' OR a.attgenerated <> ''
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = ANY (%s)
       AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum
"""
_INDEXES = """
    SELECT c.relname, own.relname, regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING ', ''), i.indisunique,
           i.indisvalid AND i.indisready, COALESCE((SELECT contype::text FROM pg_constraint
                                                     WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x')), '')
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class own ON own.oid = i.indexrelid
     WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = ANY (%s)
     ORDER BY own.relname
"""
_FOREIGN_KEYS = """
    SELECT c.relname, conname, replace(pg_get_constraintdef(k.oid), ' NOT VALID', ''), convalidated
      FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid
     WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = ANY (%s) AND contype = 'f'
"""
# What others have made upon a table: it would be lost with the table, or keep it from being dropped.
_DEPENDENTS = """
    WITH ours AS (
        SELECT c.oid, relname, reltype, typarray FROM pg_class c JOIN pg_type t ON t.oid = reltype
         WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relname = ANY (%(tables)s)
    )
    SELECT relname, regexp_replace(pg_describe_object(classid, objid, 0), '^rule "?_RETURN"? on ', '') FROM ours
      JOIN pg_depend ON (refclassid = 'pg_class'::regclass AND refobjid = ours.oid)
                     OR (refclassid = 'pg_type'::regclass AND refobjid IN (ours.reltype, ours.typarray))
     WHERE deptype = 'n' AND NOT (classid = 'pg_constraint'::regclass
                                  AND EXISTS (SELECT FROM pg_constraint WHERE oid = objid AND conrelid = ours.oid))
    UNION SELECT relname, 'trigger ' || tgname FROM ours JOIN pg_trigger ON tgrelid = ours.oid
     WHERE NOT tgisinternal AND tgname NOT IN (%(trigger)s, %(trigger)s || '_all')
    UNION SELECT relname, 'policy ' || polname FROM ours JOIN pg_policy ON polrelid = ours.oid
    UNION SELECT ours.relname, 'row security' FROM ours JOIN pg_class USING (oid) WHERE relrowsecurity
    UNION SELECT relname, 'publication ' || pubname FROM ours
      JOIN pg_publication_tables ON schemaname = current_schema() AND tablename = relname
    UNION SELECT relname, 'inheritance' FROM ours JOIN pg_inherits ON ours.oid IN (inhrelid, inhparent)
    UNION SELECT relname, 'statistics ' || stxname FROM ours JOIN pg_statistic_ext ON stxrelid = ours.oid
    ORDER BY 1, 2
"""


_WATCHED = """
    SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_proc p ON p.oid = tgfoid
     WHERE tgname = %s AND proname = '_adopt_' || c.relname AND pronamespace = relnamespace
       AND relnamespace = quote_ident(current_schema())::regnamespace
"""
_SIDES = frozenset(
    (
        *(side for shape in SHAPES for side in shape.sides),
        *(shape.repairs(column.name) for shape in SHAPES for column in shape.columns if column.kind == "jsonb"),
        FOREIGN_KEY.orphans,
    )
)


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A column that is there."""

    name: str
    kind: str
    not_null: bool
    default: str
    computed: bool
    """Whether it is an identity or generated."""


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """An index that is there."""

    name: str
    definition: str
    unique: bool
    valid: bool
    constraint: str

    @property
    def columns(self) -> tuple[str, ...]:
        """What is indexed, in order; empty where it is no plain btree."""
        return columns_of(self.definition)


@dataclass(frozen=True, slots=True)
class LiveForeignKey:
    """A foreign key that is there."""

    name: str
    definition: str
    valid: bool


@dataclass(frozen=True, slots=True)
class LiveTable:
    """A table that is there. `about_rows` is the planner's guess, negative where it has none."""

    name: str
    relkind: str
    about_rows: int
    owned: bool
    """Whether the user has the owner's rights."""
    owner: str
    checks: tuple[str, ...]
    columns: tuple[LiveColumn, ...]
    indexes: tuple[LiveIndex, ...]
    foreign_keys: tuple[LiveForeignKey, ...]
    dependents: tuple[str, ...]

    def column(self, name: str) -> LiveColumn | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)

    def index(self, name: str) -> LiveIndex | None:
        """The index of that name."""
        return next((index for index in self.indexes if index.name == name), None)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A database, as far as an adoption is concerned. `revision` is empty where Alembic has left none."""

    version: int
    """The server's, as 180006."""
    schema: str
    revision: str
    revision_table: bool
    may_create: bool
    may_make_temporary: bool
    read_only: bool
    encoding: str
    relations: frozenset[str]
    tables: tuple[LiveTable, ...]
    begun_as: str = ""
    """The kind that an unfinished adoption found."""
    shadows: frozenset[str] = field(default_factory=frozenset)
    """Tables whose shadow exists."""
    watched: frozenset[str] = field(default_factory=frozenset)
    """Tables that an adoption's trigger is on. It comes and goes with the shadow."""
    noted: frozenset[str] = field(default_factory=frozenset)
    """The steps whose progress an unfinished adoption has noted."""
    elsewhere: tuple[str, ...] = ()
    """Other schemas that hold the tables, as far as the user may look into them."""

    def table(self, name: str) -> LiveTable | None:
        """The table of that name."""
        return next((table for table in self.tables if table.name == name), None)

    @property
    def side_tables(self) -> tuple[str, ...]:
        """Tables with rows that were set aside, as they are named."""
        return tuple(sorted(_SIDES & self.relations))


def read_catalogue(connection: Connection) -> Catalogue:
    """Look at the database; nothing is written."""
    relations = dict(connection.rows(_RELATIONS))
    names = [shape.table for shape in SHAPES]
    revision_table = relations.get("alembic_version") == "r"
    revisions = connection.rows("SELECT version_num FROM alembic_version ORDER BY 1") if revision_table else []
    steps = dict(connection.rows(f"SELECT step, key FROM {STATE}")) if STATE in relations else {}  # noqa: S608
    version, schema, may_create, may_make_temporary, read_only, encoding = connection.rows(
        "SELECT current_setting('server_version_num')::int, quote_ident(current_schema()), "
        "COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false), "
        "has_database_privilege(current_database(), 'TEMP'), "
        "current_setting('default_transaction_read_only') = 'on' OR pg_is_in_recovery(), "
        "current_setting('server_encoding')"
    )[0]
    return Catalogue(
        version=version,
        schema=schema or "",
        revision=", ".join(row[0] for row in revisions),
        revision_table=revision_table,
        may_create=may_create,
        may_make_temporary=may_make_temporary,
        read_only=read_only,
        encoding=encoding,
        relations=frozenset(relations),
        tables=_tables(connection, names),
        begun_as=steps.get("kind", ""),
        shadows=frozenset(name for name in names if SHADOW_PREFIX + name in relations),
        watched=frozenset(name for (name,) in connection.rows(_WATCHED, (TRIGGER,))),
        noted=frozenset(steps),
        elsewhere=tuple(name for (name,) in connection.rows(_ELSEWHERE, (names,))),
    )


def read_table(connection: Connection, name: str) -> LiveTable | None:
    """One of the tables, as it is now."""
    return next(iter(_tables(connection, [name])), None)


def _tables(connection: Connection, names: list[str]) -> tuple[LiveTable, ...]:
    columns = _grouped(connection.rows(_COLUMNS, (names,)))
    indexes = _grouped(connection.rows(_INDEXES, (names,)))
    foreign_keys = _grouped(connection.rows(_FOREIGN_KEYS, (names,)))
    dependents = _grouped(connection.rows(_DEPENDENTS, {"tables": names, "trigger": TRIGGER}))
    # The catalogue's own key is what the foreign key's target depends on.
    expected = f"constraint {FOREIGN_KEY.name} on table {FOREIGN_KEY.table}"
    return tuple(
        LiveTable(
            name,
            relkind,
            about_rows,
            owned,
            owner,
            tuple(checks),
            tuple(LiveColumn(*column) for column in columns.get(name, ())),
            tuple(LiveIndex(*index) for index in indexes.get(name, ())),
            tuple(LiveForeignKey(*key) for key in foreign_keys.get(name, ())),
            tuple(one for (one,) in dependents.get(name, ()) if one != expected),
        )
        for name, relkind, about_rows, owned, owner, checks in connection.rows(_TABLES, (names,))
    )


def _grouped(rows: list[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for name, *rest in rows:
        found.setdefault(name, []).append(tuple(rest))
    return found
