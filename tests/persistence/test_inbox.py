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


KEYS = """
    INSERT INTO inbox (consumer, message_id, received_at)
    SELECT 'c', gen_random_uuid()::text, now() - make_interval(days => :days) FROM generate_series(1, 3000)
"""
READ = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'inbox'"


def test_young_keys_where_old_ones_have_been_are_not_searched(database: Database) -> None:
    a_day_s = 86_400.0
    with database.writer_statement() as unit:
        unit.connection.execute(text(KEYS), {"days": 8})
        unit.connection.execute(text("VACUUM inbox"))
    with database.writer_unit() as unit:
        assert unit.inbox.prune(a_day_s, 3000) == 3000
        unit.commit()
    with database.writer_statement() as unit:
        unit.connection.execute(text("VACUUM inbox"))
        unit.connection.execute(text(KEYS), {"days": 0})
        unit.connection.execute(text("VACUUM inbox"))

    with database.writer_unit() as unit:
        before = unit.connection.execute(text(READ)).scalar_one()
        assert unit.inbox.prune(a_day_s, 3000) == 0
        assert unit.connection.execute(text(READ)).scalar_one() - before < 10
