"""Starting before a stream that is full: how soon the daemon is ready, how fast it works it off, and in what memory."""

from __future__ import annotations

import time
from functools import partial

from nats.aio.client import Client

from actors.gateway.connection import ensure_streams
from actors.gateway.subjects import streams
from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.bulk import publish_all
from benchmarks.path.drain import Workload
from benchmarks.path.ledger import Tally, check, settled
from benchmarks.path.memory import Memory
from benchmarks.path.mixed import delivered_beyond
from benchmarks.path.options import of_path
from benchmarks.path.processes import started
from benchmarks.path.routes import BROKER, OURS
from benchmarks.path.servers import servers
from benchmarks.path.signals import signals

BOUND_MIB = 350.0


def backlog(options: Options) -> list[Measurement]:
    """One run."""
    chosen = of_path(options)
    count = options.size(chosen.backlog, 2_000)
    with servers(chosen) as used:
        database = used.new_database()
        used.with_nats(_make_streams)
        publish_all(used.nats_url, OURS.subject, signals(count))
        wanted = Tally().plus(count, 0)
        launched = time.perf_counter()
        with started(used, database) as daemon, Memory(daemon.process.pid) as memory:
            daemon.wait_until_ready()
            ready = time.perf_counter()
            began = used.with_nats(partial(delivered_beyond, seen=0))
            ended = used.with_nats(partial(settled, wanted=wanted))
            check(Workload(used, OURS, daemon.process.pid, database), wanted)
    of_backlog = f"a backlog of {count:,} signals"
    return [
        Measurement(of_backlog, "signals/s", Sample((count / (ended - began),))),
        Measurement(f"from start to ready, {of_backlog}", "s", Sample((ready - launched,))),
        Measurement(
            f"memory at its peak, {of_backlog}",
            "MiB",
            Sample((memory.peak_mib(),)),
            target=Target(Side.AT_MOST, BOUND_MIB),
        ),
    ]


async def _make_streams(client: Client) -> None:
    await ensure_streams(client.jetstream(), streams([BROKER]))
