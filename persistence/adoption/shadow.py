"""A table's shadow: the same rows in the shape that the table must get. Only the texts of statements."""

# ruff: noqa: S608 - every name in these statements is a constant of `shapes` or stands in the catalogue

from __future__ import annotations

from dataclasses import dataclass

from persistence.adoption.catalogue import SHADOW_PREFIX, TRIGGER, LiveTable
from persistence.adoption.shape import Column, Index, Shape


def privacy(table: str) -> str:
    """What takes a new table away from whom the database's default privileges have given it to."""
    return f"""
        DO $$ DECLARE other text; BEGIN
            FOR other IN
                SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
                  FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = '{table}'::regclass AND grantee <> relowner
            LOOP EXECUTE 'REVOKE ALL ON TABLE {table} FROM ' || other; END LOOP;
        END $$
    """


@dataclass(frozen=True, slots=True)
class Shadow:
    """The shadow of one table, beside which the table lives on until the swap."""

    shape: Shape
    live: LiveTable
    schema: str

    @property
    def table(self) -> str:
        """The table that is to be replaced."""
        return self.shape.table

    @property
    def name(self) -> str:
        """What is to replace it."""
        return SHADOW_PREFIX + self.table

    @property
    def log(self) -> str:
        """Where the trigger notes the groups of changed rows; NULL stands for all."""
        return f"_log_{self.table}"

    @property
    def function(self) -> str:
        """What the trigger calls."""
        return f"_adopt_{self.table}"

    @property
    def progress(self) -> str:
        """The name of the row that says how far the copy has come."""
        return f"copy {self.table}"

    @property
    def documents(self) -> tuple[str, ...]:
        """The columns that are json and become jsonb."""
        found = ((column.name, self.live.column(column.name)) for column in self.shape.columns)
        return tuple(name for name, live in found if live is not None and live.kind == "json")

    def repairs(self, column: str) -> str:
        """The side table of the JSON that had to be mended."""
        return self.shape.repairs(column)

    @property
    def parts(self) -> tuple[str, ...]:
        """All tables that an adoption of the table makes, in the order in which it makes them."""
        return (self.name, self.log, *self.shape.sides, *(self.repairs(column) for column in self.documents))

    def creation(self) -> list[str]:
        """What makes the shadow, and notes every change of the table from then on."""
        columns = [self._definition(column) for column in self.shape.columns]
        key = f"CONSTRAINT {SHADOW_PREFIX}{self.table}_pkey PRIMARY KEY ({self.shape.key})"
        statements = [
            # An autovacuum would hold a lock on it when it is to be put in its place.
            f"CREATE TABLE {self.name} ({', '.join([*columns, key])}) WITH (autovacuum_enabled = false)",
            *(self.index_creation(index) for index in self.shape.indexes if index.unique and not index.constraint),
            f"CREATE TABLE {self.log} (key {self._kind(self.shape.grouped_by)})",
        ]
        for side in self.shape.sides:
            statements += [
                f"CREATE TABLE {side} (LIKE {self.table})",
                f"CREATE INDEX ON {side} ({self.shape.grouped_by})",
            ]
        for column in self.documents:
            kind = self._kind(self.shape.key)
            statements.append(
                f"CREATE TABLE {self.repairs(column)} (key {kind} PRIMARY KEY, original json, repaired json)"
            )
        statements += [privacy(table) for table in self.parts]
        return [*statements, f"ALTER TABLE {self.name} OWNER TO {self.live.owner}", *self._trigger()]

    def index_creation(self, index: Index) -> str:
        """What makes an index of the shadow, under a name that is not taken yet."""
        unique = "UNIQUE " if index.unique else ""
        return f"CREATE {unique}INDEX {SHADOW_PREFIX}{index.name} ON {self.name} USING {index.definition}"

    def replacement(self) -> list[str]:
        """What puts the shadow in the table's place."""
        key, sequence = self.shape.key, self.shape.sequence
        return [
            *([f"ALTER SEQUENCE {sequence} AS {self._kind(key)} OWNED BY {self.name}.{key}"] if sequence else []),
            f"DROP TABLE {self.table}",
            f"DROP FUNCTION {self.function}()",
            f"DROP TABLE {self.log}",
            f"ALTER TABLE {self.name} RESET (autovacuum_enabled)",
            f"ALTER TABLE {self.name} RENAME TO {self.table}",
            *(f"ALTER INDEX {SHADOW_PREFIX}{index.name} RENAME TO {index.name}" for index in self.shape.indexes),
        ]

    def copying(self, rows: str) -> str:
        """What copies those rows of the table; `rows` is a condition on `t`.

        A row whose key the shadow still holds under another group is left out: the log holds both groups, as one of
        them has changed.
        """
        names = ", ".join(column.name for column in self.shape.columns)
        values = ", ".join(self.value(column) for column in self.shape.columns)
        return (
            f"INSERT INTO {self.name} ({names}) SELECT {values} FROM {self.chosen(rows)} AS t {self.mending()} "
            "ON CONFLICT DO NOTHING"
        )

    def setting_aside(self, rows: str) -> list[str]:
        """What copies those of the rows that are unfit, or lose against another of their group."""
        shape, names = self.shape, ", ".join(column.name for column in self.live.columns)
        place = f"row_number() OVER (PARTITION BY {shape.group} ORDER BY {shape.best_first})"
        ranked = f"SELECT t.*, {place} AS _place FROM {self.table} AS t WHERE {rows} AND {shape.fit}"
        chosen = {
            shape.duplicates: f"({ranked}) AS t WHERE _place > 1",
            shape.unfit_rows: f"{self.table} AS t WHERE {rows} AND ({shape.unfit})",
        }
        return [f"INSERT INTO {side} ({names}) SELECT {names} FROM {chosen[side]}" for side in shape.sides]

    def forgetting(self) -> list[str]:
        """What takes the groups `%(keys)s` out of the shadow and its side tables, and rows that are of them by now."""
        group, key = self.shape.grouped_by, self.shape.key
        changed = f"USING {self.table} AS t WHERE t.{group} = ANY (%(keys)s)"
        statements = [f"DELETE FROM {self.name} WHERE {group} = ANY (%(keys)s)"]
        statements += [
            f"DELETE FROM {self.name} AS n {changed} AND n.{column} = t.{column}"
            for column in self.shape.unique_columns
            if column != group
        ]
        for side in self.shape.sides:
            statements.append(f"DELETE FROM {side} WHERE {group} = ANY (%(keys)s)")
            statements.append(f"DELETE FROM {side} AS n {changed} AND n.{key} = t.{key}")
        statements += [
            f"DELETE FROM {self.repairs(name)} AS n {changed} AND n.key = t.{key}" for name in self.documents
        ]
        return statements

    def sweeping(self) -> list[str]:
        """What takes out all that the table no longer holds, after a TRUNCATE."""
        group = self.shape.grouped_by
        sides = [self.name, *self.shape.sides]
        absent = f"NOT EXISTS (SELECT FROM {self.table} AS t WHERE t.{group} = n.{group})"
        return [f"DELETE FROM {side} AS n WHERE {absent}" for side in sides]

    def tidying(self) -> list[str]:
        """What drops repairs of rows that are not in the shadow."""
        absent = f"NOT EXISTS (SELECT FROM {self.name} AS n WHERE n.{self.shape.key} = j.key)"
        return [f"DELETE FROM {self.repairs(column)} AS j WHERE {absent}" for column in self.documents]

    def chosen(self, rows: str) -> str:
        """Those rows of the table, without the unfit ones and the losers."""
        group, fit = self.shape.group, f"FROM {self.table} AS t WHERE {rows} AND {self.shape.fit}"
        if not group:
            return f"(SELECT * {fit})"
        return f"(SELECT DISTINCT ON ({group}) * {fit} ORDER BY {group}, {self.shape.best_first})"

    def mending(self) -> str:
        """The join with what had to be mended."""
        key = self.shape.key
        return " ".join(
            f"LEFT JOIN {self.repairs(name)} AS j_{name} "
            f"ON j_{name}.key = t.{key} AND j_{name}.original::text = t.{name}::text"
            for name in self.documents
        )

    def value(self, column: Column) -> str:
        """The column's value in the new shape, from a row `t` that is joined with `mending`."""
        return f"NULLIF({self._value(column)}, '{column.nothing}')" if column.nothing else self._value(column)

    def _value(self, column: Column) -> str:
        live = self.live.column(column.name)
        if live is None:
            old = self.live.column(column.named_before) if column.named_before else None
            return f"t.{old.name}" if old is not None else f"({column.made_of})"
        if live.kind == "json":
            return f"COALESCE(j_{column.name}.repaired, t.{column.name})::jsonb"
        if live.kind == "double precision":
            # By way of text: the direct cast keeps 15 digits only.
            return f"t.{column.name}::text::numeric"
        return f"t.{column.name}"

    def _definition(self, column: Column) -> str:
        """The constraint gets the name that it will have to have; versions before 18 have none, and ignore it."""
        null = f" CONSTRAINT {self.table}_{column.name}_not_null NOT NULL" if column.not_null else ""
        default = f" DEFAULT {column.default}" if column.default else ""
        return f"{column.name} {column.kind}{null}{default}"

    def _kind(self, name: str) -> str:
        column = self.shape.column(name)
        return column.kind if column is not None else ""

    def _trigger(self) -> list[str]:
        """Whoever writes needs no rights of his own for the log, and none can switch the trigger off by accident."""
        group, log = self.shape.grouped_by, f"{self.schema}.{self.log}"
        changes = f"AFTER INSERT OR UPDATE OR DELETE ON {self.table} FOR EACH ROW"
        return [
            f"""
            CREATE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog AS $$
            BEGIN
                IF TG_OP = 'INSERT' THEN INSERT INTO {log} VALUES (NEW.{group});
                ELSIF TG_OP = 'DELETE' THEN INSERT INTO {log} VALUES (OLD.{group});
                ELSIF TG_OP = 'UPDATE' THEN INSERT INTO {log} VALUES (OLD.{group}), (NEW.{group});
                ELSE INSERT INTO {log} VALUES (NULL);
                END IF;
                RETURN NULL;
            END $$
            """,
            f"CREATE TRIGGER {TRIGGER} {changes} EXECUTE FUNCTION {self.function}()",
            f"CREATE TRIGGER {TRIGGER}_all AFTER TRUNCATE ON {self.table} EXECUTE FUNCTION {self.function}()",
            f"ALTER TABLE {self.table} ENABLE ALWAYS TRIGGER {TRIGGER}",
            f"ALTER TABLE {self.table} ENABLE ALWAYS TRIGGER {TRIGGER}_all",
        ]
