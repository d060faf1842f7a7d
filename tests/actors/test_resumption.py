"""What was left is published before what is committed meanwhile, however many pieces it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import nats.errors
import pytest
from nats.aio.client import Client

from actors.gateway import resumption
from actors.gateway.resumption import Resumption
from actors.messages import OutboxBatch, OutboxLoaded

NOBODY = cast(Client, None)


def batch(name: str) -> OutboxBatch:
    return OutboxBatch(name, ())


def left(*names: str, more: bool = False) -> OutboxLoaded:
    return OutboxLoaded(tuple(batch(name) for name in names), 1.0, 0.0, more)


def published(monkeypatch: pytest.MonkeyPatch, work: Callable[[Resumption], Awaitable[None]], failures: int = 0) -> Any:
    """The names in the order of their publication; the streams hold none of them, and fail at first."""
    troubles = [nats.errors.TimeoutError()] * failures

    async def all_of_it(_client: object, _specs: object, loaded: OutboxLoaded, _now: object) -> Any:
        if troubles:
            raise troubles.pop()
        return loaded.batches

    monkeypatch.setattr(resumption, "unpublished", all_of_it)
    names: list[str] = []

    async def run() -> None:
        await work(Resumption(lambda one: names.append(one.id), ()))

    asyncio.run(run())
    return names


def test_nothing_passes_before_it_is_known_what_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(way: Resumption) -> None:
        way.publish(batch("new"))
        way.add(left("old"))
        way.publish(batch("newer"))
        await way.work_off(NOBODY)
        way.publish(batch("newest"))

    assert published(monkeypatch, work) == ["old", "new", "newer", "newest"]


def test_new_ones_wait_until_the_last_piece_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(way: Resumption) -> None:
        way.add(left("1", "2", more=True))
        await way.work_off(NOBODY)
        way.publish(batch("new"))
        way.add(left("3"))
        await way.work_off(NOBODY)

    assert published(monkeypatch, work) == ["1", "2", "3", "new"]


def test_new_ones_wait_while_the_streams_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(way: Resumption) -> None:
        way.add(left("old"))
        with pytest.raises(nats.errors.TimeoutError):
            await way.work_off(NOBODY)
        way.publish(batch("new"))
        await way.work_off(NOBODY)

    assert published(monkeypatch, work, failures=1) == ["old", "new"]
