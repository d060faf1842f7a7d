"""Bad messages until they are dead letters: they wait here, so that no good message waits behind them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import structlog

from actors.dead_letter import dead_letter_unit, ids_in
from actors.gateway.codec import message_id_of
from actors.messages import CommitUnit, Delivery
from actors.runtime.directory import Directory

IN_HAND = 50_000
IN_HAND_BYTES = 32 << 20
"""Letters and their bytes that are held without credit; what comes beyond either holds its puller's."""
OUTSTANDING = 250
OUTSTANDING_BYTES = 4 << 20
"""Of these, told to the writer and not yet committed: few enough to cost the units beside them little."""
PIECE = 50
"""Units that are made at once, so that the loop gets to other things in between."""
LOG_EVERY_S = 1.0

Key = tuple[str, int, datetime]


class Letter(NamedTuple):
    """A delivery that is given up, and why."""

    delivery: Delivery
    reason: str
    error_class: str
    broker: str | None


class GivenUp:
    """Hands letters to the writer in portions, in their order. Used by the gateway's loop alone.

    What is in hand is not acknowledged: whatever becomes of this process, its stream delivers it again.

    Args:
        directory: the way to the writer.
        free: gives back the credit that a delivery holds.
        paused: whether the writer shall get none for now.
    """

    def __init__(self, directory: Directory, free: Callable[[Delivery], None], paused: Callable[[], bool]) -> None:
        self._directory = directory
        self._free = free
        self._paused = paused
        self._loop = asyncio.get_running_loop()
        self._held: OrderedDict[Key, Letter] = OrderedDict()
        self._waiting: OrderedDict[Key, Letter] = OrderedDict()
        self._outstanding: dict[Key, int] = {}
        self._bytes = 0
        """Of those that wait and those that are outstanding."""
        self._outstanding_bytes = 0
        self._writer = 0
        self._going_on = False
        self._quiet = False
        self._unlogged = 0
        self._log = structlog.get_logger("gateway")

    @property
    def in_hand(self) -> int:
        """How many hold no credit and are not yet dead letters."""
        return len(self._waiting) + len(self._outstanding)

    def add(self, delivery: Delivery, reason: str, error_class: str, broker: str | None) -> None:
        """Make a dead letter of it; one that is delivered again takes its own place. A tick does not come again, so
        it is dropped once half of the room is taken.
        """
        self._say(delivery, reason)
        key, letter = _key(delivery), Letter(delivery, reason, error_class, broker)
        if key in self._held:
            self._free(delivery)
            self._held[key] = letter
        elif key in self._waiting:
            self._free(delivery)
            self._waiting[key] = _without_credit(letter)
        elif delivery.consumer == "ticks" and not self._has_room(2):
            self._directory["database"].bury(delivery, "bad tick")
        else:
            self._held[key] = letter
            self._let_in()
        self._go_on_soon()

    def settled(self, deliveries: Sequence[Delivery]) -> None:
        """The writer is done with these, or has given them back to their stream."""
        for delivery in deliveries:
            self._forget(_key(delivery))
        self.go_on()

    def go_on(self) -> None:
        """Tell the writer more, if it has room; to be called now and then, as nothing comes back from one that died."""
        database = self._directory["database"]
        if self._writer != database.mailbox.generation:
            self._writer = database.mailbox.generation
            for key in tuple(self._outstanding):
                self._forget(key)
        self._let_in()
        if self._waiting and not self._paused() and not database.crowded:
            database.tell_all(self._take())
            if self._waiting and self._may_tell():
                self._go_on_soon()

    def _take(self) -> list[CommitUnit]:
        units: list[CommitUnit] = []
        while self._waiting and len(units) < PIECE and self._may_tell():
            key, letter = self._waiting.popitem(last=False)
            size = len(letter.delivery.data)
            self._bytes -= size
            self._forget(key)
            self._bytes += size
            self._outstanding[key] = size
            self._outstanding_bytes += size
            units.append(_unit(letter))
        return units

    def _may_tell(self) -> bool:
        return len(self._outstanding) < OUTSTANDING and self._outstanding_bytes < OUTSTANDING_BYTES

    def _forget(self, key: Key) -> None:
        size = self._outstanding.pop(key, 0)
        self._bytes -= size
        self._outstanding_bytes -= size

    def _has_room(self, share: int = 1) -> bool:
        return self.in_hand < IN_HAND // share and self._bytes < IN_HAND_BYTES // share

    def _let_in(self) -> None:
        while self._held and self._has_room():
            key, letter = self._held.popitem(last=False)
            self._free(letter.delivery)
            self._waiting[key] = _without_credit(letter)
            self._bytes += len(letter.delivery.data)

    def _go_on_soon(self) -> None:
        if not self._going_on:
            self._going_on = True
            self._loop.call_soon(self._gone_on)

    def _gone_on(self) -> None:
        self._going_on = False
        self.go_on()

    def _say(self, delivery: Delivery, reason: str) -> None:
        """A line for the first of a second; how many more there were is said at its end."""
        if self._quiet:
            self._unlogged += 1
            return
        self._quiet = True
        self._loop.call_later(LOG_EVERY_S, self._say_more)
        ids = ids_in(delivery.data)
        place = {"subject": delivery.subject, "seq": delivery.stream_seq, "message_id": ids.get("id")}
        self._log.warning("bad message", **place, correlation_id=ids.get("correlation_id"), reason=reason)

    def _say_more(self) -> None:
        more, self._unlogged, self._quiet = self._unlogged, 0, False
        if more:
            self._log.warning("more bad messages", more=more)


def _key(delivery: Delivery) -> Key:
    """A stream that was made anew counts from one again."""
    return delivery.consumer, delivery.stream_seq, delivery.stored_at


def _without_credit(letter: Letter) -> Letter:
    return letter._replace(delivery=replace(letter.delivery, on_credit=False))


def _unit(letter: Letter) -> CommitUnit:
    """A bad message must not use up the id that a corrected one may carry; a crash settles the signal itself."""
    delivery, reason, error_class, broker = letter
    message_id = None if error_class == "BadMessage" else message_id_of(delivery.data)
    return dead_letter_unit(delivery, reason, error_class, message_id=message_id, broker=broker)
