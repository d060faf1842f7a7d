"""From the end of a handler that crashes to the next message handled by the successor, in place.

Each child crashes once, so that its restart is a first one, with the default backoff; pykka has nothing of the kind.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from functools import partial

from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from benchmarks.measurement import Measurement, Options, Side, Target
from benchmarks.rounds import interleave, quantiles, wait
from benchmarks.trees import child, running

UNDER_5_MS = Target(Side.UNDER, 5.0)


@dataclass(frozen=True, slots=True)
class Fall:
    """Crash, noting when."""


@dataclass(frozen=True, slots=True)
class Rise:
    """Note when it was handled."""


@dataclass(slots=True)
class Log:
    """When one child fell, and when its successor handled the next message."""

    fell: float = 0.0
    rose: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)


class Faller(ServiceActor):
    """Crashes on `Fall`."""

    def __init__(self, context: Context, log: Log) -> None:
        super().__init__(context)
        self._entry = log
        self.handles({Fall: self._fall, Rise: self._rise})

    def _fall(self, _message: Fall) -> None:
        self._entry.fell = time.perf_counter()
        raise ArithmeticError("measured")

    def _rise(self, _message: Rise) -> None:
        self._entry.rose = time.perf_counter()
        self._entry.done.set()


def restart(options: Options) -> list[Measurement]:
    """The middle and the slow end of the restarts."""
    count = max(1, options.size(200, 4) // options.rounds)
    (rounds,) = interleave(options, lambda: _restarts_ms(count))
    return [
        Measurement("restart to next message handled, p50", "ms", quantiles(rounds, 0.5), target=UNDER_5_MS),
        Measurement("restart to next message handled, p99", "ms", quantiles(rounds, 0.99)),
    ]


def _restarts_ms(count: int) -> list[float]:
    logs = {f"faller.{number}": Log() for number in range(count)}
    with running(*(child(name, partial(Faller, log=log)) for name, log in logs.items())) as tree:
        for name, log in logs.items():
            tree[name].tell(Fall())
            tree[name].tell(Rise())
            wait(log.done, f"the restart of {name}")
    return [(log.rose - log.fell) * 1000 for log in logs.values()]
