"""One transaction of the writer on a real database: whose session is told to whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from actors.database.transaction import Transactions
from actors.messages import CommitUnit
from actors.rows import SessionInvalidationRow
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


def at(unit: CommitUnit, seconds: float, *, direct: bool) -> CommitUnit:
    """The login, so much later, asked for directly or brought by a stream."""
    assert unit.session is not None
    moment = unit.session.updated_at + timedelta(seconds=seconds)
    return replace(unit, session=replace(unit.session, updated_at=moment, direct=direct))


def test_a_login_is_told_with_its_own_token_beside_a_handled_one_of_the_same_moment(transactions: Transactions) -> None:
    transactions.write([save("handled", "first")], {})

    written = transactions.write([save("new", "second"), save("handled", "first")], {})

    assert [one.access_token for one in written.sessions.values()] == ["second"]


def test_of_two_logins_of_the_same_moment_the_later_one_is_stored_and_told(transactions: Transactions) -> None:
    written = transactions.write([save("one", "first"), save("two", "second")], {})
    again = transactions.write([save("one", "first")], {})

    assert [one.access_token for one in written.sessions.values()] == ["second"]
    assert [one.access_token for one in again.sessions.values()] == ["second"]


def test_of_a_stream_ahead_of_the_clock_and_a_request_the_later_one_is_stored(transactions: Transactions) -> None:
    transactions.write([at(save("stored", "zeroth"), 90, direct=False)], {})
    ahead, asked = at(save("ahead", "first"), 60, direct=False), at(save("asked", "second"), 0, direct=True)

    written = transactions.write([ahead, asked], {})
    again = transactions.write([asked, ahead, at(save("late", "third"), 80, direct=False)], {})

    for one in (*written.sessions.values(), *again.sessions.values()):
        assert one.access_token == "second"
    assert len(written.sessions) == 1


def test_of_an_end_and_a_login_asked_for_in_one_commit_the_later_one_counts(transactions: Transactions) -> None:
    login = at(save("one", "first"), 0, direct=True)
    assert login.session is not None
    user_id, moment = login.session.user_id, login.session.updated_at + timedelta(seconds=60)
    end = CommitUnit("auth", "end", invalidation=SessionInvalidationRow(user_id, "logout", moment, direct=True))

    ended = transactions.write([login, end], {})
    begun = transactions.write([replace(end, message_id="again"), replace(login, message_id="two")], {})

    assert [one.is_active for one in ended.sessions.values()] == [False]
    assert [one.is_active for one in begun.sessions.values()] == [True]
