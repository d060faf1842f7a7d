"""Tokens go in by every way, with bad keys, bad messages, crashes and outages, and come out by none."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from cryptography.fernet import Fernet
from nats.aio.client import Client

from tests.conftest import execute
from tests.console.conftest import Command, command, embedded_daemon
from tests.system import streams
from tests.system.daemon import Daemon, eventually

__all__ = ["command"]

SAVE, END, SIGNAL, TICK = "auth.sessions.save", "auth.sessions.invalidate", "paper.signals.validated", "market.ticks"
REFUSE_LOGIN = "ALTER TABLE trading_sessions ADD CONSTRAINT refused CHECK (session_data->>'user_name' <> 'refused')"
INPUT = frozenset({"SESSIONS", "PAPER_SIGNALS", "TICKS"})
"""The streams that keep what was sent to them, whatever it is."""

Sent = tuple[str, bytes, dict[str, str] | None]


class Planted:
    """The tokens of one test: a secret that all have, and a word for the way by which each came."""

    def __init__(self) -> None:
        self.secret = f"s3cr3t{uuid4().hex}"
        raw = self.secret.encode()
        encoded = [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
        wide = [self.secret.encode(form) for form in ("utf-16-le", "utf-16-be")]
        self._forms = [raw, raw.hex().encode(), raw.hex().upper().encode(), *encoded, *wide]

    def token(self, way: str) -> str:
        return f"{self.secret}-{way}"

    def shows_in(self, data: bytes) -> bool:
        """Whether the secret can be read in it, also when spelled in hex, base64 or UTF-16."""
        return any(form in data for form in self._forms)


def bad_messages(planted: Planted) -> list[Sent]:
    """Messages that cannot be handled, with a token each."""

    def save(way: str, **changes: Any) -> dict[str, Any]:
        return streams.session_save("bad", planted.token(way), **changes)

    def data(**fields: Any) -> bytes:
        return json.dumps(streams.envelope("session_save", fields)).encode()

    def token(way: str) -> str:
        return planted.token(way)

    whole = json.dumps(save("whole")).encode()
    bodies = [
        whole[:-3],
        json.dumps(save("method", login_method=token("method-too"))).encode(),
        json.dumps(save("expiry", expires_at=token("expiry-too"))).encode(),
        json.dumps(save("broker", broker=7)).encode(),
        json.dumps(save("nul", user_name="a\0b")).encode(),
        json.dumps(save("large", user_agent="x" * ((1 << 20) - 600))).encode(),
        json.dumps(save("naive", expires_at="2030-01-01T00:00:00")).encode(),
        data(user_id="bad", access_token=[token("list")]),
        data(user_id="bad", access_token={"value": token("object")}),
        data(user_id="bad", access_tokn=token("misspelt")),
        data(user_id="bad", user_name=token("another-field")),
        data(**{token("a-name"): 1}),
        data(user_id=[token("in-a-list")]),
        json.dumps({"token": token("bare"), "note": f"access_token={token('note')}"}).encode(),
        json.dumps(token("a-string")).encode(),
        token("plain").encode(),
        token("wide").encode("utf-16"),
        b"\xff\xfe\x00" + token("binary").encode(),
        b'{"access_token": "%s", "access_token": null}' % token("twice").encode(),
        b'{"access\\u005ftoken": "%s"' % token("escaped").encode(),
        b"[" * 3000 + token("deep").encode(),
    ]
    sent: list[Sent] = [(SAVE, body, None) for body in bodies]
    sent.append((SAVE, b"{bad", {"Authorization": token("header"), "X-Note": token("another-header")}))
    sent.append((END, data(access_token=token("end")), None))
    sent.append((END, whole[:-1], None))
    sent.append((SIGNAL, whole, {"X-Access-Token": token("signal-header")}))
    sent.append((SIGNAL, whole[:-2], None))
    sent.append((SIGNAL, json.dumps(streams.signal(quantity=0, api_key=token("api-key"))).encode(), None))
    sent.append((SIGNAL, json.dumps(save("signal-wide")).encode("utf-16-le"), None))
    sent.append((TICK, whole, None))
    return sent


def publish(url: str, messages: Sequence[Sent]) -> None:
    async def work(client: Client) -> None:
        for subject, body, headers in messages:
            await streams.jetstream(client).publish(subject, body, timeout=streams.PATIENCE_S, headers=headers)

    streams.with_client(url, work)


def database_url(daemon: Daemon) -> str:
    """The embedded server's, from what it wrote down."""
    directory = daemon.state_dir / "postgres"
    lines = (directory / "data" / "postmaster.pid").read_text().splitlines()
    host = lines[4].strip() or lines[5].strip()
    password = (directory / "password").read_text().strip()
    return f"postgresql://alpha_panda:{password}@/alpha_panda?host={host}&port={lines[3].strip()}"


