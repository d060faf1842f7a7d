"""AuthActor beside a neighbour in the writer's place; what it reads comes from a real database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from actors.auth import AuthActor
from actors.errors import TryAgain
from actors.messages import CommitUnit, Delivery
from actors.runtime.letter import Admission
from actors.testkit import Stepper
from persistence.database import Database, open_database
from settings import DatabaseSettings
from tests.actors.messages import delivery
from tests.actors.test_sessions import login


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url, DatabaseSettings(), "tests")
    yield opened
    opened.close()


@pytest.fixture
def auth(database: Database) -> Stepper:
    return Stepper(lambda context: AuthActor(context, database), "database", name="auth")


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
