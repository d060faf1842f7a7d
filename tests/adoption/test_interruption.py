"""An adoption that ends in the middle is simply run again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from persistence.adoption.adoption import Progress, adopt
from persistence.adoption.kinds import Kind
from persistence.adoption.plan import Action, Step
from persistence.adoption.survey import Foreign, survey
from persistence.adoption.undo import Undone, undo
from persistence.errors import NotMigrated, PersistenceError, Unavailable
from persistence.migration import upgrade
from settings import DatabaseSettings
from tests.adoption.accounts import Books, books_of, faults
from tests.adoption.adopter import moment
from tests.adoption.dirt import fill
from tests.adoption.dumps import schema_of
from tests.adoption.old_databases import L0, L0_STAMPED, L1
from tests.persistence.databases import connected, name_of

ROOT = Path(__file__).parents[2]
SETTINGS = DatabaseSettings()
MANY = """
    INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data,
                                event_timestamp)
    SELECT 'many-' || n, 'order_filled', 'paper', 's', 1, json_build_object('n', n), '2025-01-01'
      FROM generate_series(1, 6000) AS n;
    INSERT INTO trading_sessions (session_id, user_id, is_active, session_data)
    SELECT 'many-' || n, 'user-' || mod(n, 2500), mod(n, 3) = 0, '{}' FROM generate_series(1, 5000) AS n;
"""


@pytest.fixture
def dirty(empty_url: str) -> tuple[str, Books]:
    """An L0 with all its dirt and more rows than a batch holds, and what it holds."""
    L0.make(empty_url)
    fill(empty_url, L0)
    with connected(empty_url) as connection:
        connection.exec_driver_sql(MANY)
    return empty_url, books_of(empty_url)


@contextmanager
def adopting(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that adopts the database."""
    program = (
        "import sys; from persistence.adoption.adoption import adopt; from settings import DatabaseSettings\n"
        "adopt(sys.argv[1], DatabaseSettings(), lambda p: print(p.step.action.name, p.ended, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, url], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        with process:
            yield process
    finally:
        process.kill()


def test_killed_at_the_begin_and_end_of_every_step_and_within(dirty: tuple[str, Books], head_schema: str) -> None:
    url, before = dirty
    steps = survey(url, SETTINGS).plan.steps

    argv = [sys.executable, "-m", "tests.adoption.adopter", url]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == 0, done.stderr
    moments = done.stdout.splitlines()
    assert moments.pop() == "adopted"
    for step in steps:
        assert moment(Progress(step)) in moments
        assert moment(Progress(step, ended=True)) in moments
    assert {
        "COPY trading_events within",
        "COPY trading_sessions within",
        "SET_ORPHANS_ASIDE instrument_registry within",
    } <= {*moments}
    assert faults(before, books_of(url)) == []
    assert schema_of(url) == head_schema


@pytest.mark.parametrize("delay_s", [0.02, 0.15, 0.4])
def test_killed_in_the_middle_of_whatever_it_does(dirty: tuple[str, Books], head_schema: str, delay_s: float) -> None:
    url, before = dirty
    with adopting(url) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            process.wait(delay_s)
        process.send_signal(signal.SIGKILL)

    adopt(url, SETTINGS, lambda _: None)

    assert faults(before, books_of(url)) == []
    assert schema_of(url) == head_schema


@pytest.mark.parametrize("action", [Action.COPY, Action.PROVE, Action.SWAP, Action.CREATE_INDEX, Action.STAMP])
def test_a_lost_connection_is_told_in_a_line_and_a_repeat_goes_on(
    dirty: tuple[str, Books], head_schema: str, action: Action
) -> None:
    url, before = dirty

    def cut(progress: Progress) -> None:
        if progress.step.action is action and not progress.ended:
            with connected(url) as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    f"WHERE datname = '{name_of(url)}' AND application_name = 'alpha-panda/adopt'"
                )

    with pytest.raises(Unavailable) as raised:
        adopt(url, SETTINGS, cut)
    assert "\n" not in str(raised.value)

    adopt(url, SETTINGS, lambda _: None)

    assert faults(before, books_of(url)) == []
    assert schema_of(url) == head_schema


