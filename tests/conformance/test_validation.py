"""Cases 1 to 6: what cannot be supervised is refused before anything starts, with the field named."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from actors.errors import SpecError
from actors.runtime.child import INFINITY, ChildSpec, Kind, Restart
from actors.runtime.events import Outcome
from actors.runtime.flags import AutoShutdown, Flags, Strategy
from tests.conformance.cases import case
from tests.conformance.stage import Stage, in_list_order


@case(1, "child_specs")
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": None}, "name must be"),
        ({"name": ""}, "name must be"),
        ({"factory": None}, "factory is not callable"),
        ({"factory": "not_a_function"}, "factory is not callable"),
        ({"restart": "prmanent"}, "restart must be one of"),
        ({"shutdown_s": -10}, "shutdown_s must not be negative"),
        ({"shutdown_s": "brutal_kil"}, "shutdown_s must not be negative"),
        ({"kind": "wrker"}, "kind must be one of"),
    ],
)
def test_a_specification_with_a_mistake_is_refused_by_its_field_and_the_supervisor_never_notices(
    stage: Stage, fields: dict[str, Any], named: str
) -> None:
    stage.start(stage.child("a"), flags=in_list_order())

    with pytest.raises(SpecError, match=named):
        stage.add(ChildSpec(**{"name": "b", "factory": stage.build, **fields}))

    assert stage.log == ["+a"]
    assert stage.count().specs == 1


@case(2, "child_specs")
def test_a_name_used_twice_is_refused_before_anything_starts(stage: Stage) -> None:
    with pytest.raises(SpecError, match="child a: name used twice"):
        stage.start(stage.child("a"), stage.child("b"), stage.child("a"), flags=in_list_order())

    assert stage.log == []


@case(3, "sup_flags")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("strategy", "none_for_one"),
        ("intensity", math.inf),
        ("intensity", -1),
        ("period_s", 0),
        ("period_s", -1),
        ("period_s", math.inf),
        ("auto_shutdown", "sometimes"),
    ],
)
def test_a_flag_with_a_mistake_is_refused_by_its_field(stage: Stage, field: str, value: Any) -> None:
    with pytest.raises(SpecError, match=f"^{field}: "):
        stage.start(stage.child("a"), flags=in_list_order(**{field: value}))

    assert stage.log == []


@case(4, "child_specs_map")
@pytest.mark.parametrize("by_request", [False, True], ids=["in_the_list", "by_request"])
def test_significance_needs_a_supervisor_that_ends_by_itself_and_a_child_that_does(
    stage: Stage, by_request: bool
) -> None:
    refused = set()
    for mode, restart, significant in itertools.product(AutoShutdown, Restart, [False, True]):
        fresh = type(stage)()
        flags = in_list_order(auto_shutdown=mode)
        try:
            spec = fresh.child("a", restart=restart, significant=significant)
            fresh.start(*([] if by_request else [spec]), flags=flags)
            accepted = not by_request or fresh.add(spec).outcome is Outcome.DONE
        except SpecError:
            accepted = False
        fresh.close()
        if not accepted:
            refused.add((mode, restart, significant))

    of_never = {(AutoShutdown.NEVER, restart, True) for restart in Restart}
    assert refused == of_never | {(mode, Restart.PERMANENT, True) for mode in AutoShutdown}


@case(5, "sup_start_map")
def test_what_a_specification_leaves_out_has_erlangs_defaults(stage: Stage) -> None:
    """`get_childspec` of an unknown name: here any request about one."""
    stage.start(
        ChildSpec("worker", stage.build),
        stage.nested("inner", flags=Flags()),
        flags=in_list_order(),
    )

    worker, inner = (stage.children()[name].spec for name in ("worker", "inner"))
    assert worker.restart is Restart.PERMANENT
    assert worker.kind is Kind.WORKER
    assert worker.stop_within_s == 5.0
    assert not worker.significant
    assert inner.kind is Kind.SUPERVISOR
    assert inner.stop_within_s == INFINITY
    assert "other" not in stage.children()
    assert stage.restart("other").outcome is Outcome.NOT_FOUND


@case(6, "init/2")
def test_flags_that_are_left_out_are_elixirs_and_a_strategy_of_none_is_refused(stage: Stage) -> None:
    """Elixir has no default strategy; here it is one_for_one, and what is given in its place must be one."""
    stage.start(stage.child("a"), flags=Flags())

    assert (stage.trees["supervisor"].flags.intensity, stage.trees["supervisor"].flags.period_s) == (3, 5.0)
    assert stage.trees["supervisor"].flags.strategy is Strategy.ONE_FOR_ONE
    nothing: Any = None
    with pytest.raises(SpecError, match=r"^strategy: None"):
        Flags(strategy=nothing)
