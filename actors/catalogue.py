"""The catalogue in the memory of an actor: what was asked for, until the next load."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache

from actors.errors import TryAgain
from actors.instruments import Instrument
from persistence.database import Database
from persistence.errors import Conflict, Unavailable

REMEMBERED = 10_000
"""Instruments; the ones asked for longest ago are forgotten beyond that."""


class Catalogue:
    """The `Instruments` of one actor, read by the readers' pool. Whoever owns it forgets all on `CatalogueLoaded`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.get = lru_cache(REMEMBERED)(self._read)
        self.forget = self.get.cache_clear

    def _read(self, token: int) -> Instrument | None:
        try:
            with self._database.read_unit() as work:
                record = work.instruments.get(token)
        except (Unavailable, Conflict) as error:
            raise TryAgain(str(error)) from error
        return None if record is None else Instrument(**asdict(record))
