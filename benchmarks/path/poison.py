"""What a signal that PostgreSQL refuses costs in a backlog of others: one dead letter, and nothing else."""

from __future__ import annotations

import itertools
from functools import partial

import orjson

from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.bulk import Message
from benchmarks.path.drain import Workload
from benchmarks.path.mixed import Backlog, work_off
from benchmarks.path.options import of_path
from benchmarks.path.processes import daemon
from benchmarks.path.routes import OURS
from benchmarks.path.servers import execute, servers
from benchmarks.path.signals import signal, signals
from benchmarks.rounds import interleave

HALF = Target(Side.AT_LEAST, 0.5, of_ratio=True)
REFUSED = "refused"
REFUSE = f"ALTER TABLE trading_events ADD CONSTRAINT {REFUSED} CHECK (strategy_id <> '{REFUSED}')"
"""The codec leaves nothing that the tables as they are would refuse, so this is what a bug would look like."""


def poison(options: Options) -> list[Measurement]:
    """Both sides are our daemon with the same backlog, one of them with a signal more."""
    count = options.size(1_000, 100)
    with servers(of_path(options)) as used:
        database = used.new_database()
        execute(database, REFUSE)
        with daemon(used, database) as pid:
            side = Workload(used, OURS, pid, database)
            with_poison, without = interleave(options, partial(_poisoned, side, count), partial(_clean, side, count))
    what = f"signals with one poison row among {count:,}"
    return [Measurement(what, "signals/s", Sample(with_poison), Sample(without), HALF, "without")]


def poisonous() -> Message:
    """A signal that is right, and whose rows are refused."""
    key, body = signal(0)
    message = orjson.loads(body)
    message["data"]["original_signal"]["strategy_id"] = REFUSED
    return key, orjson.dumps(message)


def _poisoned(side: Workload, count: int) -> float:
    half = list(signals(count))
    middle = count // 2
    messages = [*itertools.islice(half, middle), poisonous(), *half[middle:]]
    return count / work_off(side, Backlog(messages, count, 1))


def _clean(side: Workload, count: int) -> float:
    return count / work_off(side, Backlog(list(signals(count)), count))
