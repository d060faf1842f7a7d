"""How long and how safely this process acts for a broker, as its writer last learned it from the database."""

from __future__ import annotations

from dataclasses import dataclass

NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Tenure:
    """One broker's lease, held here now or before.

    `reign` is the epoch at which an uninterrupted possession began: as every taking raises the epoch by one, an epoch
    that follows our last one at once says that nobody acted in between. `until` is the monotonic time, seconds, up to
    which the lease is certainly ours; `NEVER` once it is known to be lost.
    """

    reign: int
    epoch: int
    until: float
