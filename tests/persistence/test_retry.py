from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace

import psycopg2
import pytest
from sqlalchemy import text

from persistence import retry
from persistence.database import Database
from persistence.errors import Conflict, PersistenceError, Poison, Unavailable
from persistence.retry import READING, Budget, retried
from persistence.urls import normalise_url
from tests.conftest import execute

QUICK = Budget(within_s=600, first_pause_s=0.001, longest_pause_s=0.001)


class Work:
    """Fails with the given errors in turn, then returns how often it was tried."""

    def __init__(self, *errors: PersistenceError) -> None:
        self._errors = list(errors)
        self.attempts = 0

    def __call__(self) -> int:
        self.attempts += 1
        if self._errors:
            raise self._errors.pop(0)
        return self.attempts


def test_work_that_succeeds_is_done_once() -> None:
    assert retried(Work(), QUICK) == 1


def test_work_is_repeated_while_the_database_cannot_serve_it() -> None:
    assert retried(Work(Conflict("a"), Unavailable("b"), Conflict("c")), QUICK) == 4


def test_the_last_error_is_told_when_the_attempts_are_spent() -> None:
    work = Work(*(Conflict(str(number)) for number in range(9)))

    with pytest.raises(Conflict, match="4"):
        retried(work, QUICK)

    assert work.attempts == 5


def test_no_attempt_begins_after_the_time_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(retry, "time", SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append))
    work = Work(*(Unavailable("away") for _ in range(1_000)))

    with pytest.raises(Unavailable):
        retried(work, Budget(attempts=1_000, within_s=0.2, first_pause_s=0.04, longest_pause_s=0.04))

    assert 2 <= work.attempts <= 10
    assert 0.2 - 0.04 <= sum(pauses) <= 0.2


@pytest.mark.parametrize("error", [Poison("bad"), PersistenceError("unknown")])
def test_what_no_repeat_can_help_is_told_at_once(error: PersistenceError) -> None:
    work = Work(error)

    with pytest.raises(type(error)):
        retried(work, QUICK)

    assert work.attempts == 1


def test_a_budget_can_be_of_conflicts_alone() -> None:
    work = Work(Unavailable("away"))

    with pytest.raises(Unavailable):
        retried(work, Budget(of=(Conflict,)))

    assert work.attempts == 1


def test_pauses_grow_up_to_their_longest_and_are_drawn_at_random() -> None:
    budget = Budget(first_pause_s=0.01, longest_pause_s=0.05)

    assert [budget.pause_s(attempt, 1.0) for attempt in (1, 2, 3, 4, 100)] == [0.01, 0.02, 0.04, 0.05, 0.05]
    assert budget.pause_s(1, 0.0) == 0.005
    assert READING.within_s <= 1, "an actor that reads must not keep others waiting"


def test_a_transaction_that_met_a_lock_succeeds_once_it_is_free(database: Database, database_url: str) -> None:
    execute(database_url, "INSERT INTO broker_leases VALUES ('paper', 'me', 1, now())")
    target = normalise_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with contextlib.closing(psycopg2.connect(target)) as holder:
        holder.cursor().execute("UPDATE broker_leases SET epoch = 2")

        retried(raising_the_epoch(database, after=holder.rollback), QUICK)

    assert execute(database_url, "SELECT epoch FROM broker_leases") == [(11,)]


def raising_the_epoch(database: Database, after: Callable[[], None]) -> Callable[[], None]:
    """A transaction that calls `after` when it could not get its lock."""

    def work() -> None:
        try:
            with database.writer_unit() as unit:
                unit.connection.execute(text("UPDATE broker_leases SET epoch = epoch + 10"))
                unit.commit()
        except Conflict:
            after()
            raise

    return work
