"""Portfolio snapshots: upserts of the same portfolios again and again."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from sqlalchemy.dialects.postgresql import insert

from benchmarks.database import rows
from benchmarks.database.server import server
from benchmarks.database.writing import Batches, as_text, by_executemany, by_repository, by_row
from benchmarks.measurement import Measurement, Options, Sample
from benchmarks.rounds import interleave, seconds
from persistence.models import portfolio_snapshots

COLUMNS = (
    "portfolio_id",
    "broker_namespace",
    "strategy_id",
    "positions",
    "total_realized_pnl",
    "total_unrealized_pnl",
    "total_pnl",
    "cash",
    "snapshot_time",
)
BY_ROW = f"""
    INSERT INTO portfolio_snapshots ({", ".join(COLUMNS)}) VALUES ({", ".join(f"%({name})s" for name in COLUMNS)})
    ON CONFLICT (portfolio_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])}
"""
_insert = insert(portfolio_snapshots)
UPSERT = _insert.on_conflict_do_update(
    index_elements=["portfolio_id"], set_={name: _insert.excluded[name] for name in COLUMNS[1:]}
)


def snapshots(options: Options) -> list[Measurement]:
    """As many portfolios as fit into one commit, stored anew each time."""
    portfolios, commits = options.size(1_000, 20), options.size(20, 2)
    revisions = itertools.count(1)

    def groups() -> Batches:
        return [rows.snapshots(portfolios, next(revisions)) for _ in range(commits)]

    def rate(write: Callable[[Batches], None], batches: Batches) -> float:
        return portfolios * commits / seconds(lambda: write(batches))

    with server() as used:
        url = used.new_database()
        figures = interleave(
            options,
            lambda: rate(
                lambda given: by_repository(url, given, lambda unit, some: unit.portfolios.upsert(some)), groups()
            ),
            lambda: rate(
                lambda given: by_row(url, given, BY_ROW),
                [[as_text(row, "positions") for row in group] for group in groups()],
            ),
            lambda: rate(lambda given: by_executemany(url, given, UPSERT), groups()),
        )
    ours, by_rows, by_core = (Sample(side) for side in figures)
    what = f"snapshots upserted, {portfolios:,} a commit"
    return [
        Measurement(what, "rows/s", ours, by_rows, None, "psycopg2 by row"),
        Measurement(f"{what}, beside executemany", "rows/s", ours, by_core, None, "SQLAlchemy executemany"),
    ]
