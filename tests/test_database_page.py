"""docs/database.md says what the models and the settings say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import Table, UniqueConstraint

from persistence.models import metadata
from settings import DatabaseSettings

PAGE = (Path(__file__).parents[1] / "docs" / "database.md").read_text()
DIAGRAM = PAGE.partition("```mermaid\n")[2].partition("```")[0]
LIMITS = (
    "pool_timeout_s",
    "connect_timeout_s",
    "statement_timeout_ms",
    "lock_timeout_ms",
    "transaction_timeout_ms",
    "idle_in_transaction_timeout_ms",
    "tcp_user_timeout_ms",
    "keepalive_idle_s",
    "keepalive_interval_s",
    "keepalive_count",
)
"""Settings that are told here, and not in the README."""


def section(heading: str) -> str:
    """What stands below a heading, up to the next of its level or a higher one."""
    level = heading.partition(" ")[0]
    below = PAGE.partition(f"\n{heading}\n")[2]
    return re.split(rf"^#{{1,{len(level)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """The code in the first column of the tables."""
    return [name for row in re.findall(r"^\| (`[^|]*)\|", text, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)]


def indexes_of(table: Table) -> set[str]:
    unique = {one for one in table.constraints if isinstance(one, UniqueConstraint)}
    return {str(one.name) for one in (table.primary_key, *unique, *table.indexes)}


def drawn(table: str) -> dict[str, str]:
    """The columns of a table in the diagram, each with its keys."""
    (body,) = re.findall(rf"^    {table} {{\n(.*?)^    }}", DIAGRAM, re.MULTILINE | re.DOTALL)
    lines = [line.split(maxsplit=2) for line in body.splitlines()]
    return {line[1]: line[2] if len(line) > 2 else "" for line in lines}


def test_it_has_a_row_and_a_section_for_each_table() -> None:
    assert first_cells(section("## The tables")) == list(metadata.tables)
    assert re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE) == list(metadata.tables)


@pytest.mark.parametrize("table", metadata.tables.values(), ids=metadata.tables)
def test_every_index_is_told_of_with_what_it_answers(table: Table) -> None:
    assert set(first_cells(section(f"### `{table.name}`"))) == indexes_of(table)


@pytest.mark.parametrize("table", metadata.tables.values(), ids=metadata.tables)
def test_the_diagram_has_its_columns_and_keys(table: Table) -> None:
    columns = drawn(table.name)

    assert list(columns) == table.columns.keys()
    assert {name for name, keys in columns.items() if "PK" in keys} == set(table.primary_key.columns.keys())
    assert {name for name, keys in columns.items() if "FK" in keys} == {
        column.name for column in table.columns if column.foreign_keys
    }


def test_the_limits_of_connections_have_the_defaults_that_are_told() -> None:
    told = {}
    for names, defaults in re.findall(r"^\| (`DATABASE__[^|]*)\| ([^|]*) \|", section("## Connections"), re.MULTILINE):
        told.update(zip(re.findall(r"DATABASE__(\w+)", names), defaults.split(", "), strict=True))

    settings = DatabaseSettings()
    assert told == {name.upper(): f"{getattr(settings, name):g}" for name in LIMITS}
