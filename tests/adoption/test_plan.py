"""Decisions on frozen catalogues: what kind it is, and what is to be done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from persistence.adoption.catalogue import Catalogue, LiveColumn, LiveForeignKey, LiveIndex, LiveTable
from persistence.adoption.kinds import Kind, differences, kind_of, obstacles
from persistence.adoption.plan import Action, Step, plan_for
from persistence.adoption.shape import Shape
from persistence.adoption.shapes import FOREIGN_KEY, SHAPES

LINK = LiveForeignKey(FOREIGN_KEY.name, FOREIGN_KEY.definition, valid=True)
END = [Step(Action.STAMP), Step(Action.UPGRADE)]
CLEANING = [
    *(Step(Action.FORGET, "instruments", name) for name in ("last_price", "tick_size", "strike")),
    Step(Action.FORGET, "trading_sessions", "session_data"),
    Step(Action.SET_UNFIT_ASIDE, "portfolio_snapshots"),
]
"""What is always done, as only the rows tell whether there is something to do, unless the table gets a copy."""


def table_of(shape: Shape) -> LiveTable:
    """The table as it must be."""
    return LiveTable(
        name=shape.table,
        relkind="r",
        about_rows=0,
        owned=True,
        owner="owner",
        checks=(),
        columns=tuple(LiveColumn(one.name, one.kind, one.not_null, one.default, False) for one in shape.columns),
        indexes=tuple(LiveIndex(one.name, one.definition, one.unique, True, one.constraint) for one in shape.indexes),
        foreign_keys=(LINK,) if shape.table == FOREIGN_KEY.table else (),
        dependents=(),
    )


FIXED = Catalogue(
    version=180_000,
    schema="public",
    revision="",
    revision_table=False,
    may_create=True,
    may_make_temporary=True,
    read_only=False,
    encoding="UTF8",
    relations=frozenset(shape.table for shape in SHAPES),
    tables=tuple(table_of(shape) for shape in SHAPES),
)


def table(name: str) -> LiveTable:
    found = FIXED.table(name)
    assert found is not None
    return found


def with_table(changed: LiveTable) -> Catalogue:
    return replace(FIXED, tables=tuple(changed if one.name == changed.name else one for one in FIXED.tables))


def with_column(name: str, column: str, **changes: object) -> Catalogue:
    old = table(name)
    columns = tuple(replace(one, **changes) if one.name == column else one for one in old.columns)  # type: ignore[arg-type]
    return with_table(replace(old, columns=columns))


def with_indexes(name: str, *indexes: LiveIndex, without: str = "") -> Catalogue:
    old = table(name)
    return with_table(replace(old, indexes=(*(one for one in old.indexes if one.name != without), *indexes)))


def steps(catalogue: Catalogue) -> list[Step]:
    assert differences(catalogue) == obstacles(catalogue) == ()
    """Those that are not always taken."""
    found = list(plan_for(catalogue, "0006").steps)
    cleaned = [step for step in found if step in CLEANING]
    assert cleaned == [step for step in CLEANING if Step(Action.SWAP, step.table) not in found]
    assert found[-len(cleaned) - 2 :] == [*cleaned, *END]
    return [step for step in found if step not in CLEANING]


def test_where_all_is_right_it_is_only_noted() -> None:
    assert kind_of(FIXED) is Kind.L1
    assert steps(FIXED) == END


@pytest.mark.parametrize(
    ("catalogue", "kind"),
    [
        (replace(FIXED, tables=(), relations=frozenset()), Kind.EMPTY),
        (replace(FIXED, revision="cc6a84f0b6f1"), Kind.L2),
        (replace(FIXED, revision="0004"), Kind.OURS),
        (replace(with_column("trading_events", "event_data", kind="json"), revision="0001"), Kind.L0),
        (replace(FIXED, begun_as="L0"), Kind.L0),
        (with_column("trading_events", "event_data", kind="json"), Kind.L0),
        (with_column("strategy_configurations", "parameters", kind="json"), Kind.L1),
        (with_indexes("trading_sessions", without="ix_trading_sessions_user_id"), Kind.L0),
        (with_table(replace(table("instrument_registry"), foreign_keys=())), Kind.L0),
    ],
)
def test_a_kind_is_told_by_what_is_fixed(catalogue: Catalogue, kind: Kind) -> None:
    assert kind_of(catalogue) is kind


def test_ours_is_upgraded_unless_it_is_at_head() -> None:
    assert plan_for(replace(FIXED, revision="0004"), "0006").steps == (Step(Action.UPGRADE),)
    assert plan_for(replace(FIXED, revision="0006"), "0006").steps == ()


def test_a_stamp_without_tables_is_not_taken_for_an_empty_database() -> None:
    assert "the table users is missing" in differences(
        replace(FIXED, revision="0001", tables=(), relations=frozenset())
    )


@pytest.mark.parametrize("revision", ["", "0001"])
def test_the_revision_that_has_the_form_of_l0_changes_no_plan(revision: str) -> None:
    old = with_column("trading_events", "event_data", kind="json")

    assert plan_for(replace(old, revision=revision), "0006").steps == plan_for(old, "0006").steps


@pytest.mark.parametrize(
    "catalogue",
    [
        with_column("trading_events", "event_data", kind="json"),
        with_table(replace(table("trading_events"), columns=table("trading_events").columns[::-1])),
    ],
)
def test_a_table_of_other_columns_gets_a_copy(catalogue: Catalogue) -> None:
    actions = (Action.PREPARE, Action.COPY, Action.INDEX, Action.PROVE, Action.SWAP)

    assert steps(catalogue) == [*(Step(action, "trading_events") for action in actions), *END]


def test_one_that_is_begun_is_not_begun_again() -> None:
    catalogue = replace(with_column("trading_events", "event_data", kind="json"), shadows=frozenset({"trading_events"}))

    assert steps(catalogue)[0] == Step(Action.COPY, "trading_events")


@pytest.mark.parametrize(
    ("catalogue", "wanted"),
    [
        (
            with_indexes("instruments", without="idx_instruments_expiry"),
            [Step(Action.CREATE_INDEX, "instruments", "idx_instruments_expiry")],
        ),
        (
            with_indexes(
                "instruments",
                LiveIndex("idx_instruments_expiry", "btree (expiry)", False, False, ""),
                without="idx_instruments_expiry",
            ),
            [
                Step(Action.DROP_INDEX, "instruments", "idx_instruments_expiry"),
                Step(Action.CREATE_INDEX, "instruments", "idx_instruments_expiry"),
            ],
        ),
        (
            with_indexes("users", LiveIndex("ix_users_id", "btree (id)", False, True, "")),
            [Step(Action.DROP_INDEX, "users", "ix_users_id")],
        ),
        (
            with_indexes("users", LiveIndex("users_username_key", "btree (username)", True, True, "u")),
            [Step(Action.DROP_CONSTRAINT, "users", "users_username_key")],
        ),
        (
            with_indexes(
                "users",
                LiveIndex("users_username_key", "btree (username)", True, True, "u"),
                without="ix_users_username",
            ),
            [
                Step(Action.CREATE_INDEX, "users", "ix_users_username"),
                Step(Action.DROP_CONSTRAINT, "users", "users_username_key"),
            ],
        ),
        (with_indexes("users", LiveIndex("mine", "btree (lower(username))", False, True, "")), []),
        (with_indexes("users", LiveIndex("mine", "btree (username) WHERE (id > 5)", False, True, "")), []),
        (with_indexes("trading_sessions", LiveIndex("idx_trading_sessions_updated_at", "any", False, True, "")), []),
    ],
)
def test_indexes_are_made_where_they_lack_and_dropped_where_another_covers_them(
    catalogue: Catalogue, wanted: list[Step]
) -> None:
    assert steps(catalogue) == [*wanted, *END]


def test_a_default_and_a_nullable_column_are_set_right() -> None:
    assert steps(with_column("instruments", "instrument_token", default="")) == [
        Step(Action.SET_DEFAULT, "instruments", "instrument_token"),
        *END,
    ]
    assert steps(with_column("instruments", "is_active", not_null=True)) == [
        Step(Action.ALLOW_NULL, "instruments", "is_active"),
        *END,
    ]
    assert steps(with_column("instrument_registry", "exchange", not_null=False)) == [
        Step(Action.FORBID_NULL, "instrument_registry", "exchange"),
        *END,
    ]


@pytest.mark.parametrize(
    ("keys", "actions"),
    [
        ((), [Action.LINK, Action.SET_ORPHANS_ASIDE, Action.VALIDATE]),
        ((replace(LINK, definition="other"),), [Action.LINK, Action.SET_ORPHANS_ASIDE, Action.VALIDATE]),
        ((replace(LINK, valid=False),), [Action.SET_ORPHANS_ASIDE, Action.VALIDATE]),
    ],
)
def test_the_link_is_made_and_proved(keys: tuple[LiveForeignKey, ...], actions: list[Action]) -> None:
    catalogue = with_table(replace(table("instrument_registry"), foreign_keys=keys))

    assert [step.action for step in steps(catalogue)] == [*actions, Action.STAMP, Action.UPGRADE]


@pytest.mark.parametrize(
    ("catalogue", "words"),
    [
        (replace(FIXED, version=130_000), "version 14 or later"),
        (replace(FIXED, schema=""), "no schema"),
        (replace(FIXED, may_create=False), "may not create tables"),
        (replace(FIXED, may_make_temporary=False), "may not make temporary objects"),
        (replace(FIXED, encoding="LATIN1"), "encoding is LATIN1"),
        (with_table(replace(table("users"), owned=False)), "does not own the table users"),
    ],
)
def test_an_obstacle_is_named(catalogue: Catalogue, words: str) -> None:
    (line,) = obstacles(catalogue)

    assert words in line
