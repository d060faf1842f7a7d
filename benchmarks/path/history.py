"""Whether a long history slows the path: the same backlog with many rows in `trading_events` and with none."""

from __future__ import annotations

from functools import partial

from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.drain import Workload, drain
from benchmarks.path.options import of_path
from benchmarks.path.processes import daemon
from benchmarks.path.routes import OURS
from benchmarks.path.servers import Servers, execute, servers
from benchmarks.rounds import interleave

FLAT = Target(Side.AT_LEAST, 0.9, of_ratio=True)
FILL = """
    INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data,
                                correlation_id, event_timestamp)
    SELECT gen_random_uuid()::text, CASE n %% 2 WHEN 0 THEN 'order_placed' ELSE 'order_filled' END, 'paper',
           'strategy_' || n %% 16, 1001 + n %% 5,
           jsonb_build_object('order_id', gen_random_uuid(), 'instrument_token', 1001 + n %% 5, 'quantity', 1 + n %% 7,
                              'fill_price', '100.550250', 'fees', '0.100550', 'side', 'buy', 'signal_type', 'BUY',
                              'broker', 'paper', 'strategy_id', 'strategy_' || n %% 16, 'execution_mode', 'paper',
                              'timestamp', now()),
           gen_random_uuid()::text, now() - (%s - n) * interval '1 second'
    FROM generate_series(1, %s) AS n
"""
AT_ONCE = 500_000


def history(options: Options) -> list[Measurement]:
    """Both sides are our daemon, each time started anew, on a database each."""
    chosen = of_path(options)
    count = options.size(20_000, 200)
    with servers(chosen) as used:
        full, empty = used.new_database(), used.new_database()
        fill(full, chosen.history_rows)
        with_rows, without = interleave(
            options, partial(_per_s, used, full, count), partial(_empty, used, empty, count)
        )
    what = f"signals with {chosen.history_rows:,} rows of history"
    return [Measurement(what, "signals/s", Sample(with_rows), Sample(without), FLAT, "without")]


def _per_s(servers: Servers, database: str, count: int) -> float:
    """After a backlog that is not measured: PostgreSQL writes a page whole when it first changes after a checkpoint."""
    with daemon(servers, database) as pid:
        side = Workload(servers, OURS, pid, database)
        drain(side, count)
        return drain(side, count).per_s


def _empty(servers: Servers, database: str, count: int) -> float:
    execute(database, "TRUNCATE trading_events, inbox")
    return _per_s(servers, database, count)


def fill(database: str, rows: int) -> None:
    """Store that many events, as if one had come each second until now."""
    for start in range(0, rows, AT_ONCE):
        execute(database, FILL, (rows - start, min(AT_ONCE, rows - start)))
    execute(database, "VACUUM ANALYZE trading_events")
    execute(database, "CHECKPOINT")
