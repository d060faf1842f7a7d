"""Queries of a long history: how the planner answers them, and how long that takes, beside a scan of the table."""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.database.filling import SPAN_DAYS, correlation_of, fill_events
from benchmarks.database.options import of_database
from benchmarks.database.plans import explain
from benchmarks.database.server import server
from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Sample
from benchmarks.path.servers import connect
from benchmarks.rounds import interleave, quantiles

WINDOW = "event_timestamp >= now() - %(days)s * interval '1 day' ORDER BY event_timestamp LIMIT 100"
BY_SCAN = "SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked, and by which index it has to be answered."""

    name: str
    statement: str
    index: str


QUERIES = (
    Query(
        "by broker and time, 100 events",
        f"SELECT * FROM trading_events WHERE broker_namespace = %(broker)s AND {WINDOW}",
        "idx_trading_events_broker_time",
    ),
    Query(
        "by strategy and time, 100 events",
        f"SELECT * FROM trading_events WHERE strategy_id = %(strategy)s AND {WINDOW}",
        "idx_trading_events_strategy_time",
    ),
    Query(
        "by instrument and time, 100 events",
        f"SELECT * FROM trading_events WHERE instrument_token = %(token)s AND {WINDOW}",
        "idx_trading_events_instrument_time",
    ),
    Query(
        "by correlation id",
        "SELECT * FROM trading_events WHERE correlation_id = %(correlation)s ORDER BY event_timestamp",
        "idx_trading_events_correlation",
    ),
    Query(
        "count of a broker's last minutes",
        "SELECT count(*) FROM trading_events WHERE broker_namespace = %(broker)s"
        " AND event_timestamp >= now() - %(days)s / 10000 * interval '1 day'",
        "idx_trading_events_broker_time",
    ),
)


def queries(options: Options) -> list[Measurement]:
    """Each query with parameters at random, and the same with nothing but a scan allowed."""
    rows = of_database(options).rows
    asked = options.size(1_000, 20)
    found = []
    with server() as used:
        url = used.new_database()
        fill_events(url, rows)
        chance = random.Random(rows)
        for query in QUERIES:
            print(f"database: {query.name}: {_checked(url, query, parameters(chance, rows))}", file=sys.stderr)
            with_index, scanned = interleave(
                options, partial(_ms, url, query, rows, chance, asked), partial(_scanned_ms, url, query, rows, chance)
            )
            what = f"{rows:,} events {query.name}"
            median, scan = quantiles(with_index, 0.5), Sample(scanned)
            found.append(Measurement(f"{what}, p50", "ms", median, scan, None, "sequential scan"))
            found.append(Measurement(f"{what}, p99", "ms", quantiles(with_index, 0.99)))
    return found


def parameters(chance: random.Random, rows: int) -> dict[str, Any]:
    """Of every query; the events of `fill_events` have them."""
    return {
        "broker": chance.choice(("paper", "zerodha")),
        "strategy": f"strategy_{int(48 * chance.random() ** 2)}",
        "token": 1001 + chance.randrange(500),
        "correlation": correlation_of(chance.randrange(rows)),
        "days": SPAN_DAYS * chance.random(),
    }


def _ms(url: str, query: Query, rows: int, chance: random.Random, count: int) -> list[float]:
    connection = connect(url)
    try:
        cursor = connection.cursor()
        return [_took_ms(cursor, query, parameters(chance, rows)) for _ in range(count)]
    finally:
        connection.close()


def _scanned_ms(url: str, query: Query, rows: int, chance: random.Random) -> float:
    connection = connect(url)
    try:
        cursor = connection.cursor()
        cursor.execute(BY_SCAN)
        return _took_ms(cursor, query, parameters(chance, rows))
    finally:
        connection.close()


def _took_ms(cursor: Any, query: Query, given: dict[str, Any]) -> float:
    began = time.perf_counter()
    cursor.execute(query.statement, given)
    cursor.fetchall()
    return (time.perf_counter() - began) * 1e3


def _checked(url: str, query: Query, given: dict[str, Any]) -> str:
    """How the planner answers it.

    Raises:
        BenchmarkFailed: not by the index that it has.
    """
    connection = connect(url)
    try:
        plan = explain(connection.cursor(), query.statement, given)
    finally:
        connection.close()
    if not plan.by_index or {index for _, index in plan.scans} != {query.index}:
        raise BenchmarkFailed(f"the query {query.name} is not answered by {query.index}, but by {plan}")
    return str(plan)
