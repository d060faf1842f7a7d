from __future__ import annotations

from sqlalchemy import text

from persistence.database import Database
from tests.persistence.rows import Letter


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
