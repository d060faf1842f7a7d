"""What operators do is in the log with who they are, and strangers do nothing."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.system import streams
from tests.system.daemon import Daemon, eventually

TOKEN = "t0ken-n3ver-shown"
AFTER_A_STANDSTILL = {"lease lost", "books opened again", "not pulled yet"}
"""What a daemon says when the machine has paused for longer than its lease lasts."""
STRANGER, STRANGERS, OPERATORS = 54321, 54321, 54322

ASK = """
import http.client, json, os, socket, sys
user, group, *groups = map(int, sys.argv[4:])
os.setgroups(groups)
os.setgid(group)
os.setuid(user)
connection = http.client.HTTPConnection("operator")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(sys.argv[1])
connection.request(sys.argv[2], sys.argv[3])
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""


def audited(daemon: Daemon, event: str = "operator command") -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in daemon.log().splitlines() if line.startswith("{")]
    return [entry for entry in entries if entry["event"] == event]


def test_everything_that_changes_something_is_told_with_who_did_it(daemon: Daemon) -> None:
    login = {"user_id": "alice", "access_token": TOKEN}
    for method, path, body in (
        ("POST", "/sessions", login),
        ("DELETE", "/sessions/alice", None),
        ("POST", "/children/trading.paper/restart", None),
        ("POST", "/children/auth/crash", None),
        ("POST", "/dlq/12345678/replay", None),
        ("DELETE", "/dlq?before=2026-01-01T00:00:00Z", None),
        ("POST", "/drain", None),
        ("DELETE", "/drain", None),
        ("POST", "/children/nobody/restart", None),
    ):
        daemon.request(method, path, body)
    for path in ("/status", "/sessions", "/dlq"):
        daemon.request("GET", path)
    daemon.request("POST", "/stop")
    assert daemon.ended() == 0

    told = audited(daemon)
    assert [(entry["command"], entry["status"]) for entry in told] == [
        ("POST /sessions", 200),
        ("DELETE /sessions/alice", 200),
        ("POST /children/trading.paper/restart", 200),
        ("POST /children/auth/crash", 200),
        ("POST /dlq/12345678/replay", 404),
        ("DELETE /dlq", 200),
        ("POST /drain", 200),
        ("DELETE /drain", 200),
        ("POST /children/nobody/restart", 400),
        ("POST /stop", 200),
    ]
    us = {"uid": os.geteuid(), "user": pwd.getpwuid(os.geteuid()).pw_name, "pid": os.getpid()}
    assert all({name: entry[name] for name in us} == us for entry in told)
    assert all((entry["actor"], entry["level"]) == ("control", "warning") for entry in told)
    assert TOKEN not in daemon.log()


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/sessions/access_token%3Dt0ken-n3ver-shown", "DELETE /sessions/access_token=********"),
        ("/sessions/a%0Db%1B%5B31m", "DELETE /sessions/a\\rb\\x1b[31m"),
        ("/sessions/zo%C3%AB", "DELETE /sessions/zoë"),
        (f"/sessions/{'x' * 20_000}", f"DELETE /sessions/{'x' * 183}.."),
    ],
    ids=["secret", "control characters", "letters", "long"],
)
def test_a_command_is_told_without_secrets_in_one_short_line(daemon: Daemon, path: str, shown: str) -> None:
    daemon.request("DELETE", path)

    (entry,) = audited(daemon)
    assert entry["command"] == shown
    assert TOKEN not in daemon.log()


def test_no_number_of_commands_is_left_out(daemon: Daemon) -> None:
    for _ in range(60):
        daemon.request("POST", "/children/nobody/restart")

    assert len(audited(daemon)) == 60


