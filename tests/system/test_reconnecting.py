"""A connection to NATS that is lost again while it is set up anew, at whatever moment."""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvloop

from actors.gateway.transport import Transport
from tests.system import streams
from tests.system.daemon import Daemon, eventually
from tests.system.proxy import RESET, Proxy, nats_proxy

ROUNDS = 5
LOST_EACH_ROUND = 2
SETTING_UP_S = 0.004

HANGS_ONCE = """
import asyncio, sys
from nats.aio.client import Client
import settings, supervisor

theirs = Client._attempt_reconnect

async def hang(client):
    Client._attempt_reconnect = theirs
    await client._disconnected_cb()
    await asyncio.Event().wait()

Client._attempt_reconnect = hang
sys.exit(supervisor.run(settings.load()))
"""


@pytest.fixture
def proxy(streams_url: str) -> Iterator[Proxy]:
    with closing(nats_proxy(streams_url)) as one:
        yield one


def test_a_write_to_a_connection_that_was_reset_is_told_as_nats_py_expects_it() -> None:
    async def write_too_late(url: str) -> None:
        transport = Transport()  # type: ignore[no-untyped-call]
        await transport.connect(urlsplit(url), 1024, 10)  # type: ignore[arg-type]
        with suppress(ConnectionResetError):
            assert await transport.read(1) == b""  # type: ignore[no-untyped-call]
        while True:
            transport.write(b"PING\r\n")
            await asyncio.wait_for(transport.drain(), 10)  # type: ignore[no-untyped-call]

    async def run(listener: socket.socket) -> None:
        writing = asyncio.create_task(write_too_late(f"nats://127.0.0.1:{listener.getsockname()[1]}"))
        taken, _ = await asyncio.to_thread(listener.accept)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        taken.close()
        await writing

    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(OSError, match=r"closed|reset|Broken"):
        uvloop.run(run(listener))


def test_one_that_is_reset_while_it_is_set_up_is_set_up_again(
    tmp_path: Path, database_url: str, streams_url: str, proxy: Proxy
) -> None:
    chance, left = random.Random(7), 0

    def life_s() -> float | None:
        nonlocal left
        left -= 1
        return chance.uniform(0, SETTING_UP_S) if left >= 0 else None

    proxy.life_s = life_s
    with Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=database_url, NATS__URL=proxy.url) as daemon:
        for number in range(1, ROUNDS + 1):
            left = LOST_EACH_ROUND
            proxy.cut(reset=True)
            streams.publish(streams_url, "paper.signals.validated", [streams.signal() for _ in range(20)])
            eventually(lambda number=number: streams.count(streams_url, "PAPER_ORDERS") == 60 * number)
        assert daemon.child("gateway")["restarts"] == 0


def test_an_attempt_to_reconnect_that_hangs_is_given_up_for_a_new_connection(
    tmp_path: Path, database_url: str, proxy: Proxy
) -> None:
    command = (sys.executable, "-c", HANGS_ONCE)
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": proxy.url}
    with Daemon(tmp_path / "state", command=command, **servers) as daemon:
        proxy.cut()
        eventually(lambda: daemon.status()["nats"]["state"] == "away")

        daemon.wait_until("ready")

        assert daemon.log().count("reconnecting has come to a stop; connecting anew") == 1
        assert daemon.child("gateway")["restarts"] == 0
