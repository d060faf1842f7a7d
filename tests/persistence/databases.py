"""Databases of a test's own on the session's server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from persistence.urls import normalise_url


@contextmanager
def connected(url: str, **options: Any) -> Iterator[Connection]:
    """A connection that has nothing to do with what is tested; each statement commits by itself."""
    engine = create_engine(normalise_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT", **options)
    with engine.connect() as connection:
        yield connection


@contextmanager
def new_database(server_url: str, template: str = "template0") -> Iterator[str]:
    """The URL of a new database, cloned from the template and dropped at the end."""
    name = f"test_{uuid.uuid4().hex}"
    with connected(server_url) as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield on_database(server_url, name)
    finally:
        with connected(server_url) as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def on_database(server_url: str, name: str) -> str:
    return normalise_url(server_url).set(database=name).render_as_string(hide_password=False)


def name_of(url: str) -> str:
    return str(normalise_url(url).database)
