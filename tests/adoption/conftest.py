from __future__ import annotations

from collections.abc import Iterator

import pytest

from persistence.migration import upgrade
from tests.adoption.dumps import schema_of
from tests.adoption.old_databases import OLD_DATABASES, OldDatabase
from tests.persistence.databases import new_database


@pytest.fixture
def empty_url(postgres_url: str) -> Iterator[str]:
    """A database with nothing in it."""
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture(params=OLD_DATABASES, ids=lambda old: old.name)
def old(request: pytest.FixtureRequest) -> OldDatabase:
    """Each way in which Alpha Panda has made its database."""
    made: OldDatabase = request.param
    return made


@pytest.fixture(scope="session")
def head_schema(postgres_url: str) -> str:
    """What `pg_dump` says of a database that has walked from empty to head."""
    with new_database(postgres_url) as url:
        upgrade(url)
        return schema_of(url)
