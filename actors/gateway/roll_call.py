"""Asking every node at once how it is, from outside the daemon."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from actors.gateway.discovery import SERVICE
from actors.gateway.injection import connected
from actors.gateway.subjects import REQUEST_STATUS
from settings import NatsSettings

DEADLINE_S = 2.0
QUIET_S = 0.3
"""After the last answer: nobody else is waited for."""


def roll_call(settings: NatsSettings, servers: list[str]) -> list[dict[str, Any]]:
    """The status document of every node that answers, by node; of one that answers with anything else, who it is.

    Blocks this thread for `QUIET_S` after the last answer, and for `DEADLINE_S` at the most.

    Raises:
        InjectionError: NATS cannot be reached.
    """
    return asyncio.run(connected(settings, servers, _ask))


async def _ask(client: Client) -> list[dict[str, Any]]:
    statuses: dict[str, dict[str, Any]] = {}
    present: dict[str, dict[str, Any]] = {}
    heard = asyncio.Event()
    nobody = 0

    async def receive(message: Msg) -> None:
        nonlocal nobody
        heard.set()
        answer = _document(message.data)
        if (message.headers or {}).get("Status") == "503":
            nobody += 1
        elif answer.get("type") == "io.nats.micro.v1.ping_response":
            present[str(answer.get("id"))] = answer
        elif "state" in answer:
            statuses[f"{answer.get('node')}-{answer.get('pid')}"] = answer

    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=receive)
    await client.publish(REQUEST_STATUS, b"", reply=inbox)
    await client.publish(f"$SRV.PING.{SERVICE}", b"", reply=inbox)
    await client.flush()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while nobody < 2 and (left_s := deadline - loop.time()) > 0:
        missing = not statuses or not present.keys() <= statuses.keys()
        heard.clear()
        try:
            await asyncio.wait_for(heard.wait(), left_s if missing else min(left_s, QUIET_S))
        except TimeoutError:
            break
    await subscription.unsubscribe()
    silent = {identity: _silent(ping) for identity, ping in present.items() if identity not in statuses}
    return [document for _, document in sorted((statuses | silent).items())]


def _document(data: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _silent(ping: dict[str, Any]) -> dict[str, Any]:
    """Who is there, but does not say how it is."""
    node, _, pid = str(ping.get("id")).rpartition("-")
    return {
        "node": node,
        "pid": int(pid) if pid.isdecimal() else None,
        "host": (ping.get("metadata") or {}).get("host"),
        "version": ping.get("version"),
        "state": "unreachable",
        "why_not_ready": ["it answers a ping, but not how it is; see its log"],
    }
