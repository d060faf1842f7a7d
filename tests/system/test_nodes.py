"""All nodes at one NATS server: found by its service protocol, and shown in one table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from actors.gateway.embedded import EmbeddedNats
from tests.console.conftest import Command, command
from tests.faults import lease
from tests.system import streams
from tests.system.daemon import Daemon, eventually

__all__ = ["command"]


@pytest.fixture
def two(tmp_path: Path, database_url: str, streams_url: str) -> Iterator[tuple[Daemon, Daemon]]:
    """Two daemons on the same servers: one trades, the other stands by."""
    servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
    lease.keep(database_url)
    first, second = (Daemon(tmp_path / name, RUNTIME_DIR=str(tmp_path / name), **servers) for name in ("a", "b"))
    with first:
        second.start()
        try:
            second.wait_until_broker("standby")
            eventually(lambda: second.status()["nats"]["state"] == "up")
            yield first, second
        finally:
            second.kill()


def asked(url: str, subject: str, answers: int) -> list[dict[str, Any]]:
    """The first so many answers to one request."""

    async def work(client: Client) -> list[dict[str, Any]]:
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)
        await client.publish(subject, b"", reply=inbox)
        found = [json.loads((await subscription.next_msg(streams.PATIENCE_S)).data) for _ in range(answers)]
        await client.flush(streams.PATIENCE_S)
        await client.flush(streams.PATIENCE_S)
        assert subscription.pending_msgs == 0
        return found

    return streams.with_client(url, work)


def test_every_node_answers_to_the_service_protocol(two: tuple[Daemon, Daemon], streams_url: str) -> None:
    nodes = {f"{one.status()['node']}-{one.status()['pid']}" for one in two}

    for verb, kind in (("PING", "ping"), ("INFO", "info"), ("STATS", "stats")):
        for subject in (f"$SRV.{verb}", f"$SRV.{verb}.alpha-panda"):
            found = asked(streams_url, subject, 2)
            assert {one["id"] for one in found} == nodes
            assert {one["type"] for one in found} == {f"io.nats.micro.v1.{kind}_response"}
            assert {one["name"] for one in found} == {"alpha-panda"}
        for identity in nodes:
            (one,) = asked(streams_url, f"$SRV.{verb}.alpha-panda.{identity}", 1)
            assert one["id"] == identity


def test_the_endpoints_are_told_and_counted(daemon: Daemon, streams_url: str) -> None:
    streams.request(streams_url, "panda.status", {})
    streams.request(streams_url, "panda.sessions.get", {"user_id": ""})

    (info,), (stats,) = asked(streams_url, "$SRV.INFO", 1), asked(streams_url, "$SRV.STATS", 1)

    assert {one["subject"] for one in info["endpoints"]} == {
        "panda.status",
        "panda.sessions.get",
        "panda.sessions.save",
        "panda.sessions.use",
    }
    counted = {one["name"]: one for one in stats["endpoints"]}
    assert counted["status"]["num_requests"] == 1
    assert counted["status"]["processing_time"] > 0
    assert counted["sessions-get"]["num_errors"] == 1
    assert counted["sessions-get"]["last_error"] == "user_id: missing"
    assert counted["sessions-save"]["num_requests"] == 0
    assert stats["started"].endswith("Z")


def test_all_nodes_are_shown_and_the_worst_ones_exit_code_counts(
    two: tuple[Daemon, Daemon], streams_url: str, command: Command
) -> None:
    shown, listed = command("status", "--nats", streams_url), command("status", "--nats", streams_url, "--json")

    assert shown.code == listed.code == 1
    documents = json.loads(listed.out)
    assert {one["pid"] for one in documents} == {one.running.pid for one in two}
    assert {one["state"] for one in documents} == {"ready", "degraded"}
    assert all(f" {one.running.pid} " in shown.out for one in two)
    assert "broker paper is standby" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


def test_a_ready_node_alone_is_ready(daemon: Daemon, streams_url: str, command: Command) -> None:
    assert command("status", "--nats", streams_url).code == 0


def test_with_nobody_there_it_is_critical(streams_url: str, command: Command) -> None:
    shown, listed = command("status", "--nats", streams_url), command("status", "--nats", streams_url, "--json")

    assert shown.code == listed.code == 2
    assert "no daemon answers there" in shown.out
    assert json.loads(listed.out) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:4222", "", "nats://"])
def test_what_is_no_url_of_nats_is_wrong_usage(command: Command, url: str) -> None:
    result = command("status", "--nats", url)

    assert result.code == 64
    assert "--nats" in result.err


def test_an_embedded_server_refuses_strangers_and_the_way_to_its_daemon_is_told(
    tmp_path: Path, command: Command
) -> None:
    with EmbeddedNats(tmp_path / "nats") as server:
        address = server.url.rpartition("@")[2]
        result = command("status", "--nats", f"nats://stranger:hunter2@{address}")

    told = " ".join(result.out.split())
    assert result.code == 3
    assert "the NATS server refused the credentials" in told
    assert "by `alpha-panda status` on its machine" in told
    assert "hunter2" not in result.out + result.err


def test_without_nats_it_is_unknown_and_no_password_is_told(command: Command) -> None:
    result = command("status", "--nats", "nats://user:hunter2@127.0.0.1:1")

    assert result.code == 3
    assert "NATS is away" in result.out
    assert "hunter2" not in result.out + result.err
