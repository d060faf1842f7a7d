"""A long history in `trading_events`, made by the server itself."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

from benchmarks.path.servers import connect

AT_ONCE = 500_000
SPAN_DAYS = 90
_EVENTS = """
    INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data,
                                correlation_id, event_timestamp, created_at)
    SELECT gen_random_uuid()::text,
           (ARRAY['order_placed', 'order_filled', 'pnl_snapshot'])[1 + n %% 3],
           CASE WHEN n / 3 %% 10 < 7 THEN 'paper' ELSE 'zerodha' END,
           'strategy_' || floor(48 * power(random(), 2)),
           1001 + n / 3 * 7919 %% 500,
           jsonb_build_object('order_id', gen_random_uuid(), 'instrument_token', 1001 + n / 3 * 7919 %% 500,
                              'quantity', 1 + n %% 7, 'fill_price', '100.550250', 'fees', '0.100550', 'side', 'buy',
                              'execution_mode', 'paper'),
           md5((n / 3)::text)::uuid::text,
           at, at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n,
         LATERAL (SELECT %(until)s::timestamptz - (%(rows)s - n) * (interval '1 day' * %(days)s / %(rows)s) AS at) AS t
"""
"""Three events to a correlation, two brokers of unequal weight, and 48 strategies of which the first few have most."""
_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = 'trading_events'::regclass AND NOT indisprimary
"""


def correlation_of(number: int) -> str:
    """The correlation id that the event with this number has."""
    return str(uuid.UUID(hashlib.md5(str(number // 3).encode(), usedforsecurity=False).hexdigest()))


def fill_events(url: str, rows: int, ended_days: int = 0) -> None:
    """So many events over 90 days, which ended so many days ago, analysed and vacuumed. The indexes are built when all
    are in.
    """
    given = {"rows": rows, "days": SPAN_DAYS, "until": datetime.now(UTC) - timedelta(days=ended_days)}
    connection = connect(url)
    try:
        cursor = connection.cursor()
        cursor.execute(_INDEXES)
        indexes = cursor.fetchall()
        for name, _definition in indexes:
            cursor.execute(f"DROP INDEX {name}")
        for first in range(0, rows, AT_ONCE):
            last = min(first + AT_ONCE, rows) - 1
            cursor.execute(_EVENTS, {**given, "first": first, "last": last})
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for _name, definition in indexes:
            cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE trading_events")
        cursor.execute("CHECKPOINT")
    finally:
        connection.close()
