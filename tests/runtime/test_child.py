"""A child table that cannot be used is refused before anything starts, each mistake in its own words."""

from __future__ import annotations

from typing import Any

import pytest

from actors.errors import SpecError
from actors.runtime.child import ChildSpec, Restart
from actors.runtime.flags import Flags, start_levels
from actors.runtime.tree import Tree
from tests.runtime.machine import spec


def refusal(**fields: Any) -> str:
    with pytest.raises(SpecError) as caught:
        spec("a", **fields)
    return str(caught.value)


class TestFields:
    def test_a_child_needs_a_name(self) -> None:
        with pytest.raises(SpecError, match="child '': name must be a text that is not empty"):
            spec("")

    def test_a_child_needs_a_factory_that_can_be_called(self) -> None:
        with pytest.raises(SpecError, match="child a: factory is not callable"):
            ChildSpec("a", "Worker")  # type: ignore[arg-type]

    @pytest.mark.parametrize("field", ["intensity", "start_retry_s", "shutdown_s"])
    def test_some_fields_must_not_be_negative(self, field: str) -> None:
        assert refusal(**{field: -1}) == f"child a: {field} must not be negative, not -1"
        assert getattr(spec("a", **{field: 0}), field) == 0

    @pytest.mark.parametrize("field", ["period_s", "start_timeout_s", "mailbox_capacity", "handler_budget_s"])
    @pytest.mark.parametrize("value", [0, -1])
    def test_others_must_be_positive(self, field: str, value: int) -> None:
        assert refusal(**{field: value}) == f"child a: {field} must be positive, not {value}"

    def test_a_child_is_permanent_unless_it_says_otherwise(self) -> None:
        assert spec("a").restart is Restart.PERMANENT


class TestDependencies:
    def test_a_name_may_be_used_once(self) -> None:
        with pytest.raises(SpecError, match="child b: name used twice"):
            start_levels(Flags(), [spec("a"), spec("b"), spec("b", "a")])

    def test_a_dependency_must_exist(self) -> None:
        with pytest.raises(SpecError, match="child a: depends on ghost, which does not exist"):
            start_levels(Flags(), [spec("a", "ghost")])

    def test_a_cycle_is_printed_and_nothing_else_with_it(self) -> None:
        table = [spec("root"), spec("into", "b", "root"), spec("a", "c"), spec("b", "a"), spec("c", "b", "root")]

        with pytest.raises(SpecError, match=r"^dependency cycle: b -> a -> c -> b$"):
            start_levels(Flags(), table)

    def test_a_child_must_not_wait_for_itself(self) -> None:
        with pytest.raises(SpecError, match="dependency cycle: a -> a"):
            start_levels(Flags(), [spec("a", "a")])

    def test_levels_are_as_early_as_can_be_and_keep_the_order_of_the_table(self) -> None:
        table = [spec("gateway", "auth", "control"), spec("control"), spec("auth", "database"), spec("database")]

        assert start_levels(Flags(), table) == (("control", "database"), ("auth",), ("gateway",))

    def test_a_tree_refuses_the_same(self) -> None:
        with pytest.raises(SpecError, match="name used twice"):
            Tree.of(Flags(), [spec("a"), spec("a")])
