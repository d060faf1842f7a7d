"""How long a process may rely on its leases, and since when nobody else has acted."""

from __future__ import annotations

from actors.database.leases import LEASE_TTL_S, MARGIN_S, Leases
from actors.messages import BooksHeld, BooksOpened
from actors.tenure import NEVER
from persistence.database import Database
from tests.persistence.test_leases import expire


class Time:
    """Seconds that go on when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def leases(database: Database, node: str, time: Time | None = None) -> Leases:
    return Leases(database, node, "1", 0, time or Time())


def test_books_opened_again_belong_to_the_same_reign(database: Database) -> None:
    mine = leases(database, "one")
    first, again = mine.open("paper"), mine.open("paper")

    assert isinstance(first, BooksOpened)
    assert isinstance(again, BooksOpened)
    assert again.epoch == first.epoch + 1
    assert again.reign == first.reign


def test_a_reign_ends_when_somebody_else_acted_in_between(database: Database, database_url: str) -> None:
    mine, other = leases(database, "one"), leases(database, "two")
    first = mine.open("paper")
    expire(database_url)
    assert isinstance(other.open("paper"), BooksOpened)
    expire(database_url)
    again = mine.open("paper")

    assert isinstance(first, BooksOpened)
    assert isinstance(again, BooksOpened)
    assert again.reign == again.epoch > first.reign


def test_a_lease_that_expired_untaken_is_the_same_reign(database: Database, database_url: str) -> None:
    mine = leases(database, "one")
    first = mine.open("paper")
    expire(database_url)

    assert mine.renew() == ["paper"]
    assert mine.tenures["paper"].until == NEVER
    again = mine.open("paper")
    assert isinstance(first, BooksOpened)
    assert isinstance(again, BooksOpened)
    assert again.reign == first.reign


def test_a_lease_is_relied_on_from_when_it_was_asked_for_to_before_its_end(database: Database) -> None:
    time = Time()
    mine = leases(database, "one", time)
    mine.open("paper")
    assert mine.tenures["paper"].until == 100 + LEASE_TTL_S - MARGIN_S

    time.now = 103.0
    assert mine.renew() == []
    assert mine.tenures["paper"].until == 103 + LEASE_TTL_S - MARGIN_S


def test_a_lease_that_is_held_by_another_or_given_back_is_relied_on_no_more(
    database: Database, database_url: str
) -> None:
    mine, other = leases(database, "one"), leases(database, "two")
    mine.open("paper")
    mine.give_back()
    assert mine.tenures["paper"].until == NEVER

    other.open("paper")
    assert isinstance(mine.open("paper"), BooksHeld)
    assert mine.tenures["paper"].until == NEVER
    assert other.tenures["paper"].until > 0