def test_of_two_at_once_one_waits(dirty: tuple[str, Books], head_schema: str) -> None:
    """The other one is a process: Alembic cannot run twice in one."""
    url, before = dirty
    others: list[subprocess.Popen[str]] = []

    def let_another_wait(progress: Progress) -> None:
        if progress.step.action is Action.COPY and not others:
            others.append(stack.enter_context(adopting(url)))
            while connections(url) < 2:
                assert others[0].poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                others[0].wait(0.5)

    with ExitStack() as stack:
        adopt(url, SETTINGS, let_another_wait)
        (other,) = others
        said, complained = other.communicate(timeout=120)

    assert (other.returncode, complained) == (0, "")
    assert {line.split()[0] for line in said.splitlines()} <= {"UPGRADE"}
    assert faults(before, books_of(url)) == []
    assert schema_of(url) == head_schema


def connections(url: str) -> int:
    """How many adoptions are connected."""
    with connected(url) as connection:
        return int(
            connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'alpha-panda/adopt'"
            ).scalar_one()
        )


class Interrupted(Exception):
    """Stops an adoption."""


PREFIXES = {"idx_instruments_symbol_prefix": "tradingsymbol", "idx_instruments_name_prefix": "name"}


def stopped_at(url: str, wanted: Step) -> None:
    """Adopt up to that step."""

    def stop(progress: Progress) -> None:
        if progress.step == wanted:
            raise Interrupted

    with pytest.raises(Interrupted):
        adopt(url, SETTINGS, stop)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE trading_events ADD COLUMN note text DEFAULT 'precious'",
        "CREATE INDEX mine ON trading_events (event_type, id)",
        "ALTER TABLE trading_events ENABLE ROW LEVEL SECURITY",
    ],
)
def test_what_somebody_makes_on_a_table_while_it_is_copied_is_not_lost(dirty: tuple[str, Books], change: str) -> None:
    url, _ = dirty
    count = "SELECT count(*) FROM trading_events"
    with connected(url) as connection:
        before = connection.exec_driver_sql(count).scalar_one()

    def meddle(progress: Progress) -> None:
        if progress.step == Step(Action.INDEX, "trading_events") and progress.ended:
            with connected(url) as connection:
                connection.exec_driver_sql(change)

    with pytest.raises(PersistenceError, match="trading_events was changed while it was copied"):
        adopt(url, SETTINGS, meddle)

    with connected(url) as connection:
        assert connection.exec_driver_sql(count).scalar_one() == before


def test_an_unfinished_one_is_shown_as_what_it_was_at_first(empty_url: str) -> None:
    L1.make(empty_url)
    fill(empty_url, L1)
    whole = survey(empty_url, SETTINGS)
    stopped_at(empty_url, Step(Action.COPY, "portfolio_snapshots"))

    found = survey(empty_url, SETTINGS)

    assert (whole.unfinished, found.unfinished) == (False, True)
    assert found.plan.kind is whole.plan.kind
    assert set(found.plan.steps) < set(whole.plan.steps)


@pytest.mark.parametrize(
    "moment",
    [
        Step(Action.PREPARE, "strategy_configurations"),
        Step(Action.COPY, "trading_events"),
        Step(Action.STAMP),
        Step(Action.UPGRADE),
    ],
    ids=lambda step: step.action.name.lower(),
)
def test_one_at_0001_goes_on_from_anywhere_and_is_not_upgraded_beneath_its_copies(
    empty_url: str, head_schema: str, moment: Step
) -> None:
    L0_STAMPED.make(empty_url)
    fill(empty_url, L0_STAMPED)
    before = books_of(empty_url)
    stopped_at(empty_url, moment)

    if moment.action is Action.UPGRADE:
        upgrade(empty_url)
    else:
        with pytest.raises(NotMigrated, match="db adopt"):
            upgrade(empty_url)
    adopt(empty_url, SETTINGS, lambda _: None)

    assert faults(before, books_of(empty_url)) == []
    assert schema_of(empty_url) == head_schema


