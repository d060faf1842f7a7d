from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from persistence.database import Database
from tests.persistence.rows import Entry


def test_only_new_keys_come_back(database: Database) -> None:
    with database.writer_unit() as unit:
        first = unit.inbox.add([Entry("c", "1", 10), Entry("c", "2", 11)])
        unit.commit()
    with database.writer_unit() as unit:
        second = unit.inbox.add([Entry("c", "2", 11), Entry("c", "3", 12), Entry("d", "2", 1)])

    assert first == {("c", "1"), ("c", "2")}
    assert second == {("c", "3"), ("d", "2")}


def test_a_key_given_twice_is_new_once(database: Database) -> None:
    with database.writer_unit() as unit:
        assert unit.inbox.add([Entry("c", "1", 10), Entry("c", "1", 11)]) == {("c", "1")}
        assert unit.connection.execute(text("SELECT stream_seq FROM inbox")).scalars().all() == [10]


def test_nothing_added_is_nothing_new(database: Database) -> None:
    with database.writer_unit() as unit:
        assert unit.inbox.add([]) == set()


def test_ids_may_hold_what_sql_and_the_driver_find_special(database: Database) -> None:
    ids = ["%s", "50% off", "it's", "a\\b", ":name", '"', "ключ"]
    with database.writer_unit() as unit:
        assert unit.inbox.add([Entry("c", one) for one in ids]) == {("c", one) for one in ids}


def test_pruning_takes_the_old_ones_and_no_more_than_the_limit(database: Database) -> None:
    old, a_day_s = datetime.now(UTC) - timedelta(days=8), 86_400.0
    with database.writer_unit() as unit:
        unit.inbox.add([Entry("c", str(number)) for number in range(6)])
        age = text("UPDATE inbox SET received_at = :at WHERE message_id < :below")
        unit.connection.execute(age, {"at": old, "below": "4"})

        assert unit.inbox.prune(a_day_s, 3) == 3
        assert unit.inbox.prune(a_day_s, 3) == 1
        assert unit.inbox.prune(a_day_s, 3) == 0