def test_lines_about_a_message_have_its_correlation_id_and_no_token(daemon: Daemon, streams_url: str) -> None:
    bad = streams.signal(side="BUY", quantity=0, price="100", correlation_id="way-1")
    login = streams.session_save("alice", TOKEN)
    login["data"]["user_id"] = None
    streams.publish(streams_url, "paper.signals.validated", [bad])
    eventually(lambda: audited(daemon, "bad message"))
    streams.publish(streams_url, "auth.sessions.save", [login])
    eventually(lambda: daemon.status()["database"]["dead_letters"] == 2)

    first = audited(daemon, "bad message")[0]
    assert (first["actor"], first["message_id"]) == ("gateway", bad["id"])
    assert first["correlation_id"] == bad["correlation_id"]
    assert TOKEN not in daemon.log()


def test_signals_that_trade_leave_no_lines(daemon: Daemon, streams_url: str) -> None:
    before = len(daemon.log().splitlines())
    streams.publish(streams_url, "paper.signals.validated", [streams.signal(price="100") for _ in range(500)])
    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 1500)

    lines = daemon.log().splitlines()[before:]
    assert [line for line in lines if json.loads(line)["event"] not in AFTER_A_STANDSTILL] == []


def test_an_order_that_fails_is_told_with_its_correlation_id(daemon: Daemon, streams_url: str) -> None:
    sent = streams.signal(price=None, token=424242)
    streams.publish(streams_url, "paper.signals.validated", [sent])
    eventually(lambda: audited(daemon, "order failed"))

    (entry,) = audited(daemon, "order failed")
    assert (entry["actor"], entry["broker"]) == ("trading.paper", "paper")
    assert (entry["message_id"], entry["correlation_id"]) == (sent["id"], sent["correlation_id"])
    assert entry["reason"]


class TestOthers:
    """Root alone can become somebody else; whoever else runs the tests has the rules tested in `test_peers.py`."""

    pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

    @pytest.fixture
    def open_daemon(self, database_url: str, streams_url: str) -> Iterator[Daemon]:
        """One whose socket can be reached by everybody."""
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            place.chmod(0o755)
            servers = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": streams_url}
            with Daemon(place / "state", **servers) as daemon:
                daemon.state_dir.chmod(0o711)
                socket_path(daemon).chmod(0o666)
                yield daemon

    def test_a_stranger_is_refused_and_told_of_whatever_the_mode_of_the_socket(self, open_daemon: Daemon) -> None:
        for method, path in (("POST", "/stop"), ("GET", "/sessions")):
            status, text = ask_as(open_daemon, method, path, groups=[])
            assert status == 403
            assert f"user {STRANGER} may not operate this daemon" in text

        assert open_daemon.running.poll() is None
        told = audited(open_daemon, "operator refused")
        assert [(entry["command"], entry["uid"]) for entry in told] == [
            ("POST /stop", STRANGER),
            ("GET /sessions", STRANGER),
        ]
        assert audited(open_daemon) == []

    def test_a_member_of_the_sockets_group_is_let_in_and_named(self, open_daemon: Daemon) -> None:
        os.chown(socket_path(open_daemon), -1, OPERATORS)

        status, _ = ask_as(open_daemon, "POST", "/children/trading.paper/restart", groups=[OPERATORS])

        assert status == 200
        (entry,) = audited(open_daemon)
        assert (entry["uid"], entry["user"], entry["status"]) == (STRANGER, str(STRANGER), 200)

    def test_with_its_own_mode_the_socket_does_not_open_for_a_stranger(self, open_daemon: Daemon) -> None:
        socket_path(open_daemon).chmod(0o660)

        done = run_as(open_daemon, "GET", "/status", groups=[])

        assert done.returncode == 1
        assert "PermissionError" in done.stderr


def socket_path(daemon: Daemon) -> Path:
    return daemon.state_dir / "alpha-panda.sock"


def run_as(daemon: Daemon, method: str, path: str, groups: Sequence[int]) -> subprocess.CompletedProcess[str]:
    """Ask as another user, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", ASK, str(socket_path(daemon)), method, path, *map(str, [STRANGER, STRANGERS, *groups])],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ask_as(daemon: Daemon, method: str, path: str, groups: Sequence[int]) -> tuple[int, str]:
    done = run_as(daemon, method, path, groups)
    assert done.returncode == 0, done.stderr
    status, text = json.loads(done.stdout)
    return status, text
