"""A database of a test's own, and files to load into it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from persistence.database import Database, open_database
from settings import DatabaseSettings


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url, DatabaseSettings(), "tests")
    yield opened
    opened.close()
