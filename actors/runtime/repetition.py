"""Lines that repeat themselves: the first ones pass, then one now and then, which says how many were left out."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from structlog import DropEvent

BURST = 20
"""Lines of one event and actor that pass at once."""
EVERY_S = 1.0
"""After these, one passes in so many seconds."""
KEPT = 1000
"""Events that are remembered; of more, those that were seen last."""
EACH = "each"
"""A line with this key, which is not shown, always passes."""


Key = tuple[object, object, object]
"""What counts as the same: event, actor, and the child that it is about."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float
    suppressed: int = 0


class Repetitions:
    """A structlog processor with a token bucket for each event of an actor about a child; from any thread.

    The first line of an event is never left out. Memory is bounded; what is forgotten takes its count with it.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Key, _Bucket] = OrderedDict()

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The event, with `suppressed` where lines before it were left out.

        Raises:
            DropEvent: the line is left out.
        """
        if event.pop(EACH, False):
            return event
        with self._lock:
            suppressed = self._admit((event.get("event"), event.get("actor"), event.get("child")))
        if suppressed is None:
            raise DropEvent
        if suppressed:
            event["suppressed"] = suppressed
        return event

    def _admit(self, key: Key) -> int | None:
        now = self._now()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(BURST, now)
            if len(self._buckets) > KEPT:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.filled_at) / EVERY_S)
        bucket.filled_at = now
        if bucket.tokens < 1:
            bucket.suppressed += 1
            return None
        bucket.tokens -= 1
        suppressed, bucket.suppressed = bucket.suppressed, 0
        return suppressed

    def left_out(self) -> dict[Key, int]:
        """How many lines of each kind were left out and not told of, where it is quiet again; they count
        as told then.
        """
        quiet_since = self._now() - 2 * EVERY_S
        with self._lock:
            quiet = {key: one for key, one in self._buckets.items() if one.suppressed and one.filled_at < quiet_since}
            told = {key: bucket.suppressed for key, bucket in quiet.items()}
            for bucket in quiet.values():
                bucket.suppressed = 0
            return told
