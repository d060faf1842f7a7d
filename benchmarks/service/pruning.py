"""What pruning costs a daemon that trades: from signal to published fill while old rows go, and where all are kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.database.filling import fill_events
from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Sample, Side, Target
from benchmarks.path.load import Load
from benchmarks.path.options import PathOptions
from benchmarks.path.processes import daemon_of
from benchmarks.path.servers import Servers, execute, fetch, servers
from benchmarks.rounds import interleave, quantiles

PER_S = 500
WATCH_S, QUICK_WATCH_S = 30.0, 2.0
SETTLE_S = 12.0
"""After it is ready: the first round of pruning begins ten seconds later."""
EVENTS, QUICK_EVENTS = 2_000_000, 20_000
ENDED_DAYS = 40
KEPT = {"HOUSEKEEPING__EVENTS_KEPT_DAYS": "30", "HOUSEKEEPING__SESSIONS_KEPT_DAYS": "30"}
BOUNDS = {0.5: None, 0.99: Target(Side.AT_MOST, 1.5, of_ratio=True)}
TABLES = ("trading_events", "inbox", "trading_sessions")
_KEYS = """
    INSERT INTO inbox (consumer, message_id, received_at)
    SELECT 'paper-signals', gen_random_uuid()::text, now() - interval '%s days' + n * interval '1 ms'
    FROM generate_series(1, %s) AS n
"""
_SESSIONS = """
    INSERT INTO trading_sessions (session_id, user_id, is_active, updated_at)
    SELECT n::text, 'old-' || n, false, now() - interval '%s days' FROM generate_series(1, %s) AS n
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """Milliseconds from signal to published fill, and rows pruned per second of each table."""

    latencies_ms: list[float]
    pruned_per_s: dict[str, float]


def pruning(options: Options) -> list[Measurement]:
    """Each round is a daemon of its own on each database, one after the other; both databases hold the same events, and
    only one of them has rows to be pruned.
    """
    count = options.size(EVENTS, QUICK_EVENTS)
    with servers(PathOptions(options.rounds, options.quick)) as used:
        old, kept = used.new_database(), used.new_database()
        for database in (old, kept):
            fill_events(database, count, ENDED_DAYS)
        execute(old, _KEYS, (ENDED_DAYS, count // 3))
        execute(old, _SESSIONS, (ENDED_DAYS, count // 100))
        execute(old, "VACUUM ANALYZE")
        pruned, without = interleave(
            options, partial(_watch, used, old, options, KEPT), partial(_watch, used, kept, options, {})
        )
        left = int(fetch(old, "SELECT count(*) FROM trading_events WHERE created_at < now() - interval '30 days'"))
    if not all(one.pruned_per_s["trading_events"] for one in pruned):
        raise BenchmarkFailed(f"nothing was pruned: {left} of {count} old events are left")
    return _measurements(pruned, without, count)


def _measurements(pruned: Sequence[Watched], without: Sequence[Watched], count: int) -> list[Measurement]:
    what = f"signal to published fill at {PER_S} signals/s while {count:,} old events are pruned"
    mine, theirs = [one.latencies_ms for one in pruned], [one.latencies_ms for one in without]
    return [
        *(
            Measurement(
                f"{what}, p{share * 100:g}",
                "ms",
                quantiles(mine, share),
                quantiles(theirs, share),
                bound,
                "without pruning",
            )
            for share, bound in BOUNDS.items()
        ),
        *(_rate(pruned, table) for table in TABLES),
    ]


def _rate(pruned: Sequence[Watched], table: str) -> Measurement:
    return Measurement(f"pruned meanwhile, {table}", "rows/s", Sample(tuple(one.pruned_per_s[table] for one in pruned)))


def _watch(used: Servers, database: str, options: Options, settings: dict[str, str]) -> Watched:
    execute(database, "CHECKPOINT")
    with daemon_of(used, database, **settings) as daemon, Load(used.nats_url, PER_S) as load:
        time.sleep(SETTLE_S if settings or not options.quick else 0)
        began, before = time.perf_counter(), _pruned(daemon.status())
        time.sleep(QUICK_WATCH_S if options.quick else WATCH_S)
        ended, after = time.perf_counter(), _pruned(daemon.status())
        load.stop()
        time.sleep(1.0)
        rates = {table: (after[table] - before[table]) / (ended - began) for table in TABLES}
        return Watched(load.latencies_ms(began, ended), rates)


def _pruned(status: dict[str, object]) -> dict[str, int]:
    chores = status["database"]["housekeeping"]  # type: ignore[index]
    return {table: chores.get(table, {}).get("pruned", 0) for table in TABLES}
