"""The peer of session saves: one `INSERT .. ON CONFLICT` in each transaction, through SQLAlchemy's asyncio.

`python -m benchmarks.path.sqlalchemy_saves` reads `{"url": URL, "count": N, "concurrency": N}` from stdin and prints
its saves per second. The process has nothing else to do: no message is received and none is answered.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from datetime import UTC, datetime

import uvloop
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.path.engine import engine_for
from benchmarks.path.logins import login
from persistence.models import trading_sessions

_save = insert(trading_sessions)
SAVE = _save.on_conflict_do_update(
    index_elements=["user_id"],
    set_={name: _save.excluded[name] for name in ("is_active", "session_data", "updated_at")},
)


async def save_all(engine: AsyncEngine, count: int, concurrency: int) -> float:
    """Save so many sessions, so many at a time; returns the seconds it took."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            async with engine.begin() as connection:
                await connection.execute(SAVE, login(number, datetime.now(UTC)))

    began = time.perf_counter()
    await asyncio.gather(*itertools.starmap(work, [()] * concurrency))
    return time.perf_counter() - began


async def main() -> None:
    given = json.load(sys.stdin)
    engine = engine_for(given["url"])
    await save_all(engine, min(given["count"], 2 * given["concurrency"]), given["concurrency"])
    took = await save_all(engine, given["count"], given["concurrency"])
    await engine.dispose()
    print(json.dumps(given["count"] / took))


if __name__ == "__main__":
    uvloop.run(main())
