from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from persistence.database import Database, open_database
from persistence.records import Invalidation
from persistence.token_cipher import TokenCipher, TokenKeyError
from settings import DatabaseSettings
from tests.persistence.databases import connected
from tests.persistence.rows import NOON, Session, at


def row(session: Session) -> dict[str, object]:
    names = ("session_id", "user_id", "start_time", "end_time", "is_active", "session_data", "updated_at")
    return {name: getattr(session, name) for name in names}


def save(database: Database, *sessions: Session) -> list[tuple[str, str | None]]:
    with database.writer_unit() as unit:
        stored = unit.sessions.upsert([row(one) for one in sessions])
        unit.commit()
    return [(one.user_id, one.access_token) for one in stored]


def test_a_second_login_keeps_the_id_and_start_of_the_first(database: Database) -> None:
    save(database, Session("u", at(1), session_id="first", start_time=at(1)))
    save(database, Session("u", at(2), session_id="second", start_time=at(2), token="new"))

    with database.read_unit() as unit:
        stored = unit.sessions.get("u")
    assert stored is not None
    assert (stored.session_id, stored.start_time, stored.updated_at) == ("first", at(1), at(2))
    assert stored.access_token == "new"


def test_an_older_save_changes_nothing_and_gets_the_stored_session(database: Database) -> None:
    save(database, Session("u", at(5), token="newer"))

    assert save(database, Session("u", at(4), token="older"), Session("v")) == [
        ("u", "newer"),
        ("v", "token"),
    ]


def test_of_two_saves_in_one_batch_the_newest_wins(database: Database) -> None:
    assert save(database, Session("u", at(2), token="newest"), Session("u", at(1))) == [("u", "newest")]


def test_a_session_whose_update_time_is_unknown_is_replaced(database: Database, database_url: str) -> None:
    save(database, Session("u"))
    with connected(database_url) as other:
        other.execute(text("UPDATE trading_sessions SET updated_at = NULL, start_time = NULL"))

    assert save(database, Session("u", at(-99), token="new")) == [("u", "new")]


def test_an_invalidated_session_is_inactive_and_has_no_token(database: Database) -> None:
    save(database, Session("u", at(1)), Session("v", at(1)))

    with database.writer_unit() as unit:
        (stored,) = unit.sessions.invalidate([Invalidation("u", "logout", at(2)), Invalidation("nobody", "x", NOON)])

    assert (stored.user_id, stored.is_active, stored.access_token) == ("u", False, None)
    assert stored.session_data == {"broker": "zerodha", "invalidation_reason": "logout"}


@dataclass(frozen=True, slots=True)
class Asked(Session):
    """A session that somebody asks for now."""

    direct: bool = True


def test_a_direct_save_follows_what_is_stored_though_the_clock_was_set_back(database: Database) -> None:
    save(database, Session("u", at(60), token="old"))

    with database.writer_unit() as unit:
        (stored,) = unit.sessions.upsert([Asked("u", at(1), token="new")])
        unit.commit()

    assert (stored.access_token, stored.updated_at) == ("new", at(60) + timedelta(microseconds=1))
    assert save(database, Session("u", at(60), token="again"), Session("u", at(2))) == [("u", "new")]


def test_a_direct_save_of_an_envelope_that_was_handled_before_changes_nothing(database: Database) -> None:
    with database.writer_statement() as unit:
        assert len(unit.sessions.save([Saved("auth", "one", Asked("u", at(1), token="first"))])) == 1
        assert len(unit.sessions.save([Saved("auth", "two", Session("u", at(60), token="second"))])) == 1
        assert unit.sessions.save([Saved("auth", "one", Asked("u", at(2), token="first"))]) == []
        (saved,) = unit.sessions.save([Saved("auth", "three", Asked("u", at(3), token="third"))])
        stored = unit.sessions.get("u")

    assert stored is not None
    assert (stored.access_token, stored.updated_at) == ("third", saved.updated_at)
    assert saved.updated_at == at(60) + timedelta(microseconds=1)


