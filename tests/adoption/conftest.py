from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache

import pytest

from persistence.adoption.adoption import adopt
from persistence.adoption.kinds import Kind
from persistence.migration import upgrade
from settings import DatabaseSettings
from tests.adoption.accounts import Books, books_of
from tests.adoption.dirt import fill
from tests.adoption.dumps import schema_of
from tests.adoption.old_databases import OLD_DATABASES, OldDatabase
from tests.persistence.databases import new_database


@dataclass(frozen=True, slots=True)
class Taken:
    """A dirty database that was taken over: as what, and what it held before."""

    url: str
    kind: Kind
    before: Books


Made = Callable[[OldDatabase], str]
TakenOver = Callable[[OldDatabase], Taken]


@pytest.fixture(scope="session")
def made(postgres_url: str) -> Iterator[Made]:
    """Gives a dirty database of a kind, to be looked at only."""
    with ExitStack() as stack:

        @cache
        def make(old: OldDatabase) -> str:
            url = stack.enter_context(new_database(postgres_url))
            old.make(url)
            fill(url, old)
            return url

        yield make


@pytest.fixture(scope="session")
def taken_over(postgres_url: str) -> Iterator[TakenOver]:
    """Gives a database of a kind that was dirty and is taken over, to be looked at only."""
    with ExitStack() as stack:

        @cache
        def take(old: OldDatabase) -> Taken:
            url = stack.enter_context(new_database(postgres_url))
            old.make(url)
            fill(url, old)
            before = books_of(url)
            return Taken(url, adopt(url, DatabaseSettings(), lambda _: None).kind, before)

        yield take


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
