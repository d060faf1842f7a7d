"""A look at a NATS server from outside the daemon: what it is, and whether our streams are there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from nats.aio.client import Client
from nats.js.errors import Error as JetStreamError

from actors.gateway.connection import figures
from actors.gateway.embedded import OLDEST_VERSION
from actors.gateway.injection import connected
from actors.gateway.subjects import streams
from settings import NatsSettings

TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found.

    Args:
        version: of the server.
        new_enough: for what we ask of it.
        jetstream: whether it is on for this account; if not, of the streams nothing is known.
        present: how many of our streams there are.
        missing: the streams that there are not.
    """

    version: str
    new_enough: bool
    jetstream: bool
    present: int
    missing: tuple[str, ...]


def examine(settings: NatsSettings, servers: list[str], brokers: Sequence[str]) -> Examination:
    """Look at the server that answers first; nothing is changed. Blocks this thread.

    Raises:
        InjectionError: NATS cannot be reached.
    """
    return asyncio.run(connected(settings, servers, lambda client: _examine(client, brokers)))


async def _examine(client: Client, brokers: Sequence[str]) -> Examination:
    known = client.connected_server_version
    version, found = f"{known.major}.{known.minor}.{known.patch}", (known.major, known.minor)
    js = client.jetstream(timeout=TIMEOUT_S)
    try:
        await js.account_info()
        present, missing = await figures(js, streams(brokers), ())
    except (JetStreamError, TimeoutError):
        return Examination(version, found >= OLDEST_VERSION, False, 0, ())
    return Examination(version, found >= OLDEST_VERSION, True, len(present), missing)
