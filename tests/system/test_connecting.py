"""A NATS that refuses: why is told where people look, nobody is hammered, and what waits there is counted."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from actors.gateway.link import RETRY_MAX_S
from tests.system import streams
from tests.system.daemon import Daemon, eventually
from tests.system.proxy import nats_proxy


def check_of(daemon: Daemon, component: str) -> dict[str, object]:
    found: dict[str, dict[str, object]] = {one["component"]: one for one in daemon.status()["checks"]}
    return found[component]


def test_refused_credentials_are_named_in_the_log_and_in_the_status(
    tmp_path: Path, database_url: str, streams_url: str
) -> None:
    server = urlsplit(streams_url)
    wrong = server._replace(netloc=f"alpha_panda:wrong-word@{server.netloc.rpartition('@')[2]}").geturl()
    daemon = Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=database_url, NATS__URL=wrong).start()
    try:
        eventually(lambda: "Authorization Violation" in daemon.log())
        eventually(lambda: "NATS__CREDENTIALS_FILE" in str(check_of(daemon, "NATS")["cure"]))
        assert "TimeoutError" not in daemon.log()
        assert "wrong-word" not in daemon.log()
    finally:
        daemon.kill()


def test_a_server_that_takes_the_connection_and_refuses_the_rest_is_not_hammered(
    tmp_path: Path, database_url: str, streams_url: str
) -> None:
    streams.make_stream(streams_url, "ELSEWHERE", "market.ticks")
    with closing(nats_proxy(streams_url)) as proxy:
        daemon = Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=database_url, NATS__URL=proxy.url).start()
        try:
            eventually(lambda: proxy.accepted >= 4)
            began, before = time.monotonic(), proxy.accepted
            eventually(lambda: proxy.accepted >= before + 3)
            assert time.monotonic() - began > 2 * RETRY_MAX_S
            assert "subjects overlap" in daemon.log()
        finally:
            daemon.kill()


def test_the_signals_of_a_broker_that_never_traded_are_counted_as_waiting(
    tmp_path: Path, database_url: str, streams_url: str
) -> None:
    brokers = {"ACTIVE_BROKERS": "paper,nobody", "TRADING__NOBODY__ENABLED": "true"}
    daemon = Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=database_url, NATS__URL=streams_url, **brokers).start()
    try:
        eventually(lambda: "NOBODY_SIGNALS" in daemon.status()["nats"]["streams"])
        streams.publish(streams_url, "nobody.signals.validated", [streams.signal(), streams.signal()])
        streams.publish(streams_url, "nobody.signals.raw", [streams.signal()])

        eventually(lambda: daemon.status()["nats"]["streams"]["NOBODY_SIGNALS"]["pending"] == 2)
        eventually(lambda: check_of(daemon, "Consumer lag")["message"] == "2 messages wait")
    finally:
        daemon.kill()
