"""What the writer measures of its commits: counted in its thread, a commit at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from actors.database.commit import Plan
from actors.runtime.histogram import Histogram, Spread
from actors.runtime.metric import Metric, counter, histogram

SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
COMMIT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PATH_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
"""The buckets of Alpha Panda, and two for what waited in its stream."""

SHARED = "shared"
"""Alpha Panda's word for what belongs to no broker."""


@dataclass(frozen=True, slots=True)
class CommitFigures:
    """What was measured so far."""

    units: Spread
    seconds: Spread
    paths: dict[str, Spread]
    letters: dict[str, int]

    def as_metrics(self) -> Iterator[Metric]:
        """For Prometheus; names that Alpha Panda had are used as it used them."""
        yield histogram("alpha_panda_commit_units", "Units of work in a commit.", ({}, self.units))
        yield histogram("alpha_panda_commit_seconds", "Seconds that a commit took.", ({}, self.seconds))
        yield histogram(
            "trading_processing_latency_seconds",
            "From the time that the stream took a signal to the commit of its fill.",
            *(
                ({"service": f"{broker}_trading", "event_type": "order_filled"}, spread)
                for broker, spread in self.paths.items()
            ),
        )
        yield counter(
            "trading_dlq_messages_total",
            "Messages that became dead letters.",
            *(({"service": "alpha-panda", "broker": broker}, count) for broker, count in self.letters.items()),
        )


class Measures:
    """Counts; for the writer's thread alone."""

    def __init__(self) -> None:
        self._units = Histogram(SIZES)
        self._seconds = Histogram(COMMIT_S)
        self._paths: dict[str, Histogram] = {}
        self._letters: Counter[str] = Counter({SHARED: 0})

    def committed(self, done: Plan, seconds: float, now: datetime) -> None:
        """Note one commit, and what became of the messages behind it. The stream's clock may be ahead of `now`."""
        self._units.note(len(done.accepted))
        self._seconds.note(seconds)
        moment = now.timestamp()
        waits: dict[str, list[float]] = {}
        for unit in done.fresh:
            if unit.portfolio is not None:
                if unit.delivery is not None:
                    wait_s = moment - unit.delivery.stored_at.timestamp()
                    waits.setdefault(unit.broker or "", []).append(max(0.0, wait_s))
            elif unit.dead_letter is not None:
                self._letters[unit.broker or SHARED] += 1
        for broker, several in waits.items():
            self._paths.setdefault(broker, Histogram(PATH_S)).note_all(several)

    def figures(self) -> CommitFigures:
        """What was counted so far, as it stays."""
        paths = {broker: path.spread() for broker, path in self._paths.items()}
        return CommitFigures(self._units.spread(), self._seconds.spread(), paths, dict(self._letters))
