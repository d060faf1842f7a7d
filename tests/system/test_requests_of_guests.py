"""A client that its server lets do nothing but ask for sessions, and a server that takes only small messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from actors.gateway.embedded import USER, EmbeddedNats
from benchmarks.path.wire import Wire, pub
from tests.system import streams
from tests.system.daemon import Daemon, eventually

GET, GUEST, PASSWORD = "panda.sessions.get", "guest", "guests-own"
SMALL = 2048


class SmallNats(EmbeddedNats):
    """A server that takes messages of `SMALL` bytes, and has a guest who may ask for sessions and hear the answers."""

    @property
    def guests_url(self) -> str:
        return f"nats://{GUEST}:{PASSWORD}@{self.url.rpartition('@')[2]}"

    def _prepare(self) -> Sequence[str]:
        command = super()._prepare()
        allowed = f'{{ publish: ["{GET}"], subscribe: ["_INBOX.>"] }}'
        users = (
            f'{{ user: "{USER}", password: "{self._password}" }}',
            f'{{ user: "{GUEST}", password: "{PASSWORD}", permissions: {allowed} }}',
        )
        text = self._configuration.read_text()
        server, _, _ = text.replace("max_payload: 8388608", f"max_payload: {SMALL}").partition("authorization {")
        self._configuration.write_text(f"{server}authorization {{ users: [{', '.join(users)}] }}\n")
        return command


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallNats]:
    with SmallNats(tmp_path_factory.mktemp("small") / "nats") as server:
        yield server


@pytest.fixture
def daemon(tmp_path: Path, database_url: str, server: SmallNats) -> Iterator[Daemon]:
    """A daemon at that server."""
    streams.empty(server.url)
    with Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=database_url, NATS__URL=server.url) as daemon:
        eventually(lambda: daemon.status()["nats"]["state"] == "up")
        yield daemon


def test_a_guest_is_answered(daemon: Daemon, server: SmallNats) -> None:
    streams.request(server.url, "panda.sessions.save", {"user_id": "alice", "access_token": "t"})

    assert streams.request(server.guests_url, GET, b"alice")["state"] == "active"


def test_a_guest_gets_no_further_by_the_daemon(daemon: Daemon, server: SmallNats) -> None:
    streams.request(server.url, "panda.sessions.save", {"user_id": "alice", "access_token": "t"})
    forbidden = (
        "paper.signals.validated",
        "paper.orders.filled",
        "auth.sessions.save",
        "$JS.API.STREAM.PURGE.SESSIONS",
    )

    with Wire(server.guests_url) as guest:
        guest.send(b"".join(pub(GET, b"alice", subject) for subject in forbidden))
        guest.flush()
    streams.request(server.guests_url, GET, b"alice")

    kept = {name: streams.count(server.url, name) for name in ("PAPER_SIGNALS", "PAPER_ORDERS", "SESSIONS")}
    assert kept == {"PAPER_SIGNALS": 0, "PAPER_ORDERS": 0, "SESSIONS": 0}
    assert daemon.log().count("request not answered") == len(forbidden)


def test_no_answer_costs_the_connection(daemon: Daemon, server: SmallNats) -> None:
    status = streams.request(server.url, "panda.status", b"")
    quoted = [streams.request(server.guests_url, GET, b'"' * size) for size in (200, SMALL)]

    assert f"the server's max_payload is {SMALL}" in status["error"]
    assert all(len(str(answer)) < SMALL for answer in quoted)
    assert daemon.status()["nats"]["state"] == "up"
    assert "reconnecting" not in daemon.log()