def dead_letters(daemon: Daemon) -> int:
    ((count,),) = execute(database_url(daemon), "SELECT count(*) FROM dead_letters")
    return int(str(count))


def tables(url: str) -> Iterator[tuple[str, bytes]]:
    """Every row of every table, whole, bytes as they are."""
    listed = execute(url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    for (name,) in listed:
        for row in execute(url, f'SELECT * FROM "{name}"'):
            parts = [bytes(value) if isinstance(value, memoryview) else str(value).encode() for value in row]
            yield str(name), b"\0".join(parts)


def files_below(directory: Path) -> Iterator[tuple[Path, bytes]]:
    for path in directory.rglob("*"):
        try:
            if path.is_file():
                yield path, path.read_bytes()
        except FileNotFoundError:
            continue


def processes(daemon: Daemon) -> Iterator[tuple[str, str]]:
    """Arguments and environment of the daemon's children, and the daemon's arguments."""
    own = psutil.Process(daemon.running.pid)
    yield "daemon", str(own.cmdline())
    for child in own.children(recursive=True):
        try:
            yield child.name(), f"{child.cmdline()} {child.environ()}"
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue


def kill_postgres(daemon: Daemon) -> None:
    """The daemon finds it dead and starts it again."""
    pid = int((daemon.state_dir / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)


def say(daemon: Daemon, body: Any) -> str:
    """A login by the operator socket."""
    return str(daemon.request("POST", "/sessions", body))


def plant(daemon: Daemon, command: Command, planted: Planted) -> list[str]:
    """Send tokens by every way, through crashes and an outage; returns every answer."""
    (url,) = daemon.request("GET", "/connection")["nats"]
    answers: list[Any] = []

    def ask(user: str, way: str, **more: Any) -> None:
        answers.append(
            streams.request(url, "panda.sessions.save", streams.session_save(user, planted.token(way), **more))
        )

    ask("request", "request", broker="paper")
    answers.append(streams.request(url, "panda.sessions.save", planted.token("bad-request").encode()))
    answers.append(streams.request(url, "panda.sessions.save", {"access_token": planted.token("no-user")}))
    answers.append(streams.request(url, "panda.sessions.use", {"broker": "paper"}))
    answers.append(streams.request(url, "panda.sessions.get", b"request"))
    streams.publish(url, SAVE, [streams.session_save(f"nats{n}", planted.token(f"nats{n}")) for n in range(20)])
    answers += [
        command("sessions", "save", "console", *more, given=planted.token("console").encode())
        for more in ((), ("--login-method", "magic"), ("--broker", "paper"))
    ]
    answers += [
        say(daemon, {"user_id": 1, "access_token": planted.token("socket")}),
        say(daemon, planted.token("text")),
    ]

    messages = bad_messages(planted)
    publish(url, messages)
    eventually(lambda: dead_letters(daemon) == len(messages))
    execute(database_url(daemon), REFUSE_LOGIN)
    ask("poison", "poison-request", user_name="refused")
    streams.publish(url, SAVE, [streams.session_save("poison", planted.token("poison"), user_name="refused")])
    eventually(lambda: dead_letters(daemon) == len(messages) + 1)

    for number, trouble in enumerate((crash("auth"), crash("database"), crash("gateway"), kill_postgres)):
        saves = [streams.session_save(f"u{n}", planted.token(f"trouble{number}-{n}")) for n in range(50)]
        streams.publish(url, SAVE, saves[:25])
        trouble(daemon)
        streams.publish(url, SAVE, saves[25:])
    last = streams.session_save("last", planted.token("last"))
    streams.publish(url, SAVE, [last])
    eventually(lambda: daemon.request("GET", "/sessions/last").get("user_id"))
    daemon.wait_until("ready")
    return [str(answer) for answer in answers]


def crash(child: str) -> Callable[[Daemon], None]:
    return lambda daemon: daemon.request("POST", f"/children/{child}/crash")


def seen_through_commands(daemon: Daemon, command: Command) -> str:
    """What the commands tell of sessions, dead letters and actors."""
    told = [command("sessions", "list"), command("sessions", "list", "--json"), command("status", "--json")]
    users = [session["user_id"] for session in json.loads(told[1].out)]
    told += [command("sessions", "show", user) for user in users[:5]]
    letters = json.loads(command("dlq", "list", "--json", "--limit", "100").out)
    told += [command("dlq", "list")]
    told += [command("dlq", "show", letter["id"], *more) for letter in letters for more in ((), ("--json",))]
    told += [command("inspect", child["name"]) for child in daemon.status()["children"]]
    return str(told)


@pytest.fixture(params=["with a key", "without"])
def key(request: pytest.FixtureRequest) -> str | None:
    return Fernet.generate_key().decode() if request.param == "with a key" else None


def test_no_token_is_seen_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command, key: str | None
) -> None:
    planted = Planted()
    state_dir = tmp_path / "state"
    monkeypatch.setenv("STATE_DIR", str(state_dir))
    monkeypatch.setenv("LOG__LEVEL", "debug")
    monkeypatch.setenv("LOG__FORMAT", "console")
    if key is not None:
        monkeypatch.setenv("AUTH__TOKEN_KEYS", key)

    with embedded_daemon(state_dir) as daemon:
        answers = plant(daemon, command, planted)
        daemon.running.send_signal(signal.SIGUSR1)
        eventually(lambda: "thread" in daemon.log())
        seen = seen_through_commands(daemon, command)
        running = dict(processes(daemon))
        url = database_url(daemon)
        (nats,) = daemon.request("GET", "/connection")["nats"]
        eventually(lambda: execute(url, "SELECT count(*) FROM outbox") == [(0,)])
        execute(url, "CHECKPOINT")
        stored = [(name, data) for name, data in tables(url) if planted.shows_in(data)]
        kept = {name for name in stream_names(nats) if stream_shows(nats, name, planted)}
        daemon.stop()

    assert "'state': 'active'" in answers[0]
    assert not planted.shows_in("".join(answers).encode())
    assert not planted.shows_in(seen.encode())
    assert not planted.shows_in(str(running).encode())
    assert key is None or key not in str(running)
    assert kept <= INPUT
    assert "SESSIONS" in kept
    assert {name for name, _ in stored} == (set() if key else {"trading_sessions"})
    assert not planted.shows_in(daemon.log_path.read_bytes())
    revealing = {path.relative_to(state_dir) for path, data in files_below(state_dir) if planted.shows_in(data)}
    assert {
        path for path in revealing if not is_of_input(path) and (key or path.parts[:2] != ("postgres", "data"))
    } == set()


def test_a_wrong_key_ends_the_start_and_shows_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted()
    state_dir = tmp_path / "state"
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    monkeypatch.setenv("AUTH__TOKEN_KEYS", keys[0])
    with embedded_daemon(state_dir) as daemon:
        (url,) = daemon.request("GET", "/connection")["nats"]
        streams.request(url, "panda.sessions.save", streams.session_save("u", planted.token("u")))
        daemon.stop()

    for wrong in (keys[1], planted.token("key")):
        monkeypatch.setenv("AUTH__TOKEN_KEYS", wrong)
        other = embedded_daemon(state_dir).start()
        assert other.ended() == 78

    log = daemon.log_path.read_bytes()
    assert b"AUTH__TOKEN_KEYS" in log
    assert not planted.shows_in(log)
    assert not any(key.encode() in log for key in keys)


def is_of_input(path: Path) -> bool:
    """Whether JetStream keeps a stream in the file that keeps what is sent to it."""
    parts = path.parts
    return parts[0] == "nats" and "streams" in parts and parts[parts.index("streams") + 1] in INPUT


def stream_names(url: str) -> list[str]:
    async def work(client: Client) -> list[str]:
        return [str(info.config.name) for info in await streams.jetstream(client).streams_info()]

    return streams.with_client(url, work)


def stream_shows(url: str, name: str, planted: Planted) -> bool:
    """Whether a message of the stream, or one of its headers, has a token."""
    return any(planted.shows_in(one.data + str(one.headers).encode()) for one in streams.read_raw(url, name))
