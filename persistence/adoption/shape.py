"""The form of a table: its columns, its indexes, and which of its rows exclude each other."""

from __future__ import annotations

from dataclasses import dataclass

REVISION = "0002"
"""What a database that is taken over is at, before it is upgraded; it ends the names of side tables."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as `format_type` and `pg_get_expr` write it."""

    name: str
    kind: str
    not_null: bool = False
    default: str = ""
    before: tuple[str, ...] = ()
    """Older types of it, which are converted."""
    named_before: str = ""
    made_of: str = ""
    """What fills it in a table that lacks it; empty where it may not be missing."""
    nothing: str = ""
    """A value that stands for NULL in old rows, and becomes it."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index; `definition` is what follows USING."""

    name: str
    definition: str
    unique: bool = False
    constraint: str = ""
    """`p` or `u` where it belongs to a primary key or a unique constraint."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What is indexed, in order."""
        return columns_of(self.definition)


@dataclass(frozen=True, slots=True)
class Shape:
    """A table. `best_first` ranks rows of one `group`, of which the first stays; the others are set aside.

    `unfit` is what rows `t` must not be, whatever their group: they are set aside as well.
    """

    table: str
    key: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]
    group: str = ""
    best_first: str = ""
    unfit: str = ""

    def column(self, name: str) -> Column | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def grouped_by(self) -> str:
        """The column whose rows are carried over together: that of duplicates, else the key."""
        return self.group or self.key

    @property
    def unique_columns(self) -> tuple[str, ...]:
        """Columns of which no two rows may hold the same."""
        return tuple(index.columns[0] for index in self.indexes if index.unique)

    @property
    def duplicates(self) -> str:
        """The side table of the rows that duplicates cost."""
        return f"_dup_{self.table}_{REVISION}" if self.group else ""

    @property
    def unfit_rows(self) -> str:
        """The side table of the rows that are unfit."""
        return f"_nan_{self.table}_{REVISION}" if self.unfit else ""

    @property
    def sides(self) -> tuple[str, ...]:
        """The side tables of whole rows that a copy leaves out."""
        return tuple(filter(None, (self.duplicates, self.unfit_rows)))

    def repairs(self, column: str) -> str:
        """The side table of the JSON of a column that had to be mended."""
        return f"_json_{self.table}_{column}_{REVISION}"

    @property
    def fit(self) -> str:
        """What rows `t` must be to stay."""
        return f"NOT ({self.unfit})" if self.unfit else "true"

    @property
    def sequence(self) -> str:
        """The sequence of the key, empty where it is no number."""
        counted = self.column(self.key)
        return f"{self.table}_{self.key}_seq" if counted and counted.default else ""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key, and where rows go that break it."""

    name: str
    table: str
    column: str
    target: str
    definition: str
    orphans: str


def columns_of(definition: str) -> tuple[str, ...]:
    """The items of a plain btree's definition; empty where it is another kind of index."""
    prefix = "btree ("
    plain = definition.startswith(prefix) and definition.endswith(")")
    return tuple(definition[len(prefix) : -1].split(", ")) if plain else ()
