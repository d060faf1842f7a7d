"""The answers to deliveries, on their way to the server: acknowledged, ended or released, each until it has arrived."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import OrderedDict

import nats.errors

from actors.gateway.wire import Frame, Wire, pub, pubs

CONFIRM_TIMEOUT_S = 5.0


class Settlement:
    """Used by the gateway's loop alone. It outlives connections: `attach` gives it the present one.

    Answers are written in batches, and the server confirms the last one of each, which came by the same way as all
    before it. What is not confirmed is written again, at once after a reconnect: answering twice changes nothing, while
    a lost answer holds its message until its consumer's `ack_wait` is over.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._prefix = ""
        self._numbers = itertools.count()
        self._unconfirmed: OrderedDict[int, tuple[bytes, float]] = OrderedDict()
        """By number of the batch: its frames, and when they were written; the oldest first."""
        self._look: asyncio.TimerHandle | None = None

    @property
    def unconfirmed(self) -> int:
        """Batches of which it is not known whether they arrived."""
        return len(self._unconfirmed)

    async def attach(self, wire: Wire) -> None:
        """Write to this connection from now on. What is unconfirmed is forgotten, as the consumers are looked after.

        Raises:
            nats.errors.Error: not connected.
        """
        self.detach()
        self._prefix = f"{wire.client.new_inbox()}."
        await wire.listen(f"{self._prefix}*", self._confirmed)
        self._wire = wire

    def detach(self) -> None:
        """Write nothing more."""
        self._wire = None
        self._unconfirmed.clear()
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def send(self, replies: list[str], verb: bytes) -> None:
        """Write the verb to all the replies, at least one; while there is no connection it waits for a reconnect."""
        if self._wire is None:
            return
        number = next(self._numbers)
        confirmed = pub(replies[-1], verb, f"{self._prefix}{number}")
        self._write(number, pubs(replies[:-1], verb) + confirmed)
        if self._look is None:
            self._look = self._loop.call_later(CONFIRM_TIMEOUT_S, self._look_after)

    def resend(self) -> None:
        """Write all again that is not confirmed, as after a reconnect."""
        for number, (frames, _) in tuple(self._unconfirmed.items()):
            self._write(number, frames)

    def _write(self, number: int, frames: bytes) -> None:
        self._unconfirmed[number] = (frames, self._loop.time())
        self._unconfirmed.move_to_end(number)
        if self._wire is not None:
            with contextlib.suppress(nats.errors.Error):
                self._wire.send(frames)

    def _look_after(self) -> None:
        """A confirmation may be lost while the connection is not, as when a consumer's leader changes."""
        self._look = None
        overdue = self._loop.time() - CONFIRM_TIMEOUT_S
        for number, (frames, written) in tuple(self._unconfirmed.items()):
            if written > overdue:
                break
            self._write(number, frames)
        if self._unconfirmed:
            _, oldest = next(iter(self._unconfirmed.values()))
            self._look = self._loop.call_at(oldest + CONFIRM_TIMEOUT_S, self._look_after)

    def _confirmed(self, frame: Frame) -> None:
        """Also by a server that knows no such consumer any more: whoever made it anew has its messages again."""
        self._unconfirmed.pop(int(frame.subject.rpartition(b".")[2]), None)
