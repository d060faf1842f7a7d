"""The peers' way to PostgreSQL: SQLAlchemy's asyncio engine on asyncpg, with a pool of 20 and 30 more."""

from __future__ import annotations

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from persistence.urls import normalise_url

POOL_SIZE, MAX_OVERFLOW = 20, 30


def engine_for(url: str) -> AsyncEngine:
    """Connects when it is first used; JSON by orjson, as on our side."""
    target = normalise_url(url).set(drivername="postgresql+asyncpg")
    return create_async_engine(
        target,
        pool_size=POOL_SIZE,
        max_overflow=MAX_OVERFLOW,
        json_serializer=lambda value: orjson.dumps(value, default=str).decode(),
        json_deserializer=orjson.loads,
    )
