"""Looking at a database without changing it: what it is, what would be done, and how much of it there is."""

# ruff: noqa: S608 - every name in these statements is a constant of `shapes`

from __future__ import annotations

from dataclasses import dataclass

from persistence.adoption.catalogue import Catalogue, read_catalogue, read_table
from persistence.adoption.cleaning import holding_nothing
from persistence.adoption.connection import Connection, Patience, connected
from persistence.adoption.foresight import BegunAnew, Change, begun_anew, changes, expected_books, misnamed
from persistence.adoption.kinds import Kind, differences, kind_of, obstacles
from persistence.adoption.pending import Pending, pending, worked_on
from persistence.adoption.plan import Action, Plan, plan_for
from persistence.adoption.shapes import FOREIGN_KEY, SHAPES
from persistence.books import ProblemOf, Unreadable, unreadable
from persistence.errors import NotMigrated
from persistence.migration import ahead_of, heads, refuse_unknown
from settings import DatabaseSettings

COUNTED_TO = 1_000_000
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Count:
    """The rows of a table; `about` where the planner's guess stands for a count."""

    rows: int
    about: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """A database as it is found. `losses` counts by table the rows that would be set aside."""

    plan: Plan
    counts: dict[str, Count]
    pending: tuple[Pending, ...]
    """The revisions that are ahead, where it is this program's already."""
    losses: dict[str, int]
    unfit: dict[str, int]
    """Rows by table whose money is NaN or infinite, which would be set aside."""
    begun_anew: BegunAnew
    """Strategies that lose all their snapshots with those rows."""
    forgotten: dict[str, int]
    """Values by table and column that stand for NULL, and would become it."""
    changes: tuple[Change, ...]
    """Values that would be others afterwards."""
    misnamed: int
    """Snapshots of another name than that under which books are saved."""
    unreadable: Unreadable
    """Books that the daemon will not be able to open."""
    copied_bytes: int
    """What the tables hold whose rows are written anew, without their indexes."""
    unfinished: bool
    """Whether an earlier attempt was interrupted."""


class Foreign(NotMigrated):
    """The database is none of the kinds that can be taken over, or something is in the way: a line for each reason."""

    def __init__(self, summary: str, lines: tuple[str, ...]) -> None:
        super().__init__(f"{summary}: {_some(lines)}")
        self.summary = summary
        self.lines = lines


def survey(url: str, settings: DatabaseSettings, problem_of: ProblemOf = lambda _: None) -> Survey:
    """Look, in one read-only transaction; `problem_of` is how the daemon reads books.

    Raises:
        Foreign: it cannot be taken over.
        NotMigrated: a newer version of this program has migrated it.
        PersistenceError: by class, whatever is wrong with the database.
    """
    with (
        connected(url, settings, Patience()) as connection,
        connection.transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY"),
    ):
        catalogue = read_catalogue(connection)
        refuse(catalogue)
        plan = plan_for(catalogue, heads())
        foreseen = plan.kind not in {Kind.EMPTY, Kind.OURS}
        counts = {table.name: _count(connection, table.name, table.about_rows) for table in catalogue.tables}
        found = _pending(connection, plan, catalogue, counts)
        return Survey(
            plan,
            counts,
            found,
            _losses(connection) if foreseen else {},
            _unfit(connection) if foreseen else {},
            begun_anew(connection) if foreseen else BegunAnew(),
            _forgotten(connection) if foreseen else {},
            changes(connection, catalogue) if foreseen else (),
            misnamed(connection, catalogue) if foreseen else 0,
            unreadable(expected_books(connection, catalogue) if foreseen else (), problem_of),
            _copied_bytes(connection, plan, found),
            bool(catalogue.begun_as),
        )


def refuse(catalogue: Catalogue) -> None:
    """Stop at a database that cannot be taken over.

    Raises:
        Foreign: it is none of the kinds, or something is in the way.
        NotMigrated: it is at a revision that this version does not know.
    """
    if kind_of(catalogue) is Kind.OURS:
        refuse_unknown(catalogue.revision)
    if found := differences(catalogue):
        raise Foreign("this is none of Alpha Panda's databases", found)
    if found := obstacles(catalogue):
        raise Foreign("it cannot be adopted yet", found)


def _some(lines: tuple[str, ...]) -> str:
    rest = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "; ".join(lines[:_SHOWN]) + rest


def _count(connection: Connection, table: str, about: int) -> Count:
    if about > COUNTED_TO:
        return Count(about, about=True)
    return Count(connection.value(f"SELECT count(*) FROM {table}"))


def _losses(connection: Connection) -> dict[str, int]:
    duplicates = {
        shape.table: connection.value(
            f"SELECT count(*) - count(DISTINCT {shape.group}) FROM {shape.table} AS t WHERE {shape.fit}"
        )
        for shape in SHAPES
        if shape.group
    }
    orphans = connection.value(
        f"SELECT count(*) FROM {FOREIGN_KEY.table} AS entry WHERE NOT EXISTS "
        f"(SELECT FROM {FOREIGN_KEY.target} AS one WHERE one.{FOREIGN_KEY.column} = entry.{FOREIGN_KEY.column})"
    )
    return _positive({**duplicates, FOREIGN_KEY.table: orphans})


def _pending(connection: Connection, plan: Plan, catalogue: Catalogue, counts: dict[str, Count]) -> tuple[Pending, ...]:
    if plan.kind is not Kind.OURS:
        return ()
    ahead = ahead_of(plan.revision)
    rows = {table: count.rows for table, count in counts.items()}
    for name in worked_on(ahead) - rows.keys():
        if (table := read_table(connection, name)) is not None:
            rows[name] = _count(connection, name, table.about_rows).rows
    return pending(ahead, catalogue.relations, rows)


def _copied_bytes(connection: Connection, plan: Plan, found: tuple[Pending, ...]) -> int:
    copied = [step.table for step in plan.steps if step.action is Action.COPY]
    copied += [table for one in found for table in one.copied]
    return sum(connection.value("SELECT pg_table_size(%s::regclass)", (table,)) for table in copied)


def _unfit(connection: Connection) -> dict[str, int]:
    return _positive(
        {
            shape.table: connection.value(f"SELECT count(*) FROM {shape.table} AS t WHERE {shape.unfit}")
            for shape in SHAPES
            if shape.unfit
        }
    )


def _forgotten(connection: Connection) -> dict[str, int]:
    return _positive(
        {
            f"{shape.table}.{column.name}": connection.value(
                f"SELECT count(*) FROM {shape.table} WHERE {holding_nothing(column)}"
            )
            for shape in SHAPES
            for column in shape.columns
            if column.nothing
        }
    )


def _positive(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
