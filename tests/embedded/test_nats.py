"""The private NATS server: private, JetStream on, and back after every kind of end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from nats.aio.client import Client

from actors.gateway.embedded import EmbeddedNats
from persistence.server_process import EmbeddedServerError
from tests.embedded.processes import Watched, exposed
from tests.system.daemon import eventually
from tests.system.streams import PATIENCE_S, connected, jetstream

T = TypeVar("T")


def using(url: str, work: Callable[[Client], Awaitable[T]]) -> T:
    async def connect_and_work() -> T:
        client = await connected(url)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(connect_and_work())


async def publish(client: Client) -> None:
    stream = jetstream(client)
    await stream.add_stream(name="KEPT", subjects=["kept.>"])
    await stream.publish("kept.one", b"42", timeout=PATIENCE_S)


async def stored(client: Client) -> int:
    return (await jetstream(client).stream_info("KEPT")).state.messages


async def largest_payload(client: Client) -> int:
    return client.max_payload


def kill(server: EmbeddedNats) -> None:
    watched = Watched([server.pid or 0])
    os.kill(server.pid or 0, signal.SIGKILL)
    assert watched.all_ended()


def failure_of(server: EmbeddedNats) -> str:
    with pytest.raises(EmbeddedServerError) as caught:
        server.start()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_keeps_its_messages_and_its_port_when_started_again(tmp_path: Path) -> None:
    with EmbeddedNats(tmp_path / "n") as server:
        url = server.url
        using(url, publish)
    with EmbeddedNats(tmp_path / "n") as server:
        assert server.url == url
        assert using(url, stored) == 1


def test_it_says_that_it_was_killed_and_restarts_on_the_same_address(tmp_path: Path) -> None:
    with EmbeddedNats(tmp_path / "n") as server:
        url = server.url
        using(url, publish)
        kill(server)
        assert server.poll() == -signal.SIGKILL
        server.restart()
        assert server.url == url
        assert using(url, stored) == 1


def test_it_takes_over_from_a_server_that_still_runs(tmp_path: Path) -> None:
    with EmbeddedNats(tmp_path / "n") as forgotten:
        using(forgotten.url, publish)
        with EmbeddedNats(tmp_path / "n") as server:
            assert forgotten.poll() is not None
            assert using(server.url, stored) == 1


def test_a_taken_port_is_replaced_by_another(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    with closing(socket.create_server(("127.0.0.1", 0))) as stranger:
        taken = stranger.getsockname()[1]
        (tmp_path / "n" / "port").write_text(f"{taken}\n")
        with EmbeddedNats(tmp_path / "n") as server:
            assert not server.url.endswith(f":{taken}")
            assert (tmp_path / "n" / "port").read_text().strip() == server.url.rpartition(":")[2]


def test_a_port_taken_while_it_was_dead_is_one_line(tmp_path: Path) -> None:
    with EmbeddedNats(tmp_path / "n") as server:
        kill(server)
        port = int(server.url.rpartition(":")[2])
        with closing(socket.create_server(("127.0.0.1", port))):
            message = failure_of(server)
    assert "address already in use" in message
    assert str(server.log_path) in message


def test_it_takes_messages_of_8_mib(tmp_path: Path) -> None:
    with EmbeddedNats(tmp_path / "n") as server:
        assert using(server.url, largest_payload) == 8 * 1024 * 1024


def test_it_listens_on_one_loopback_port_only(tmp_path: Path) -> None:
    with EmbeddedNats(tmp_path / "n") as server:
        listening = [
            (one.laddr.ip, one.laddr.port)
            for one in psutil.Process(server.pid).net_connections(kind="inet")
            if one.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", int(server.url.rpartition(":")[2]))]


@pytest.mark.parametrize("login", ["{}", '{"user": "alpha_panda", "pass": "wrong"}'])
def test_nobody_gets_in_without_the_password(tmp_path: Path, login: str) -> None:
    with EmbeddedNats(tmp_path / "n") as server:
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        with socket.create_connection(address, timeout=PATIENCE_S) as connection:
            connection.sendall(f"CONNECT {login}\r\nPING\r\n".encode())
            assert b"Authorization Violation" in connection.makefile("rb").read()


def test_secrets_are_in_no_process_list_environment_or_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH__TOKEN_KEYS", "sentinel-key")
    with EmbeddedNats(tmp_path / "n") as server:
        using(server.url, publish)
        shown = exposed([server.pid or 0]) + server.log_path.read_bytes()
    password = (tmp_path / "n" / "password").read_text().strip()
    assert password.encode() not in shown
    assert b"sentinel" not in shown


def test_its_files_are_private(tmp_path: Path) -> None:
    with EmbeddedNats(tmp_path / "n"):
        assert (tmp_path / "n").stat().st_mode & 0o777 == 0o700
        for name in ("nats.conf", "password", "nats.log"):
            assert (tmp_path / "n" / name).stat().st_mode & 0o777 == 0o600


def test_one_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path / "n")
    server.start()
    os.kill(server.pid or 0, signal.SIGSTOP)
    eventually(lambda: psutil.Process(server.pid).status() == psutil.STATUS_STOPPED)
    server.stop(timeout_s=0.1)
    assert server.poll() == -signal.SIGKILL


def test_without_a_server_installed_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.gateway.embedded.candidates", lambda: iter(()))
    assert "alpha-panda[embedded]" in failure_of(EmbeddedNats(tmp_path / "n"))


def test_an_old_server_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "nats-server"
    old.write_text("#!/bin/sh\necho 'nats-server: v2.9.25'\n")
    old.chmod(0o755)
    monkeypatch.setattr("actors.gateway.embedded.candidates", lambda: iter([old]))
    assert f"only found: 2.9.25 ({old})" in failure_of(EmbeddedNats(tmp_path / "n"))