def test_of_two_direct_saves_in_one_batch_the_later_one_wins_though_the_clock_was_set_back(database: Database) -> None:
    with database.writer_statement() as unit:
        (saved,) = unit.sessions.save(
            [Saved("auth", "one", Asked("u", at(60))), Saved("auth", "two", Asked("u", at(1), token="new"))]
        )
        stored = unit.sessions.get("u")

    assert saved.place == 1
    assert stored is not None
    assert (stored.access_token, stored.updated_at) == ("new", at(1))


def test_a_direct_invalidation_ends_a_session_of_a_later_time_and_no_older_save_revives_it(database: Database) -> None:
    save(database, Session("u", at(60)))

    with database.writer_unit() as unit:
        (stored,) = unit.sessions.invalidate([Invalidation("u", "logout", at(2), direct=True)])
        unit.commit()
    save(database, Session("u", at(60)))

    assert (stored.is_active, stored.updated_at) == (False, at(60) + timedelta(microseconds=1))
    with database.read_unit() as unit:
        assert unit.sessions.load_active(at(3)) == []


NO_OBJECT = ("null", "[1]", '"text"', "7")
"""What a session's data may be in a database that was brought along."""


@pytest.mark.parametrize("data", NO_OBJECT)
def test_a_session_whose_data_is_no_object_is_invalidated_all_the_same(
    database: Database, database_url: str, data: str
) -> None:
    save(database, Session("u", at(1)))
    with connected(database_url) as other:
        other.execute(text("UPDATE trading_sessions SET session_data = CAST(:data AS jsonb)"), {"data": data})

    with database.writer_unit() as unit:
        (stored,) = unit.sessions.invalidate([Invalidation("u", "logout", at(2))])

    assert (stored.is_active, stored.session_data) == (False, {"invalidation_reason": "logout"})


@pytest.mark.parametrize("data", NO_OBJECT)
def test_a_session_whose_data_is_no_object_is_used_and_ends_at_its_time_all_the_same(
    database: Database, database_url: str, data: str
) -> None:
    save(database, Session("u", at(1), end_time=at(9)), Session("v", at(1)))
    with connected(database_url) as other:
        other.execute(text("UPDATE trading_sessions SET session_data = CAST(:data AS jsonb)"), {"data": data})

    with database.writer_unit() as unit:
        assert unit.sessions.note_use("v", at(5))
        used = unit.sessions.get("v")
        (ended,) = unit.sessions.expire(at(10), "token_expired", 9)

    assert used is not None
    assert used.session_data == {"last_activity_timestamp": at(5).isoformat()}
    assert (ended.user_id, ended.session_data) == ("u", {"invalidation_reason": "token_expired"})


def test_a_late_invalidation_does_not_end_a_newer_session(database: Database) -> None:
    save(database, Session("u", at(3)))

    with database.writer_unit() as unit:
        (stored,) = unit.sessions.invalidate([Invalidation("u", "logout", at(2)), Invalidation("u", "x", at(1))])
    assert stored.is_active


def test_a_late_save_does_not_revive_an_invalidated_session(database: Database) -> None:
    save(database, Session("u", at(1)))
    with database.writer_unit() as unit:
        unit.sessions.invalidate([Invalidation("u", "logout", at(3))])
        unit.commit()

    save(database, Session("u", at(2)))
    with database.read_unit() as unit:
        assert unit.sessions.load_active(at(4)) == []


def test_active_unexpired_sessions_are_loaded_newest_first(database: Database) -> None:
    save(
        database,
        Session("old", at(1), end_time=at(100)),
        Session("new", at(3)),
        Session("expired", at(2), end_time=at(9)),
        Session("ended", at(4), is_active=False),
    )

    with database.read_unit() as unit:
        assert [one.user_id for one in unit.sessions.load_active(at(10))] == ["new", "old"]
        assert [one.user_id for one in unit.sessions.list(3)] == ["ended", "new", "expired"]


