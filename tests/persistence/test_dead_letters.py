from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from persistence.database import Database
from tests.persistence.rows import NOON, Entry, Letter


def test_a_letter_keeps_its_original_bytes(database: Database) -> None:
    letter = Letter(payload=bytes(range(256)) * 50, headers={"Nats-Msg-Id": "7"})
    with database.writer_unit() as unit:
        unit.dead_letters.add([letter])
        (stored,) = unit.dead_letters.list(5)

    assert stored.payload == letter.payload
    assert (stored.id, stored.subject, stored.stream_seq) == (letter.id, letter.subject, 7)
    assert stored.headers == {"Nats-Msg-Id": "7"}


def test_a_letter_is_stored_once(database: Database) -> None:
    letter = Letter()
    with database.writer_unit() as unit:
        assert unit.dead_letters.add([letter, Letter()]) == 2
        assert unit.dead_letters.add([letter]) == 0
        assert unit.dead_letters.count() == 2


def test_text_that_the_database_refuses_does_not_stop_a_letter(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.dead_letters.add([Letter(reason="NUL \0 and \ud800", message_id="\0", headers={"a\0": "\udfff"})])
        (stored,) = unit.dead_letters.list(1)

    assert stored.reason == "NUL \ufffd and ?"
    assert stored.headers == {"a\ufffd": "?"}


def test_letters_are_listed_newest_first(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.dead_letters.add([Letter(reason="old"), Letter(reason="new")])
        unit.connection.execute(
            text("UPDATE dead_letters SET created_at = created_at - interval '1 day' WHERE reason = 'old'")
        )

        assert [one.reason for one in unit.dead_letters.list(2)] == ["new", "old"]


def test_summaries_have_the_size_and_no_bytes(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.dead_letters.add([Letter(payload=b"\xff" * 999)])
        (found,) = unit.dead_letters.summaries(5)

    assert (found.size, found.replays, found.replayed_at) == (999, 0, None)


@pytest.mark.parametrize(
    ("wanted", "found"), [("100%", {"100% bad"}), ("JSON", {"not JSON"}), ("POIS", {"c"}), ("_", set())]
)
def test_summaries_are_chosen_by_a_text_in_reason_or_class(database: Database, wanted: str, found: set[str]) -> None:
    letters = [Letter(reason="100% bad"), Letter(reason="not JSON"), Letter(reason="c", error_class="Poison")]
    with database.writer_unit() as unit:
        unit.dead_letters.add(letters)

        assert {one.reason for one in unit.dead_letters.summaries(5, wanted)} == found


def test_letters_are_found_between_two_ids(database: Database) -> None:
    ids = [f"{start}0000000-0000-4000-8000-000000000000" for start in "1234"]
    with database.writer_unit() as unit:
        unit.dead_letters.add([Letter(id=one) for one in ids])

        assert [one.id for one in unit.dead_letters.find(ids[1], ids[2], 5)] == ids[1:3]
        assert [one.id for one in unit.dead_letters.find(ids[0], ids[3], 1)] == ids[:1]


def test_a_letter_is_claimed_once_unless_again(database: Database) -> None:
    letter = Letter()
    with database.writer_unit() as unit:
        unit.dead_letters.add([letter])
        first = unit.dead_letters.claim(letter.id, again=False)
        second = unit.dead_letters.claim(letter.id, again=False)
        third = unit.dead_letters.claim(letter.id, again=True)

    assert first is not None
    assert third is not None
    assert (first.replays, second, third.replays) == (1, None, 2)
    assert first.replayed_at is not None
    assert (first.payload, first.stored_at) == (letter.payload, NOON)


def test_a_letter_that_is_gone_cannot_be_claimed(database: Database) -> None:
    with database.writer_unit() as unit:
        assert unit.dead_letters.claim(str(uuid.uuid4()), again=True) is None


def test_only_the_key_that_went_with_the_letter_is_released(database: Database) -> None:
    entry = Entry("trading-paper", "signal", 7)
    with database.writer_unit() as unit:
        unit.inbox.add([entry])
        unit.dead_letters.add([Letter(message_id="signal")])
        unit.commit()
    with database.writer_unit() as unit:
        (letter,) = unit.dead_letters.list(1)
        assert not unit.inbox.release("another", "signal", letter.created_at)
        assert unit.inbox.release("trading-paper", "signal", letter.created_at)
        unit.commit()
    with database.writer_unit() as unit:
        assert unit.inbox.add([entry]) == {("trading-paper", "signal")}
        unit.commit()
    with database.writer_unit() as unit:
        assert not unit.inbox.release("trading-paper", "signal", letter.created_at)
        assert unit.inbox.add([entry]) == set()


def test_old_letters_are_counted_and_purged_oldest_first_within_the_limit(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.dead_letters.add([Letter(reason=str(number)) for number in range(5)])
        age = "UPDATE dead_letters SET created_at = created_at - reason::int * interval '1 day' - interval '1 hour'"
        unit.connection.execute(text(age))
        before, count = unit.dead_letters.older_than(2 * 86_400)

        assert count == 3
        assert abs(datetime.now(UTC) - timedelta(days=2) - before) < timedelta(minutes=1)
        assert unit.dead_letters.purge(before, 2) == 2
        assert sorted(one.reason for one in unit.dead_letters.list(9)) == ["0", "1", "2"]
        assert unit.dead_letters.purge(before, 2) == 1
        assert unit.dead_letters.purge(before, 2) == 0
