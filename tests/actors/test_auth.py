"""AuthActor beside a neighbour in the writer's place; what it reads comes from a real database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from actors.auth import AuthActor
from actors.errors import SessionNotFound, TryAgain
from actors.messages import CommitUnit, Delivery, EndExpired, NoteUse, SaveSession, SessionsStored, UseSession
from actors.runtime.letter import Admission
from actors.sessions import row_of
from actors.testkit import Stepper
from persistence.database import Database, open_database
from settings import DatabaseSettings
from tests.actors.messages import delivery
from tests.actors.test_sessions import login, stored


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url, DatabaseSettings(), "tests")
    yield opened
    opened.close()


@pytest.fixture
def auth(database: Database) -> Stepper:
    stepper = Stepper(lambda context: AuthActor(context, database), "database", name="auth")
    stepper["database"].expect(EndExpired)
    return stepper


def save(database: Database, *logins: SaveSession) -> None:
    """Have the logins stored, as the writer does it."""
    with database.writer_unit() as work:
        work.sessions.upsert([row_of(one) for one in logins])
        work.commit()


def shown(auth: Stepper) -> dict[str, str]:
    """The user of each broker's session in the status, with its state."""
    assert auth.snapshot is not None
    sessions = auth.snapshot.as_status(0.0)["sessions"]
    return {broker: f"{session['user_id']} {session['state']}" for broker, session in sessions.items()}


@pytest.fixture
def given_back(auth: Stepper) -> list[Delivery]:
    """The deliveries that go back to their stream, by whichever mailbox refused them."""
    found: list[Delivery] = []
    for letters in (auth.dead_letters, auth["database"].handle._dead):
        letters.on_delivery = found.append
    return found


def test_a_login_becomes_a_unit_of_work(auth: Stepper) -> None:
    auth.tell(replace(login(), delivery=delivery(consumer="auth")))
    auth.run()

    unit = auth["database"].expect(CommitUnit)
    assert (unit.consumer, unit.message_id, unit.session_user) == ("auth", "m", "AB1234")


def test_a_login_that_the_writer_has_no_room_for_goes_back_to_its_stream_once(
    auth: Stepper, given_back: list[Any]
) -> None:
    auth["database"].admission = Admission.FULL
    message = replace(login(), delivery=delivery(consumer="auth"))

    auth.tell(message)
    auth.run()

    assert given_back == [message.delivery]


def test_a_request_that_the_writer_has_no_room_for_is_refused(auth: Stepper) -> None:
    auth["database"].admission = Admission.FULL

    with pytest.raises(TryAgain, match="mailbox is full"):
        auth.ask(login())


def test_sessions_are_expired_at_the_start_and_every_five_minutes(database: Database) -> None:
    auth = Stepper(lambda context: AuthActor(context, database), "database", name="auth")

    orders = [auth["database"].expect(EndExpired)]
    for _ in range(2):
        auth.advance(300)
        auth.run()
        orders.append(auth["database"].expect(EndExpired))

    auth["database"].expect_nothing()
    assert [(order.moment - orders[0].moment).total_seconds() for order in orders] == [0, 300, 600]


def test_whoever_uses_a_session_gets_the_newest_one_with_its_token(auth: Stepper, database: Database) -> None:
    now = auth.clock.now()
    save(database, login(user_id="old", broker="zerodha", saved_at=now, access_token="old-token"))
    save(database, login(user_id="new", broker="zerodha", saved_at=now + timedelta(seconds=1), access_token="token"))

    assert auth.ask(UseSession(broker="zerodha")).access_token == "token"
    assert auth.ask(UseSession("old")).access_token == "old-token"
    with pytest.raises(SessionNotFound, match="no session is active for old paper; log in again"):
        auth.ask(UseSession("old", "paper"))


def test_the_use_of_a_session_is_noted_at_most_once_a_minute(auth: Stepper, database: Database) -> None:
    save(database, login(user_id="u"), login(user_id="v"))

    noted = []
    for pause_s in (0, 59, 1, 1):
        auth.advance(pause_s)
        auth.ask(UseSession("u"))
        noted.append(len(auth["database"].pending()))
    auth.ask(UseSession("v"))

    assert noted == [1, 1, 2, 2]
    assert [auth["database"].expect(NoteUse).user_id for _ in range(3)] == ["u", "u", "v"]


def test_a_session_that_expired_is_shown_so_until_another_takes_its_place(auth: Stepper) -> None:
    mine = {"broker": "zerodha", "expires_at": None}
    auth.tell_control(SessionsStored((stored(**mine),)))
    auth.run()
    before = shown(auth)
    auth.tell_control(SessionsStored((stored(**mine, is_active=False, reason="token_expired", access_token=None),)))
    auth.run()
    expired = shown(auth)
    auth.tell_control(SessionsStored((stored(**mine, user_id="other"),)))
    auth.run()

    assert before == {"zerodha": "AB1234 active"}
    assert expired == {"zerodha": "AB1234 expired"}
    assert shown(auth) == {"zerodha": "other active"}


def test_a_session_that_was_invalidated_is_shown_no_more(auth: Stepper) -> None:
    for fields in ({}, {"is_active": False, "reason": "logout"}):
        auth.tell_control(SessionsStored((stored(expires_at=None, **fields),)))
    auth.run()

    assert shown(auth) == {}
