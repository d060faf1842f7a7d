from __future__ import annotations

from collections.abc import Iterator

import pytest

from persistence.database import Database, open_database
from persistence.migration import upgrade
from settings import DatabaseSettings
from tests.persistence.databases import name_of, new_database


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str) -> Iterator[str]:
    """The name of a database at head that nobody connects to."""
    with new_database(postgres_url) as url:
        upgrade(url)
        yield name_of(url)


@pytest.fixture
def database_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """A fresh database at head."""
    with new_database(postgres_url, migrated_template) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url, DatabaseSettings(lock_timeout_ms=1_000), "tests")
    yield opened
    opened.close()
