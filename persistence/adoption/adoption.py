"""Walking a plan. Each step can be interrupted at any point; what is left of it shows in the catalogue."""

# ruff: noqa: S608 - every name in these statements is a constant of `shapes` or stands in the catalogue

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from persistence.adoption.carrying import Carrier
from persistence.adoption.catalogue import STATE, Catalogue, read_catalogue
from persistence.adoption.cleaning import forget, set_unfit_aside
from persistence.adoption.connection import Connection, Patience, connected
from persistence.adoption.plan import Action, Plan, Step, plan_for
from persistence.adoption.registry import fill_and_forbid_null, link, set_orphans_aside, validate
from persistence.adoption.replacement import begin, build_indexes, prepare
from persistence.adoption.shadow import Shadow
from persistence.adoption.shape import REVISION, Shape
from persistence.adoption.shapes import SHAPES
from persistence.adoption.survey import refuse
from persistence.errors import Unavailable
from persistence.migration import OLDEST, heads, upgrade
from settings import DatabaseSettings

Told = Callable[["Progress"], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that has begun, goes on or has ended."""

    step: Step
    rows: int = 0
    """Rows that were dealt with since the last report."""
    ended: bool = False


def adopt(url: str, settings: DatabaseSettings, told: Told, patience: Patience | None = None) -> Plan:
    """Take the database over and bring it to head, from wherever an interrupted attempt has come to.

    Another one that is under way is waited for. `told` is called in this thread.

    Raises:
        NotMigrated: it is none of the kinds, or something is in the way; the message says what.
        Conflict: a table was in use for too long; what was committed stays, and a repeat goes on from there.
        Unavailable: the server is away or read-only; a repeat goes on from there as well.
        PersistenceError: by class, whatever else is wrong with the database.
    """
    bounds = patience or Patience()
    with connected(url, settings, bounds) as connection:
        connection.take_lock()
        catalogue = read_catalogue(connection)
        refuse(catalogue)
        plan = plan_for(catalogue, heads())
        if plan.steps and catalogue.read_only:
            raise Unavailable("the database is read-only (a standby?): adopt it where it can be written to")
        walk = Walk(connection, plan, catalogue, told)
        steps = [step for step in plan.steps if step.action is not Action.UPGRADE]
        if steps:
            walk.begin()
        for step in steps:
            walk.take(step)
        connection.give_lock()
    if plan.steps:
        told(Progress(plan.steps[-1]))
        upgrade(url, lock_timeout_ms=int(bounds.insistent_lock_s * 1000))
        told(Progress(plan.steps[-1], ended=True))
    return plan


def side_tables(url: str, settings: DatabaseSettings) -> dict[str, int]:
    """The tables with rows that were set aside or mended, and how many each holds."""
    with connected(url, settings, Patience()) as connection:
        names = read_catalogue(connection).side_tables
        return {name: connection.value(f"SELECT count(*) FROM {name}") for name in names}


class Walk:
    """Takes the steps of a plan, on one connection."""

    def __init__(self, connection: Connection, plan: Plan, catalogue: Catalogue, told: Told) -> None:
        self._connection = connection
        self._catalogue = catalogue
        self._plan = plan
        self._told = told
        self._takers: Mapping[Action, Callable[[Step], None]] = {
            Action.PREPARE: self._prepare,
            Action.COPY: lambda step: self._carrier(step).copy(),
            Action.INDEX: self._index,
            Action.PROVE: self._prove,
            Action.SWAP: self._swap,
            Action.DROP_INDEX: self._drop_index,
            Action.DROP_CONSTRAINT: self._alter("DROP CONSTRAINT {subject}"),
            Action.CREATE_INDEX: self._create_index,
            Action.SET_DEFAULT: self._set_default,
            Action.ALLOW_NULL: self._alter("ALTER COLUMN {subject} DROP NOT NULL"),
            Action.LINK: lambda _: link(self._connection),
            Action.SET_ORPHANS_ASIDE: self._set_orphans_aside,
            Action.SET_UNFIT_ASIDE: self._set_unfit_aside,
            Action.FORGET: self._forget,
            Action.VALIDATE: lambda _: validate(self._connection),
            Action.FORBID_NULL: lambda step: fill_and_forbid_null(self._connection, step.subject),
            Action.STAMP: self._stamp,
        }

    def take(self, step: Step) -> None:
        """Take one step, and report it."""
        self._told(Progress(step))
        self._takers[step.action](step)
        self._told(Progress(step, ended=True))

    def begin(self) -> None:
        """Remember what it is: that cannot be told any more once a part is done."""
        begin(self._connection)
        with self._connection.transaction():
            self._connection.run(
                f"INSERT INTO {STATE} (step, key) VALUES ('kind', %s) ON CONFLICT DO NOTHING", (self._plan.kind.name,)
            )
            if self._catalogue.revision == OLDEST:
                # It would let an upgrade migrate the tables beneath their copies.
                self._run("DELETE FROM alembic_version")

    def _prepare(self, step: Step) -> None:
        prepare(self._connection, self._shadow(step))

    def _index(self, step: Step) -> None:
        build_indexes(self._connection, self._shadow(step))

    def _prove(self, step: Step) -> None:
        carrier = self._carrier(step)
        carrier.catch_up()
        carrier.prove()

    def _swap(self, step: Step) -> None:
        self._carrier(step).swap(lambda: None)

    def _drop_index(self, step: Step) -> None:
        self._connection.unhurried(step.table, lambda: self._run(f"DROP INDEX CONCURRENTLY IF EXISTS {step.subject}"))

    def _create_index(self, step: Step) -> None:
        index = next(one for one in _shape(step).indexes if one.name == step.subject)
        unique = "UNIQUE " if index.unique else ""

        def create() -> None:
            # An attempt that failed has left an index that is not valid.
            self._run(f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}")
            self._run(f"CREATE {unique}INDEX CONCURRENTLY {index.name} ON {step.table} USING {index.definition}")

        self._connection.unhurried(step.table, create)

    def _set_default(self, step: Step) -> None:
        column = _shape(step).column(step.subject)
        default = column.default if column is not None else ""
        action = f"SET DEFAULT {default}" if default else "DROP DEFAULT"
        sequence = _shape(step).sequence if step.subject == _shape(step).key else ""

        def change() -> None:
            if sequence:
                self._run(f"CREATE SEQUENCE IF NOT EXISTS {sequence} AS integer")
                self._run(f"ALTER SEQUENCE {sequence} OWNED BY {step.table}.{step.subject}")
            self._run(f"ALTER TABLE {step.table} ALTER COLUMN {step.subject} {action}")

        self._connection.locking(step.table, change)

    def _alter(self, action: str) -> Callable[[Step], None]:
        def alter(step: Step) -> None:
            statement = f"ALTER TABLE {step.table} {action.format(subject=step.subject)}"
            self._connection.locking(step.table, lambda: self._run(statement))

        return alter

    def _set_orphans_aside(self, step: Step) -> None:
        set_orphans_aside(self._connection, lambda rows: self._told(Progress(step, rows)))

    def _set_unfit_aside(self, step: Step) -> None:
        set_unfit_aside(self._connection, _shape(step), lambda rows: self._told(Progress(step, rows)))

    def _forget(self, step: Step) -> None:
        column = _shape(step).column(step.subject)
        if column is not None:
            forget(self._connection, _shape(step), column, lambda rows: self._told(Progress(step, rows)))

    def _stamp(self, _step: Step) -> None:
        """Say which revision it is at, and leave nothing behind but rows that were set aside."""
        sides = read_catalogue(self._connection).side_tables
        with self._connection.transaction():
            for side in sides:
                if not self._connection.value(f"SELECT EXISTS (SELECT FROM {side})"):
                    self._run(f"DROP TABLE {side}")
            self._run(f"DROP TABLE {STATE}")
            self._run(
                "CREATE TABLE IF NOT EXISTS alembic_version "
                "(version_num varchar(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY)"
            )
            self._run("DELETE FROM alembic_version")
            self._connection.run("INSERT INTO alembic_version VALUES (%s)", (REVISION,))

    def _run(self, statement: str) -> None:
        self._connection.run(statement)

    def _carrier(self, step: Step) -> Carrier:
        return Carrier(self._connection, self._shadow(step), lambda rows: self._told(Progress(step, rows)))

    def _shadow(self, step: Step) -> Shadow:
        live = self._catalogue.table(step.table)
        if live is None:
            raise LookupError(step.table)
        return Shadow(_shape(step), live, self._catalogue.schema)


def _shape(step: Step) -> Shape:
    return next(shape for shape in SHAPES if shape.table == step.table)
