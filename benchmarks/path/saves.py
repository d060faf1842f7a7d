"""Session saves: a request whose reply comes after the commit, many outstanding, and one after another."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import orjson

from actors.gateway.subjects import REQUEST_SESSION_SAVE
from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Sample, Side, Target
from benchmarks.path.actors import auth_actor, told_per_s
from benchmarks.path.logins import login
from benchmarks.path.options import of_path
from benchmarks.path.processes import check_installed, daemon, launch
from benchmarks.path.servers import connect, servers
from benchmarks.path.wire import Wire, pub
from benchmarks.rounds import DEADLINE_S, interleave, quantiles

TARGETS = {64: Target(Side.AT_LEAST, 8.0, of_ratio=True), 512: Target(Side.AT_LEAST, 15.0, of_ratio=True)}
CLOSE = Target(Side.AT_MOST, 1.5, of_ratio=True)
REPLY = "_INBOX.panda-bench"
UPSERT = """
    INSERT INTO trading_sessions (session_id, user_id, start_time, is_active, session_data, updated_at)
    VALUES (%(session_id)s, %(user_id)s, %(start_time)s, %(is_active)s, %(session_data)s, %(updated_at)s)
    ON CONFLICT (user_id) DO UPDATE SET
        is_active = excluded.is_active, session_data = excluded.session_data, updated_at = excluded.updated_at
"""


def saves(options: Options) -> list[Measurement]:
    """Throughput at 64 and at 512 outstanding, told to the actors and requested over NATS, beside one transaction for
    each save; and the latency of one request alone.
    """
    check_installed("asyncpg")
    ours, theirs, alone = options.size(20_000, 1_024), options.size(4_000, 1_024), options.size(500, 10)
    found = []
    with servers(of_path(options)) as used:
        mine, others = used.new_database(), used.new_database()
        with auth_actor(mine) as auth:
            for outstanding, target in TARGETS.items():
                saved, stored = interleave(
                    options,
                    partial(told_per_s, auth, ours, outstanding),
                    partial(transactions_per_s, others, theirs, outstanding),
                )
                what = f"session saves, {outstanding} outstanding"
                found.append(Measurement(what, "saves/s", Sample(saved), Sample(stored), target, "SQLAlchemy"))
        with daemon(used, mine):
            for outstanding, target in TARGETS.items():
                saved, stored = interleave(
                    options,
                    partial(requests_per_s, used.nats_url, ours, outstanding),
                    partial(transactions_per_s, others, theirs, outstanding),
                )
                what = f"session saves over NATS, {outstanding} outstanding"
                found.append(Measurement(what, "saves/s", Sample(saved), Sample(stored), target, "SQLAlchemy"))
            latencies = interleave(
                options, partial(request_ms, used.nats_url, alone), partial(upsert_ms, others, alone)
            )
    for share, bound in ((0.5, CLOSE), (0.99, None)):
        mine_ms, bare_ms = (quantiles(side, share) for side in latencies)
        what = f"session save, alone, p{share * 100:g}"
        found.append(Measurement(what, "ms", mine_ms, bare_ms, bound, "bare upsert"))
    return found


def requests_per_s(url: str, count: int, outstanding: int) -> float:
    """Saves that the daemon confirms, with so many requests waiting for their replies at any time."""
    with Wire(url) as wire:
        wire.subscribe(REPLY)
        frames = _frames(count)
        began = time.perf_counter()
        wire.send(b"".join(itertools.islice(frames, outstanding)))
        answered = 0
        for replies in wire.messages():
            _check(replies)
            answered += len(replies)
            if answered >= count:
                break
            wire.send(b"".join(itertools.islice(frames, len(replies))))
        return count / (time.perf_counter() - began)


def request_ms(url: str, count: int) -> list[float]:
    """Milliseconds from request to reply, one after another."""
    took = []
    with Wire(url) as wire:
        wire.subscribe(REPLY)
        answers = wire.messages()
        for frame in _frames(count):
            began = time.perf_counter()
            wire.send(frame)
            _check(next(answers))
            took.append((time.perf_counter() - began) * 1e3)
    return took


def upsert_ms(url: str, count: int) -> list[float]:
    """Milliseconds of one upsert that commits itself: one round trip of a psycopg2 connection."""
    took, connection = [], connect(url)
    try:
        cursor = connection.cursor()
        for number in range(count):
            row = login(number, datetime.now(UTC))
            row["session_data"] = orjson.dumps(row["session_data"]).decode()
            began = time.perf_counter()
            cursor.execute(UPSERT, row)
            took.append((time.perf_counter() - began) * 1e3)
    finally:
        connection.close()
    return took


def transactions_per_s(url: str, count: int, concurrency: int) -> float:
    """What the peer's process reaches."""
    process = launch("benchmarks.path.sqlalchemy_saves", subprocess.PIPE, url=url, count=count, concurrency=concurrency)
    try:
        output = process.stdout.read() if process.stdout is not None else b""
        process.wait(DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    lines = output.decode(errors="replace").strip().splitlines()
    if process.returncode or not lines:
        raise BenchmarkFailed(f"SQLAlchemy's process failed: {lines[-1] if lines else process.returncode}")
    return float(json.loads(lines[-1]))


def _frames(count: int) -> Iterator[bytes]:
    """Requests; made beforehand, so that making them takes no time of the measured ones."""
    frames = []
    for number in range(count):
        data = login(number, datetime.now(UTC))
        body = {"user_id": data["user_id"], **data["session_data"]}
        frames.append(pub(REQUEST_SESSION_SAVE, orjson.dumps(body), REPLY))
    return iter(frames)


def _check(replies: list[bytes]) -> None:
    for reply in replies:
        if b'"session_id"' not in reply:
            raise BenchmarkFailed(f"a save was refused: {reply.decode(errors='replace')[:200]}")
