"""A continuous load for as long as a storm lasts: signals, logins, ticks, copies, and now and then nonsense."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from typing import Any

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from tests.faults.trader import SAVES, SIGNALS, TICKS, Trader

SHARES = {"signal": 70, "save": 10, "tick": 12, "ask": 3, "copy": 4, "nonsense": 1}
"""What is sent, in per cent."""
ANSWER_S = 2.0
ERRORS = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)


class Load:
    """Sends by a thread of its own, each message after the acknowledgement of the one before.

    A message that is not acknowledged in time is not sent again: it may be in its stream or not, and nothing is
    promised of it but that it counts once if it is.

    Args:
        url: of the server itself, not by way of a proxy.
        trader: makes the messages and remembers them.
        rate: messages a second, when nothing is wrong.
        seed: decides what is sent when.
    """

    def __init__(self, url: str, trader: Trader, rate: float, seed: int) -> None:
        self._url = url
        self._trader = trader
        self._every_s = 1 / rate
        self._random = random.Random(seed)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)
        self._flowing, self._idle, self._ended = threading.Event(), threading.Event(), threading.Event()
        self.sent = 0
        self.unacknowledged = 0

    def start(self) -> None:
        self._flowing.set()
        self._thread.start()

    def pause(self) -> None:
        """Send nothing more; returns when nothing is on its way."""
        self._flowing.clear()
        assert self._idle.wait(90)

    def go_on(self) -> None:
        self._idle.clear()
        self._flowing.set()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(30)

    async def _run(self) -> None:
        self._pause = asyncio.Event()
        while not self._ended.is_set():
            try:
                client = await nats.connect(self._url, allow_reconnect=False, connect_timeout=2, error_cb=_ignore)
            except ERRORS:
                await self._wait(0.2)
                continue
            try:
                await self._send_until_lost(client)
            finally:
                await client.close()

    async def _send_until_lost(self, client: Client) -> None:
        kinds, weights = list(SHARES), list(SHARES.values())
        while not self._ended.is_set() and client.is_connected:
            if not self._flowing.is_set():
                self._idle.set()
                await self._wait(0.05)
                continue
            try:
                await self._send(client, self._random.choices(kinds, weights)[0])
            except ERRORS:
                self.unacknowledged += 1
                await self._wait(0.1)
            await self._wait(self._every_s)

    async def _send(self, client: Client, kind: str) -> None:
        trader = self._trader
        self.sent += 1
        if kind == "ask":
            await self._ask(client)
        elif kind == "nonsense":
            await client.jetstream().publish(SIGNALS, trader.nonsense(), timeout=ANSWER_S)
        elif kind == "copy" and trader.remembered:
            subject, message_id, message = trader.again()
            await self._publish(client, subject, message, message_id)
        elif kind == "tick":
            message = trader.tick()
            await self._publish(client, TICKS, message, message["id"])
        else:
            subject, message = (SAVES, trader.save()) if kind == "save" else (SIGNALS, trader.signal())
            await self._publish(client, subject, message, message["id"])
            trader.note(subject, message)

    async def _publish(self, client: Client, subject: str, message: dict[str, Any], message_id: str | None) -> None:
        headers = None if message_id is None else {"Nats-Msg-Id": message_id}
        await client.jetstream().publish(subject, json.dumps(message).encode(), headers=headers, timeout=ANSWER_S)

    async def _ask(self, client: Client) -> None:
        asked, token = self._trader.question()
        request = json.dumps({"user_id": asked, "access_token": token}).encode()
        reply = await client.request("panda.sessions.save", request, timeout=ANSWER_S)
        self._trader.answered(asked, token, json.loads(reply.data))

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._pause.wait(), seconds)
        except TimeoutError:
            return


async def _ignore(_: Exception) -> None:
    """The error is met where the connection is used."""
