"""What the writer knows of the catalogue of instruments: the newest load, looked for from time to time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from persistence.database import Database


@dataclass(frozen=True, slots=True)
class CatalogueState:
    """How many instruments there are, and what the newest load was; none of it is known of one by other programs."""

    active: int = 0
    total: int = 0
    loaded_at: datetime | None = None
    source_file: str | None = None

    def as_status(self) -> dict[str, Any]:
        moment = None if self.loaded_at is None else self.loaded_at.astimezone(UTC)
        return {
            "active": self.active,
            "total": self.total,
            "loaded_at": None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "source_file": self.source_file,
        }


class CatalogueWatch:
    """Reads the newest row of `instrument_loads` at each look, by the writer's connection.

    A look costs a fraction of a millisecond, and no connection that listens and may be lost unnoticed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._load: int | None = None
        self.state = CatalogueState()

    def begin(self) -> None:
        """Learn where the catalogue stands; of one that no load is known of, the instruments are counted.

        Raises:
            PersistenceError: the database's failures, by class.
        """
        if self.look():
            return
        with self._database.read_unit() as work:
            counts = work.instruments.counts()
        self.state = CatalogueState(counts.active, counts.total)

    def look(self) -> bool:
        """Whether there was a load since the last look; fails as `begin` does."""
        with self._database.writer_statement() as work:
            newest = work.instruments.last_load()
        if newest is None or newest.id == self._load:
            return False
        self._load = newest.id
        self.state = CatalogueState(newest.active, newest.total, newest.loaded_at, newest.source_file)
        return True
