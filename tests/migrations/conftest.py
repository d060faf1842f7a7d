from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.persistence.databases import new_database


@pytest.fixture
def empty_url(postgres_url: str) -> Iterator[str]:
    """A database with nothing in it."""
    with new_database(postgres_url) as url:
        yield url