def test_sessions_whose_time_is_over_are_ended_and_have_no_token(database: Database) -> None:
    save(
        database,
        Session("over", at(1), end_time=at(9)),
        Session("over now", at(1), end_time=at(10)),
        Session("goes on", at(1), end_time=at(11)),
        Session("without end", at(1)),
        Session("ended before", at(1), end_time=at(2), is_active=False),
    )

    with database.writer_unit() as unit:
        first = unit.sessions.expire(at(10), "token_expired", 1)
        ended = first + unit.sessions.expire(at(10), "token_expired", 9)
        unit.commit()
        assert unit.sessions.expire(at(10), "token_expired", 9) == []
    with database.read_unit() as unit:
        valid = unit.sessions.load_active(at(0))

    assert len(first) == 1
    assert {one.user_id for one in ended} == {"over", "over now"}
    assert {(one.is_active, one.access_token, one.session_data["invalidation_reason"]) for one in ended} == {
        (False, None, "token_expired")
    }
    assert [one.user_id for one in valid] == ["goes on", "without end"]


def test_a_login_of_before_the_expiry_that_comes_after_it_is_saved(database: Database) -> None:
    save(database, Session("u", at(1), end_time=at(9)))
    with database.writer_unit() as unit:
        unit.sessions.expire(at(10), "token_expired", 9)
        unit.commit()

    save(database, Session("u", at(8), token="new", end_time=at(99)))

    with database.read_unit() as unit:
        assert [one.access_token for one in unit.sessions.load_active(at(11))] == ["new"]


def test_the_newest_unexpired_session_is_found_by_user_and_by_broker(database: Database) -> None:
    save(database, Session("old", at(1)), Session("new", at(2)), Session("expired", at(3), end_time=at(9)))

    with database.read_unit() as unit:
        found = [
            record and record.user_id
            for record in (
                unit.sessions.newest(at(10), None, "zerodha"),
                unit.sessions.newest(at(8), None, "zerodha"),
                unit.sessions.newest(at(10), "old", "zerodha"),
                unit.sessions.newest(at(10), "old", None),
                unit.sessions.newest(at(10), "expired", None),
                unit.sessions.newest(at(10), None, "paper"),
            )
        ]
    assert found == ["new", "expired", "old", "old", None, None]


def test_sessions_that_ended_long_ago_are_pruned_and_active_ones_are_not(database: Database) -> None:
    now = datetime.now(UTC)
    long_ago, far = now - timedelta(days=9), now + timedelta(days=9)
    save(
        database,
        Session("ended", long_ago, is_active=False),
        Session("ended before its time", long_ago, end_time=far, is_active=False),
        Session("expired of late", long_ago, end_time=now - timedelta(days=1), is_active=False),
        Session("ended of late", now, is_active=False),
        Session("active", long_ago),
    )

    with database.writer_unit() as unit:
        assert unit.sessions.prune(7 * 86_400.0, 1) == 1
        assert unit.sessions.prune(7 * 86_400.0, 9) == 1
        assert unit.sessions.prune(7 * 86_400.0, 9) == 0
        assert {one.user_id for one in unit.sessions.list(9)} == {"expired of late", "ended of late", "active"}


def test_the_last_use_is_noted_and_nothing_else_changes(database: Database) -> None:
    save(database, Session("u", at(1)), Session("ended", at(1), is_active=False))

    with database.writer_statement() as unit:
        assert unit.sessions.note_use("u", at(5))
        assert not unit.sessions.note_use("ended", at(5))
        assert not unit.sessions.note_use("nobody", at(5))

    with database.read_unit() as unit:
        stored = unit.sessions.get("u")
    assert stored is not None
    assert stored.session_data == {"broker": "zerodha", "last_activity_timestamp": at(5).isoformat()}
    assert (stored.access_token, stored.updated_at) == ("token", at(1))


