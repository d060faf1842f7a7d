"""What is to be done to a database, decided on its catalogue alone: the same catalogue always gives the same plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from persistence.adoption.catalogue import Catalogue, LiveIndex, LiveTable
from persistence.adoption.kinds import Kind, kind_of, matches, redundant, rewritten
from persistence.adoption.shape import REVISION, Column, Shape
from persistence.adoption.shapes import FOREIGN_KEY, LATER_INDEXES, SHAPES


class Waits(Enum):
    """Who waits while a step holds its lock."""

    NOBODY = "nobody"
    WRITERS = "writers"
    EVERYBODY = "all"


class Action(Enum):
    """A kind of step: what it does, the lock that it takes on the table, and who waits for that."""

    PREPARE = ("note changes from now on", "SHARE ROW EXCLUSIVE", Waits.WRITERS)
    COPY = ("copy rows into the new shape", "ACCESS SHARE", Waits.NOBODY)
    INDEX = ("index the copy", "none", Waits.NOBODY)
    PROVE = ("prove that the copy is equal", "ACCESS SHARE", Waits.NOBODY)
    SWAP = ("put the copy in its place", "ACCESS EXCLUSIVE", Waits.EVERYBODY)
    DROP_INDEX = ("drop index", "SHARE UPDATE EXCLUSIVE", Waits.NOBODY)
    DROP_CONSTRAINT = ("drop constraint", "ACCESS EXCLUSIVE", Waits.EVERYBODY)
    CREATE_INDEX = ("create index", "SHARE UPDATE EXCLUSIVE", Waits.NOBODY)
    SET_DEFAULT = ("set the default of", "ACCESS EXCLUSIVE", Waits.EVERYBODY)
    ALLOW_NULL = ("allow NULL in", "ACCESS EXCLUSIVE", Waits.EVERYBODY)
    LINK = ("link new rows to instruments", "SHARE ROW EXCLUSIVE", Waits.WRITERS)
    SET_ORPHANS_ASIDE = ("set rows without an instrument aside", "ROW EXCLUSIVE", Waits.NOBODY)
    SET_UNFIT_ASIDE = ("set rows aside whose money is no number", "ROW EXCLUSIVE", Waits.NOBODY)
    FORGET = ("make NULL of what is no value in", "ROW EXCLUSIVE", Waits.NOBODY)
    VALIDATE = ("prove the link of every row", "SHARE UPDATE EXCLUSIVE", Waits.NOBODY)
    FORBID_NULL = ("fill, then forbid NULL in", "ACCESS EXCLUSIVE", Waits.EVERYBODY)
    STAMP = (f"note that it is at revision {REVISION}", "none", Waits.NOBODY)
    UPGRADE = ("upgrade to head", "ACCESS EXCLUSIVE", Waits.EVERYBODY)

    def __init__(self, words: str, lock: str, waits: Waits) -> None:
        self.words = words
        self.lock = lock
        self.waits = waits


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `subject` is the index, column or constraint that it is about."""

    action: Action
    table: str = ""
    subject: str = ""

    @property
    def name(self) -> str:
        """What it does, for people."""
        return f"{self.action.words} {self.subject}".strip()


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be done, in order."""

    kind: Kind
    revision: str
    steps: tuple[Step, ...]


def plan_for(catalogue: Catalogue, head: str) -> Plan:
    """The steps from here to the revision `head`; none where it is there already."""
    kind = kind_of(catalogue)
    upgrade = () if catalogue.revision == head else (Step(Action.UPGRADE),)
    if kind in {Kind.EMPTY, Kind.OURS}:
        return Plan(kind, catalogue.revision, upgrade)
    steps = (step for shape in SHAPES for step in _steps(catalogue, shape))
    # Rows that are there are changed last: until then it can all be undone.
    cleaning = (step for shape in SHAPES if not rewritten(catalogue, shape) for step in _cleaning_steps(shape))
    return Plan(kind, catalogue.revision, (*steps, *cleaning, Step(Action.STAMP), Step(Action.UPGRADE)))


def _steps(catalogue: Catalogue, shape: Shape) -> Iterator[Step]:
    table = catalogue.table(shape.table)
    if table is None:
        return
    if rewritten(catalogue, shape):
        actions = [Action.COPY, Action.INDEX, Action.PROVE, Action.SWAP]
        if shape.table not in catalogue.shadows:
            actions.insert(0, Action.PREPARE)
        yield from (Step(action, shape.table) for action in actions)
        return
    yield from _index_steps(table, shape)
    yield from (step for column in shape.columns for step in _column_steps(table, column))
    if shape.table == FOREIGN_KEY.table:
        yield from _link_steps(table, shape)


def _index_steps(table: LiveTable, shape: Shape) -> Iterator[Step]:
    """What is covered goes last, so that no moment is without a unique key."""
    for index in shape.indexes:
        if not matches(table, index):
            if table.index(index.name) is not None:
                yield Step(Action.DROP_INDEX, table.name, index.name)
            yield Step(Action.CREATE_INDEX, table.name, index.name)
    wanted = {index.name for index in shape.indexes}
    for live in table.indexes:
        if live.name not in wanted and _drops(live, shape):
            yield Step(Action.DROP_CONSTRAINT if live.constraint else Action.DROP_INDEX, table.name, live.name)


def _drops(live: LiveIndex, shape: Shape) -> bool:
    return live.name not in LATER_INDEXES and redundant(live.columns, shape, unique=live.unique)


def _column_steps(table: LiveTable, column: Column) -> Iterator[Step]:
    live = table.column(column.name)
    if live is None:
        return
    if live.default != column.default:
        yield Step(Action.SET_DEFAULT, table.name, column.name)
    if live.not_null and not column.not_null:
        yield Step(Action.ALLOW_NULL, table.name, column.name)


def _cleaning_steps(shape: Shape) -> Iterator[Step]:
    """What only the rows tell whether there is something to do for it."""
    yield from (Step(Action.FORGET, shape.table, column.name) for column in shape.columns if column.nothing)
    if shape.unfit:
        yield Step(Action.SET_UNFIT_ASIDE, shape.table)


def _link_steps(table: LiveTable, shape: Shape) -> Iterator[Step]:
    found = next((key for key in table.foreign_keys if key.name == FOREIGN_KEY.name), None)
    linked = found is not None and found.definition == FOREIGN_KEY.definition
    if not linked:
        yield Step(Action.LINK, table.name)
    if not linked or (found is not None and not found.valid):
        yield Step(Action.SET_ORPHANS_ASIDE, table.name)
        yield Step(Action.VALIDATE, table.name)
    for column in shape.columns:
        live = table.column(column.name)
        if column.not_null and live is not None and not live.not_null:
            yield Step(Action.FORBID_NULL, table.name, column.name)
