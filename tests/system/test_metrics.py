"""The figures that a daemon shows: true, complete, and there whoever is stuck."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.system import streams
from tests.system.daemon import Daemon, eventually
from tests.system.proxy import nats_proxy, postgres_proxy
from tests.system.scrape import Scrape, parsed, scrape, scrape_text

CROWD = 300
SIGNALS = "paper.signals.validated"


def free_port() -> int:
    """One that the kernel gives to nobody who asks for any, so that it is still free when the daemon takes it."""
    for port in random.SystemRandom().sample(range(20_000, 32_768), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def test_what_was_traded_is_counted(daemon: Daemon, streams_url: str) -> None:
    sent = [streams.signal(side="BUY", quantity=1, price="100", strategy=f"s{n % 2}") for n in range(20)]
    bad = [streams.signal(side="BUY", quantity=0, price="100")]
    streams.publish(streams_url, "market.ticks", [streams.tick(7, "250")])
    streams.publish(streams_url, SIGNALS, [*sent, *bad])
    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 60)
    eventually(lambda: scrape(daemon).value("trading_dlq_messages_total", service="alpha-panda", broker="paper") == 1)
    eventually(lambda: scrape(daemon).value("alpha_panda_published_total") == 61)

    found = scrape(daemon)

    kinds = {"service": "paper_trading", "broker": "paper"}
    for kind in ("order_placed", "order_filled", "pnl_snapshot"):
        assert found.value("trading_events_processed_total", event_type=kind, **kinds) == 20
    path = {"service": "paper_trading", "event_type": "order_filled"}
    assert found.value("trading_processing_latency_seconds_count", **path) == 20
    assert found.value("trading_processing_latency_seconds_bucket", le="+Inf", **path) == 20
    assert 0 < found.value("trading_processing_latency_seconds_sum", **path) < 20 * 20
    commits = found.value("alpha_panda_commits_total")
    assert 1 <= commits <= 21
    assert found.value("alpha_panda_commit_seconds_count") == commits
    assert found.value("alpha_panda_commit_units_sum") == 21
    assert found.value("market_ticks_received_total", source="nats") == 1
    assert found.value("alpha_panda_stored_dead_letters") == 1
    handled = found.value("alpha_panda_actor_handled_total", actor="trading.paper")
    assert found.value("alpha_panda_actor_handler_seconds_count", actor="trading.paper") == handled >= 20
    assert found.value("alpha_panda_actor_handler_seconds_sum", actor="trading.paper") > 0
    assert found.value("paper_cash_balance", strategy_id="s0", broker="paper") < 1_000_000
    assert found.value("strategy_pnl_current", strategy_id="s0", broker="paper") < 0
    assert found.value("alpha_panda_ready") == 1


def test_a_restart_is_counted_and_the_counters_of_an_actor_go_on(daemon: Daemon) -> None:
    before = scrape(daemon)
    daemon.request("POST", "/children/trading.paper/crash")
    eventually(lambda: scrape(daemon).value("alpha_panda_actor_restarts_total", actor="trading.paper") == 1)
    daemon.wait_until("ready")

    found = scrape(daemon)
    for name in ("alpha_panda_actor_handled_total", "alpha_panda_actor_handler_seconds_sum"):
        assert found.value(name, actor="trading.paper") >= before.value(name, actor="trading.paper")
    errors = {"component": "trading.paper", "error_type": "handler", "broker": "paper"}
    assert found.value("trading_errors_total", **errors) == 1


def test_figures_are_there_while_the_servers_are_silent_and_the_writer_is_stuck(
    tmp_path: Path, database_url: str, streams_url: str
) -> None:
    postgres, nats = postgres_proxy(database_url), nats_proxy(streams_url)
    try:
        with Daemon(tmp_path / "state", DATABASE__POSTGRES_URL=postgres.url, NATS__URL=nats.url) as daemon:
            postgres.silent = True
            streams.publish(streams_url, SIGNALS, [streams.signal(price="100")])
            busy = {"actor": "database"}
            eventually(lambda: scrape(daemon).value("alpha_panda_actor_handling_seconds", **busy) > 1)
            nats.silent = True

            def shown_at_once() -> Scrape:
                answer = parsed(scrape_text(daemon, timeout_s=1.0))
                assert answer.value("alpha_panda_actor_handling_seconds", **busy) > 1
                return answer

            found = eventually(shown_at_once)

            assert found.value("alpha_panda_commits_total") == 0
            postgres.cut()
            nats.cut()
            postgres.refusing = nats.refusing = True
            for connection_type in ("postgres", "nats"):
                where = {"connection_type": connection_type, "broker": "shared"}
                eventually(lambda where=where: scrape(daemon).value("trading_connection_status", **where) == 0)
            postgres.heal()
            nats.heal()
            eventually(lambda: scrape(daemon).value("alpha_panda_commits_total") == 1)
    finally:
        postgres.close()
        nats.close()


class TestPort:
    def test_the_same_figures_and_nothing_else_are_on_the_loopback_port(
        self, tmp_path: Path, database_url: str, streams_url: str
    ) -> None:
        port = free_port()
        servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
        with Daemon(tmp_path / "state", METRICS__PORT=str(port), **servers) as daemon:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                by_port = parsed(answer.read().decode())
            assert by_port.values.keys() == scrape(daemon).values.keys()
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(
                    urllib.request.Request(f"http://127.0.0.1:{port}/stop", method="POST"), timeout=30
                )
            daemon.request("POST", "/children/metrics/restart")
            eventually(lambda: daemon.child("metrics")["restarts"] == 1)
            eventually(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read())
            daemon.wait_until("ready")

    def test_callers_that_never_finish_their_request_cost_no_thread_and_keep_nobody_waiting(
        self, tmp_path: Path, database_url: str, streams_url: str
    ) -> None:
        port = free_port()
        servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
        with (
            Daemon(tmp_path / "state", METRICS__PORT=str(port), **servers) as daemon,
            ExitStack() as stack,
        ):
            process = psutil.Process(daemon.running.pid)
            threads = process.num_threads()
            for _ in range(CROWD):
                caller = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                caller.sendall(b"GET / HTTP/1.1\r\n")
            eventually(lambda: process.num_fds() >= CROWD)

            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                assert parsed(answer.read().decode()).value(
                    "trading_pipeline_stage_healthy", stage="health", broker="shared"
                )

            assert process.num_threads() < threads + CROWD / 10

    def test_a_port_that_is_taken_is_named(self, tmp_path: Path, database_url: str, streams_url: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
            daemon = Daemon(tmp_path / "state", METRICS__PORT=str(port), **servers).start()

            assert daemon.ended() == 78
        assert f"metrics at 127.0.0.1:{port}: Address already in use; set METRICS__PORT to another" in daemon.log()


def test_scrapes_at_the_same_time_do_no_harm(daemon: Daemon, streams_url: str) -> None:
    problems: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(20):
                scrape(daemon)
        except (OSError, AssertionError, ValueError) as error:
            problems.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    streams.publish(streams_url, SIGNALS, [streams.signal(price="100") for _ in range(200)])
    for thread in threads:
        thread.join(60)

    assert problems == []
    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 600)
