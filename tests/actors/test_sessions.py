"""Sessions: from a login to its row, from a record to what others may see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.errors import SessionNotFound
from actors.messages import SaveSession, StoredSession
from actors.runtime.letter import Answer
from actors.sessions import MARKET_ZONE, answer, as_stored, next_zerodha_expiry, row_of, shown, state_of
from persistence.records import SessionRecord
from tests.actors.messages import NOW


def login(**fields: Any) -> SaveSession:
    usual = {"message_id": "m", "user_id": "AB1234", "access_token": "secret", "saved_at": NOW, "correlation_id": "c"}
    return SaveSession(**{**usual, **fields})


def stored(**fields: Any) -> StoredSession:
    usual: dict[str, Any] = {
        "session_id": "s 1",
        "user_id": "AB1234",
        "broker": "zerodha",
        "login_method": "oauth",
        "user_name": "Anna",
        "is_active": True,
        "start_time": NOW,
        "expires_at": NOW + timedelta(hours=1),
        "updated_at": NOW,
        "access_token": "secret",
    }
    return StoredSession(**{**usual, **fields})


class TestRow:
    def test_a_login_becomes_an_active_session(self) -> None:
        row = row_of(login(expires_at=NOW + timedelta(days=1), user_name="Anna", email="a@example.org"))

        assert (row.user_id, row.is_active) == ("AB1234", True)
        assert (row.start_time, row.end_time, row.updated_at) == (NOW, NOW + timedelta(days=1), NOW)
        assert row.session_data == {
            "access_token": "secret",
            "user_name": "Anna",
            "user_shortname": None,
            "broker": None,
            "email": "a@example.org",
            "login_method": None,
            "ip_address": None,
            "user_agent": None,
        }

    def test_each_login_proposes_an_id_of_its_own(self) -> None:
        assert row_of(login()).session_id != row_of(login()).session_id

    def test_zerodhas_tokens_end_at_six_in_india(self) -> None:
        assert row_of(login(broker="zerodha")).end_time == datetime(2026, 1, 6, 0, 30, tzinfo=UTC)

    def test_an_expiry_that_is_given_stays(self) -> None:
        assert row_of(login(broker="zerodha", expires_at=NOW)).end_time == NOW

    def test_other_tokens_do_not_end_by_themselves(self) -> None:
        assert row_of(login(broker="paper")).end_time is None

    def test_a_row_does_not_show_its_token(self) -> None:
        assert "secret" not in repr(row_of(login()))


class TestZerodhaExpiry:
    @pytest.mark.parametrize(
        ("local", "expiry"),
        [
            ("2026-01-05T05:59:59", "2026-01-05"),
            ("2026-01-05T06:00:00", "2026-01-06"),
            ("2026-12-31T23:59", "2027-01-01"),
        ],
    )
    def test_it_is_the_next_six_in_the_morning(self, local: str, expiry: str) -> None:
        moment = datetime.fromisoformat(local).replace(tzinfo=MARKET_ZONE)

        assert next_zerodha_expiry(moment) == datetime.fromisoformat(f"{expiry}T00:30:00+00:00")

    @settings(deadline=None)
    @given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    def test_it_is_always_ahead_and_never_more_than_a_day(self, moment: datetime) -> None:
        assert timedelta(0) < next_zerodha_expiry(moment) - moment <= timedelta(days=1)


class TestState:
    @pytest.mark.parametrize(
        ("fields", "state"),
        [
            ({}, "active"),
            ({"expires_at": None}, "active"),
            ({"expires_at": NOW}, "expired"),
            ({"expires_at": NOW + timedelta(microseconds=1)}, "active"),
            ({"is_active": False}, "invalidated"),
            ({"is_active": False, "expires_at": NOW}, "invalidated"),
            ({"is_active": False, "expires_at": NOW, "reason": "token_expired"}, "expired"),
            ({"is_active": False, "reason": "logout"}, "invalidated"),
        ],
    )
    def test_it_follows_from_the_row_and_the_time(self, fields: dict[str, Any], state: str) -> None:
        assert state_of(stored(**fields), NOW) == state


class TestShown:
    def test_the_token_is_masked_and_times_are_in_utc_with_a_z(self) -> None:
        assert shown(stored(start_time=NOW.astimezone(MARKET_ZONE), updated_at=None), NOW) == {
            "session_id": "s 1",
            "user_id": "AB1234",
            "broker": "zerodha",
            "state": "active",
            "login_method": "oauth",
            "user_name": "Anna",
            "start_time": "2026-01-05T04:00:00.123456Z",
            "expires_at": "2026-01-05T05:00:00.123456Z",
            "updated_at": None,
            "last_activity_timestamp": None,
            "invalidation_reason": None,
            "access_token": "********",
        }

    def test_no_token_is_no_mask(self) -> None:
        assert shown(stored(access_token=None), NOW)["access_token"] is None

    def test_a_record_of_the_database_becomes_a_message(self) -> None:
        data = {"broker": "zerodha", "login_method": "oauth", "user_name": "Anna", "email": "a@example.org"}
        end = NOW + timedelta(hours=1)
        record = SessionRecord("s 1", "AB1234", NOW, end, True, data, NOW, NOW, "secret")

        assert as_stored(record) == stored()

    def test_one_with_little_in_it_too(self) -> None:
        record = SessionRecord("s 1", "AB1234", NOW, None, False, {}, None, NOW)

        assert as_stored(record) == stored(
            broker=None, login_method=None, user_name=None, is_active=False, expires_at=None, access_token=None
        )


class TestAnswer:
    def test_it_is_the_session_as_it_stands(self) -> None:
        reply = Answer()

        answer(reply, stored())

        assert reply.get(0) == stored()

    def test_where_there_is_none_it_is_a_refusal(self) -> None:
        reply = Answer()

        answer(reply, None)

        with pytest.raises(SessionNotFound):
            reply.get(0)
