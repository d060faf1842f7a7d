"""The sides that write: our repositories, a statement for each row, and SQLAlchemy's executemany.

Each commits after every batch, on a connection that it keeps, so they differ in their statements alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, Executable, create_engine

from benchmarks.path.servers import connect
from persistence.database import open_database
from persistence.unit_of_work import UnitOfWork
from persistence.urls import normalise_url
from settings import DatabaseSettings

Batches = Sequence[Sequence[Any]]


def by_repository(url: str, groups: Batches, write: Callable[[UnitOfWork, Sequence[Any]], object]) -> None:
    """Each batch through a repository."""
    database = open_database(url, DatabaseSettings(), "bench")
    try:
        for group in groups:
            with database.writer_unit() as unit:
                write(unit, group)
                unit.commit()
    finally:
        database.close()


def by_row(url: str, groups: Batches, statement: str) -> None:
    """Each row by a statement of psycopg2."""
    connection = connect(url)
    connection.autocommit = False
    try:
        cursor = connection.cursor()
        for group in groups:
            for row in group:
                cursor.execute(statement, row)
            connection.commit()
    finally:
        connection.close()


def by_executemany(url: str, groups: Batches, statement: Executable) -> None:
    """Each batch by SQLAlchemy Core."""
    with _core(url) as connection:
        for group in groups:
            connection.execute(statement, group)
            connection.commit()


@contextmanager
def _core(url: str) -> Iterator[Connection]:
    engine = create_engine(normalise_url(url), json_serializer=lambda value: orjson.dumps(value).decode())
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def as_text(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    """The row with that column as JSON text, for psycopg2."""
    return {**row, column: orjson.dumps(row[column]).decode()}
