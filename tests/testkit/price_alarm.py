"""An actor of one's own, as small as one that has neighbours, a timer and a snapshot can be."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from actors.errors import DomainError
from actors.messages import Ticks
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context

REMIND_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class GetAlarms:
    """Asked of the store; replies with a tuple of `SetAlarm`."""


@dataclass(frozen=True, slots=True)
class SetAlarm:
    """Watch the instrument; replies with the number of alarms that are set."""

    instrument_token: int
    above: Decimal


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Somebody saw the alarm."""

    instrument_token: int


@dataclass(frozen=True, slots=True)
class Remind:
    """Time to raise the alarm again."""

    alarm: AlarmRaised


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    """Told to the notifier."""

    instrument_token: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Watch:
    """The snapshot: how many alarms are set, and how many were raised and not acknowledged."""

    alarms: int
    raised: int

    def as_status(self, _: float, /) -> dict[str, Any]:
        return {"alarms": self.alarms, "raised": self.raised}


class PriceAlarm(ServiceActor):
    """Tells the notifier of a price above its limit, and again every minute until it is acknowledged."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._limits: dict[int, Decimal] = {}
        self._raised: set[int] = set()
        self.handles({SetAlarm: self._set, Ticks: self._ticks, Remind: self._remind, Acknowledge: self._acknowledge})

    def on_start(self) -> None:
        for alarm in self.context.directory["store"].ask(GetAlarms(), timeout_s=2.0):
            self._limits[alarm.instrument_token] = alarm.above
        self._publish()

    def _set(self, alarm: SetAlarm) -> int:
        if alarm.above <= 0:
            raise DomainError(f"a price is never as low as {alarm.above}")
        self._limits[alarm.instrument_token] = alarm.above
        self._publish()
        return len(self._limits)

    def _ticks(self, message: Ticks) -> None:
        for tick in message.ticks:
            token = tick.instrument_token
            if token not in self._raised and tick.last_price > self._limits.get(token, Decimal("Infinity")):
                self._raised.add(token)
                self._tell(AlarmRaised(token, tick.last_price))
        self._publish()

    def _remind(self, message: Remind) -> None:
        if message.alarm.instrument_token in self._raised:
            self._tell(message.alarm)

    def _acknowledge(self, message: Acknowledge) -> None:
        self._raised.discard(message.instrument_token)
        self._publish()

    def _tell(self, alarm: AlarmRaised) -> None:
        self.context.directory["notifier"].tell(alarm)
        self.context.after(REMIND_AFTER_S, Remind(alarm))

    def _publish(self) -> None:
        self.context.publish(Watch(len(self._limits), len(self._raised)))
