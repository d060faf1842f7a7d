"""What lets a puller pull a broker's consumer: the broker's lease, as the writer last confirmed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from actors.tenure import Tenure


class Guard:
    """One broker under one reign; for the gateway's loop.

    Args:
        broker: whose signals are pulled.
        reign: that the consumer was made for.
        tenures: the leases as the writer shows them now.
        monotonic: seconds, on the clock of their `until`.
        doubted: told why, when the consumer shows that somebody else uses it or made it anew.
    """

    def __init__(
        self,
        broker: str,
        reign: int,
        tenures: Callable[[], Mapping[str, Tenure]],
        monotonic: Callable[[], float],
        doubted: Callable[[str, str], None],
    ) -> None:
        self.broker = broker
        self.reign = reign
        self._tenures = tenures
        self._monotonic = monotonic
        self._doubted = doubted

    @property
    def reigns(self) -> bool:
        """Whether, as far as is known, nobody else has acted for the broker since the reign began."""
        tenure = self._tenures().get(self.broker)
        return tenure is not None and tenure.reign == self.reign

    @property
    def confirmed(self) -> bool:
        """Whether the lease is ours for certain: nobody can have taken over, and messages may be asked for."""
        tenure = self._tenures().get(self.broker)
        return tenure is not None and tenure.reign == self.reign and self._monotonic() < tenure.until

    def doubt(self, reason: str) -> None:
        """Have the lease verified before the consumer is touched again."""
        self._doubted(self.broker, reason)