def test_tokens_are_sealed_in_the_database_and_open_in_records(database_url: str) -> None:
    database = open_database(database_url, DatabaseSettings(), "tests", TokenCipher([Fernet.generate_key().decode()]))

    assert save(database, Session("u", token="top-secret")) == [("u", "top-secret")]
    with connected(database_url) as other:
        stored = other.execute(text("SELECT session_data::text FROM trading_sessions")).scalar_one()
    with database.read_unit() as unit:
        record = unit.sessions.get("u")
    database.close()
    assert "fernet:" in stored
    assert "top-secret" not in stored
    assert "top-secret" not in repr(record)


def test_a_lost_key_is_an_error_where_tokens_are_needed_and_a_mark_elsewhere(
    database: Database, database_url: str
) -> None:
    sealing = open_database(database_url, DatabaseSettings(), "tests", TokenCipher([Fernet.generate_key().decode()]))
    save(sealing, Session("u"))
    sealing.close()

    with database.read_unit() as unit:
        with pytest.raises(TokenKeyError, match="AUTH__TOKEN_KEYS"):
            unit.sessions.load_active(NOON)
        (listed,) = unit.sessions.list(1)
    assert (listed.access_token, listed.token_readable) == (None, False)


def test_sixty_four_threads_saving_eight_users_leave_the_newest_of_each(database_url: str) -> None:
    database = open_database(database_url, DatabaseSettings(pool_size=16, max_overflow=0, pool_timeout_s=90), "tests")
    gate = threading.Barrier(64)
    failures: list[BaseException] = []

    def log_in(number: int) -> None:
        users = random.Random(number).sample(range(8), 8)
        rows = [row(Session(f"u{user}", at(number), token=str(number))) for user in users]
        gate.wait(90)
        try:
            with database.read_unit() as unit:
                unit.sessions.upsert(rows)
                unit.commit()
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)

    assert failures == []
    with database.read_unit() as unit:
        stored = {one.user_id: one.access_token for one in unit.sessions.list(100)}
    database.close()
    assert stored == {f"u{user}": "63" for user in range(8)}


@dataclass(frozen=True, slots=True)
class Saved:
    consumer: str
    message_id: str
    session: Session
    stream_seq: int | None = None


def test_a_login_that_is_repeated_in_the_same_batch_counts_as_its_first_copy(database: Database) -> None:
    logins = [
        Saved("auth", "one", Session("u", at(1), token="old")),
        Saved("auth", "two", Session("u", at(2), token="new")),
        Saved("auth", "one", Session("u", at(3), token="old")),
    ]
    with database.writer_statement() as unit:
        saved = unit.sessions.save(logins)
    with database.read_unit() as unit:
        stored = unit.sessions.get("u")

    assert [one.place for one in saved] == [1]
    assert stored is not None
    assert stored.access_token == "new"


def test_of_two_logins_of_one_moment_the_saved_one_is_told_from_the_other(database: Database) -> None:
    with database.writer_statement() as unit:
        unit.sessions.save([Saved("auth", "two", Session("u", at(1)))])
        saved = unit.sessions.save(
            [
                Saved("auth", "one", Session("u", at(1), token="new")),
                Saved("auth", "two", Session("u", at(1), token="handled before")),
            ]
        )

    assert [one.place for one in saved] == [0]


def test_a_login_that_was_handled_before_or_is_older_is_not_saved(database: Database) -> None:
    with database.writer_statement() as unit:
        assert len(unit.sessions.save([Saved("auth", "one", Session("u", at(5)))])) == 1
        assert unit.sessions.save([Saved("auth", "one", Session("u", at(6), token="again"))]) == []
        assert unit.sessions.save([Saved("auth", "two", Session("u", at(4), token="older"))]) == []

    with database.read_unit() as unit:
        stored = unit.sessions.get("u")
    assert stored is not None
    assert (stored.access_token, stored.updated_at) == ("token", at(5))


def test_a_connection_that_lost_its_prepared_statement_saves_all_the_same(database: Database) -> None:
    with database.writer_statement() as unit:
        unit.sessions.save([Saved("auth", "one", Session("u", at(1)))])
        unit.connection.execute(text("DEALLOCATE ALL"))
        for number in range(2):
            assert len(unit.sessions.save([Saved("auth", f"more {number}", Session("u", at(2 + number)))])) == 1
