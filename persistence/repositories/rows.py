"""Rows as callers bring them: dataclasses or mappings with the column names as field names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def value_of(row: object, name: str) -> Any:
    """One field of a row.

    Raises:
        AttributeError, KeyError: the row has no such field.
    """
    return row[name] if isinstance(row, Mapping) else getattr(row, name)


def last_of_each(rows: Sequence[object], key: str) -> list[object]:
    """The rows without those that a later one with the same key replaces: one statement may touch a row only
    once.
    """
    return list({value_of(row, key): row for row in rows}.values())


def as_columns(row: object, columns: Sequence[str]) -> dict[str, Any]:
    """The row as a new dictionary of these columns."""
    if isinstance(row, Mapping):
        return {name: row[name] for name in columns}
    return {name: getattr(row, name) for name in columns}