def test_one_at_0001_that_is_undone_is_adopted_as_before(empty_url: str, head_schema: str) -> None:
    L0_STAMPED.make(empty_url)
    fill(empty_url, L0_STAMPED)
    before = books_of(empty_url)
    stopped_at(empty_url, Step(Action.SWAP, "strategy_configurations"))

    assert undo(empty_url, SETTINGS).dropped == ("strategy_configurations",)

    assert survey(empty_url, SETTINGS).plan.kind is Kind.L0
    adopt(empty_url, SETTINGS, lambda _: None)
    assert faults(before, books_of(empty_url)) == []
    assert schema_of(empty_url) == head_schema


def test_undo_leaves_all_but_indexes_as_it_was_before_any_table_was_replaced(empty_url: str) -> None:
    L1.make(empty_url)
    fill(empty_url, L1)
    before, schema = books_of(empty_url), schema_of(empty_url, side_tables=True)
    with connected(empty_url) as connection:
        connection.exec_driver_sql("DROP INDEX ix_users_id, ix_instruments_tradingsymbol, ix_instruments_exchange")
        for name, column in PREFIXES.items():
            connection.exec_driver_sql(f"CREATE INDEX {name} ON instruments (upper({column}) text_pattern_ops)")
    schema_with_other_indexes = schema_of(empty_url, side_tables=True)
    stopped_at(empty_url, Step(Action.SWAP, "strategy_configurations"))

    undone = undo(empty_url, SETTINGS)

    assert undone == Undone(("strategy_configurations",), replaced=False)
    assert schema_of(empty_url, side_tables=True) == schema_with_other_indexes != schema
    assert books_of(empty_url) == before


def test_undo_says_that_replaced_tables_stay(dirty: tuple[str, Books], head_schema: str) -> None:
    url, before = dirty
    stopped_at(url, Step(Action.SWAP, "portfolio_snapshots"))

    assert undo(url, SETTINGS) == Undone(("portfolio_snapshots",), replaced=True)

    adopt(url, SETTINGS, lambda _: None)
    assert faults(before, books_of(url)) == []
    assert schema_of(url) == head_schema


@pytest.mark.parametrize(
    ("table", "means"),
    [
        ("_log_trading_sessions", "since it was dropped, every write to trading_sessions failed; now they work again"),
        ("_new_trading_sessions", "it held copies of rows that trading_sessions still has, so nothing is lost"),
        ("_dup_trading_sessions_0002", "it held copies of rows that trading_sessions still has, so nothing is lost"),
        (
            "_json_trading_sessions_session_data_0002",
            "it held copies of rows that trading_sessions still has, so nothing is lost",
        ),
    ],
)
def test_what_somebody_has_dropped_of_an_unfinished_one_is_told_with_what_it_means(
    dirty: tuple[str, Books], head_schema: str, table: str, means: str
) -> None:
    url, before = dirty
    stopped_at(url, Step(Action.SWAP, "trading_sessions"))
    with connected(url) as connection:
        connection.exec_driver_sql(f"DROP TABLE {table}")

    with pytest.raises(Foreign, match=f"{table} is missing.* --undo`, and adopt anew"):
        adopt(url, SETTINGS, lambda _: None)
    undone = undo(url, SETTINGS)

    assert "trading_sessions" in undone.dropped
    assert undone.missing == (f"{table} was missing: {means}",)
    adopt(url, SETTINGS, lambda _: None)
    assert faults(before, books_of(url)) == []
    assert schema_of(url) == head_schema


def test_rows_that_were_set_aside_and_dropped_are_told_to_be_gone(dirty: tuple[str, Books]) -> None:
    url, _ = dirty
    stopped_at(url, Step(Action.SWAP, "portfolio_snapshots"))
    with connected(url) as connection:
        sides = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^_(dup|json|orphan)_'"
        for name in connection.exec_driver_sql(sides).scalars().all():
            connection.exec_driver_sql(f"DROP TABLE {name}")

    undone = undo(url, SETTINGS)

    assert undone.replaced
    (lost,) = (line for line in undone.missing if "trading_sessions" in line)
    assert lost.startswith("_dup_trading_sessions_0002 is missing: the rows of trading_sessions that were set aside")


STRANGERS = ("_log_trading_sessions", "_new_portfolio_snapshots", "_log_trading_events")


