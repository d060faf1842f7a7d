"""One transaction of the writer on a real database: whose session is told to whom."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from actors.database.transaction import Transactions
from actors.messages import CommitUnit
from actors.sessions import row_of
from persistence.database import open_database
from settings import DatabaseSettings
from tests.actors.test_sessions import login


@pytest.fixture
def transactions(database_url: str) -> Iterator[Transactions]:
    database = open_database(database_url, DatabaseSettings(), "tests")
    yield Transactions(database)
    database.close()


def save(message_id: str, token: str) -> CommitUnit:
    """A login; all of them come in the same moment."""
    return CommitUnit("auth", message_id, session=row_of(login(message_id=message_id, access_token=token)))


def test_a_login_is_told_with_its_own_token_beside_a_handled_one_of_the_same_moment(transactions: Transactions) -> None:
    transactions.write([save("handled", "first")], {})

    written = transactions.write([save("new", "second"), save("handled", "first")], {})

    assert [one.access_token for one in written.sessions.values()] == ["second"]


def test_of_two_logins_of_the_same_moment_the_later_one_is_stored_and_told(transactions: Transactions) -> None:
    written = transactions.write([save("one", "first"), save("two", "second")], {})
    again = transactions.write([save("one", "first")], {})

    assert [one.access_token for one in written.sessions.values()] == ["second"]
    assert [one.access_token for one in again.sessions.values()] == ["second"]
