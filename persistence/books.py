"""Which snapshots are the books of their strategies: whoever opens, proves or foresees books asks here."""

# ruff: noqa: S608 - the statements are made of constants

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import orjson

from persistence.records import PortfolioRecord

TABLE = "portfolio_snapshots"
NAMED = "portfolio_id = broker_namespace || ':' || strategy_id"
"""The condition on a row that bears the name under which books are saved."""
_NAMED_AT_MOST = 5
_COLUMNS = (
    "id",
    "portfolio_id",
    "broker_namespace",
    "strategy_id",
    "total_realized_pnl",
    "total_unrealized_pnl",
    "total_pnl",
    "cash",
    "snapshot_time",
)


ProblemOf = Callable[[PortfolioRecord], str | None]
"""Says why a portfolio cannot be opened, with its name and row."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Books that the daemon cannot open, of which some are named."""

    count: int = 0
    brokers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    row_ids: tuple[int, ...] = ()


def unreadable(records: Iterable[PortfolioRecord], problem_of: ProblemOf) -> Unreadable:
    """Those of the records that cannot be opened."""
    found = Unreadable()
    for one in records:
        problem = problem_of(one)
        if problem is None:
            continue
        found = replace(found, count=found.count + 1)
        if one.broker_namespace not in found.brokers:
            found = replace(found, brokers=(*found.brokers, one.broker_namespace)[:_NAMED_AT_MOST])
        if found.count <= _NAMED_AT_MOST:
            found = replace(found, problems=(*found.problems, problem), row_ids=(*found.row_ids, one.row_id))
    return found


def counting(source: str, condition: str = "true") -> str:
    """The query of those rows of `source` that count: of each strategy at each broker one.

    It is the row that is named `broker:strategy_id`; where there is none, the newest by `snapshot_time`,
    or by `created_at` where that is NULL, then `id`.
    """
    return (
        f"SELECT DISTINCT ON (broker_namespace, strategy_id) {', '.join(_COLUMNS)}, positions::text AS positions "
        f"FROM {source} AS books WHERE {condition} "
        f"ORDER BY broker_namespace, strategy_id, ({NAMED}) DESC, "
        "COALESCE(snapshot_time, created_at) DESC NULLS LAST, id DESC"
    )


def leaving_out(condition: str) -> str:
    """The query of how many rows do not count, and of the names of some of them."""
    others = (
        f"SELECT left(portfolio_id, 100) AS portfolio_id FROM {TABLE} WHERE {condition} "
        f"AND id NOT IN (SELECT id FROM ({counting(TABLE, condition)}) AS counted)"
    )
    some = f"SELECT DISTINCT portfolio_id FROM others ORDER BY portfolio_id LIMIT {_NAMED_AT_MOST}"
    return f"WITH others AS MATERIALIZED ({others}) SELECT (SELECT count(*) FROM others), ARRAY({some})"


def record(row: tuple[Any, ...]) -> PortfolioRecord:
    """The record of a row of `counting`."""
    row_id, portfolio_id, broker, strategy_id, realized, unrealized, total, cash, time, positions = row
    return PortfolioRecord(
        portfolio_id, broker, strategy_id, parsed(positions), realized, unrealized, total, cash, time, row_id
    )


def parsed(document: str) -> Any:
    """Stored JSON, also with numbers that no binary float holds; None where it is nested too deep to be read."""
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError:
        try:
            return json.loads(document, parse_int=Decimal, parse_float=Decimal)
        except RecursionError:
            return None
