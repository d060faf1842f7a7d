"""What the writer shows of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from actors.database.catalogue import CatalogueState
from actors.database.measures import CommitFigures
from actors.runtime.metric import Metric, counter
from actors.tenure import Tenure


@dataclass(frozen=True, slots=True)
class DatabaseSnapshot:
    """The database's part of the status."""

    state: str
    url: str
    embedded: bool
    schema: str
    commits: int
    rows: int
    committed_at: float | None
    error: str | None
    events: dict[str, dict[str, int]]
    dead_letters: int
    tenures: dict[str, Tenure]
    catalogue: CatalogueState
    housekeeping: Mapping[str, Any]
    figures: CommitFigures

    def as_status(self, now: float, /) -> dict[str, Any]:
        age_s = None if self.committed_at is None else round(now - self.committed_at, 3)
        return {
            "state": self.state,
            "url": self.url,
            "embedded": self.embedded,
            "schema": self.schema,
            "last_commit_age_s": age_s,
            "commits": self.commits,
            "rows": self.rows,
            "error": self.error,
            "events": self.events,
            "dead_letters": self.dead_letters,
            "instruments": self.catalogue.as_status(),
            "housekeeping": self.housekeeping,
        }

    def as_metrics(self) -> Iterator[Metric]:
        """What was committed."""
        yield counter("alpha_panda_commits_total", "Transactions committed.", ({}, self.commits))
        yield counter("alpha_panda_rows_total", "Rows written.", ({}, self.rows))
        yield from self.figures.as_metrics()