def make_strangers(url: str, *names: str) -> None:
    """Make tables of somebody's own that are named as an adoption names its copies."""
    with connected(url) as connection:
        for name in names:
            connection.exec_driver_sql(f"CREATE TABLE {name} AS SELECT 'precious' AS mine")


def relations_of(url: str) -> set[str]:
    """The names of all tables."""
    with connected(url) as connection:
        found = connection.exec_driver_sql("SELECT relname FROM pg_class WHERE relkind = 'r'")
        return {str(name) for name in found.scalars()}


def test_undo_after_the_end_touches_neither_rows_set_aside_nor_tables_that_are_only_named_alike(
    dirty: tuple[str, Books],
) -> None:
    url, before = dirty
    adopt(url, SETTINGS, lambda _: None)
    make_strangers(url, *STRANGERS)
    there = relations_of(url)

    undone = undo(url, SETTINGS)

    assert undone == Undone((), replaced=False, left=STRANGERS)
    assert relations_of(url) == there >= {"_dup_trading_sessions_0002", "_nan_portfolio_snapshots_0002", *STRANGERS}
    assert faults(before, books_of(url)) == []


def test_undo_takes_back_what_is_unfinished_and_leaves_what_stands_beside_a_table_that_is_replaced(
    dirty: tuple[str, Books], head_schema: str
) -> None:
    url, before = dirty
    stopped_at(url, Step(Action.SWAP, "portfolio_snapshots"))
    make_strangers(url, "_log_trading_sessions", "_new_trading_events")

    undone = undo(url, SETTINGS)

    assert undone.dropped == ("portfolio_snapshots",)
    assert undone.left == ("_log_trading_sessions", "_new_trading_events")
    assert {"_dup_trading_sessions_0002", *undone.left} <= relations_of(url)
    with pytest.raises(Foreign, match="_new_trading_events would be made here and exists already"):
        adopt(url, SETTINGS, lambda _: None)
    with connected(url) as connection:
        connection.exec_driver_sql(f"DROP TABLE {', '.join(undone.left)}")
    adopt(url, SETTINGS, lambda _: None)
    assert faults(before, books_of(url)) == []
    assert schema_of(url) == head_schema


def test_a_copy_whose_trigger_somebody_has_dropped_is_undone_by_what_it_has_noted(dirty: tuple[str, Books]) -> None:
    url, before = dirty
    stopped_at(url, Step(Action.SWAP, "trading_sessions"))
    with connected(url) as connection:
        connection.exec_driver_sql("DROP TABLE _log_trading_sessions; DROP TRIGGER _adoption ON trading_sessions")

    undone = undo(url, SETTINGS)

    assert undone.dropped == ("trading_sessions",)
    assert undone.missing == (
        "_log_trading_sessions was missing: it only named rows that trading_sessions still has, so nothing is lost",
    )
    adopt(url, SETTINGS, lambda _: None)
    assert faults(before, books_of(url)) == []


def test_side_tables_of_a_copy_that_nobody_says_was_begun_are_left(dirty: tuple[str, Books]) -> None:
    url, _ = dirty
    stopped_at(url, Step(Action.SWAP, "trading_sessions"))
    with connected(url) as connection:
        connection.exec_driver_sql("DROP TABLE _adoption")

    undone = undo(url, SETTINGS)

    assert undone.dropped == ("trading_sessions",)
    assert undone.left == ("_dup_trading_sessions_0002", "_json_trading_sessions_session_data_0002")
    assert {*undone.left} <= relations_of(url)
    assert not {"_new_trading_sessions", "_log_trading_sessions"} & relations_of(url)


def test_undo_refuses_a_revision_that_it_does_not_know_as_adopt_does(empty_url: str) -> None:
    upgrade(empty_url)
    make_strangers(empty_url, "_new_trading_events")
    with connected(empty_url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0042'")
    there = relations_of(empty_url)

    for attempt in (lambda: undo(empty_url, SETTINGS), lambda: adopt(empty_url, SETTINGS, lambda _: None)):
        with pytest.raises(NotMigrated, match="at 0042, which this version does not know"):
            attempt()

    assert relations_of(empty_url) == there
