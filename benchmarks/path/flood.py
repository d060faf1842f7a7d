"""A flood of bad messages in the stream of the good ones: what it takes from those, and that each is a dead letter."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.bad import bad
from benchmarks.path.bulk import Message, publish_all
from benchmarks.path.drain import Workload
from benchmarks.path.ledger import check, letters_come, settled, tally
from benchmarks.path.load import Load
from benchmarks.path.mixed import Backlog, work_off
from benchmarks.path.options import of_path
from benchmarks.path.processes import daemon
from benchmarks.path.routes import OURS
from benchmarks.path.servers import servers
from benchmarks.path.signals import signals
from benchmarks.rounds import DEADLINE_S, interleave, quantiles

HALF = Target(Side.AT_LEAST, 0.5, of_ratio=True)
GOOD_PER_S = 500


@dataclass(frozen=True, slots=True)
class Flooded:
    """Of one flood: the good ones' fills per second before it and while it lasts, their latencies, and how many bad
    ones became dead letters per second."""

    before_per_s: float
    during_per_s: float
    before_ms: list[float]
    during_ms: list[float]
    letters_per_s: float


def flood(options: Options) -> list[Measurement]:
    """Good ones at a steady rate during a flood, and a backlog in which every other message is bad."""
    many, mixed, before_s = options.size(100_000, 600), options.size(10_000, 200), options.size(5, 1)
    with servers(of_path(options)) as used:
        database = used.new_database()
        with daemon(used, database) as pid:
            side = Workload(used, OURS, pid, database)
            (floods,) = interleave(options, partial(_flood, side, many, before_s))
            with_bad, without = interleave(options, partial(_mixed, side, mixed), partial(_clean, side, mixed))
    return [*_steady(floods, many), *_of_backlog(with_bad, without, mixed)]


def _steady(floods: Sequence[Flooded], many: int) -> list[Measurement]:
    during, before = (
        Sample(tuple(one)) for one in zip(*((f.during_per_s, f.before_per_s) for f in floods), strict=True)
    )
    what = f"fills at {GOOD_PER_S} signals/s during {many:,} bad messages"
    found = [Measurement(what, "fills/s", during, before, HALF, "before")]
    for share in (0.5, 0.99):
        mine = quantiles([one.during_ms for one in floods], share)
        calm = quantiles([one.before_ms for one in floods], share)
        found.append(Measurement(f"{what}, p{share * 100:g}", "ms", mine, calm, None, "before"))
    letters = Sample(tuple(one.letters_per_s for one in floods))
    return [*found, Measurement("bad messages to dead letters, in the flood", "messages/s", letters)]


def _of_backlog(with_bad: Sequence[float], without: Sequence[float], count: int) -> list[Measurement]:
    what = f"{count:,} signals with as many bad ones between them"
    return [Measurement(what, "signals/s", Sample(tuple(with_bad)), Sample(tuple(without)), HALF, "without")]


def _flood(side: Workload, many: int, before_s: float) -> Flooded:
    messages, url, before = list(bad(many)), side.servers.nats_url, tally(side)
    flooder = threading.Thread(target=publish_all, args=(url, OURS.subject, messages), name="flood", daemon=True)
    with Load(url, GOOD_PER_S) as load:
        time.sleep(before_s / 2)
        calm = time.perf_counter()
        time.sleep(before_s)
        began = time.perf_counter()
        flooder.start()
        ended = side.servers.with_nats(partial(letters_come, wanted=before.letters + many))
        good = load.stop()
        flooder.join(DEADLINE_S)
        wanted = before.plus(good, many)
        side.servers.with_nats(lambda client: settled(client, wanted))
    check(side, wanted)
    return Flooded(
        load.fills(calm, began) / (began - calm),
        load.fills(began, ended) / (ended - began),
        load.latencies_ms(calm, began),
        load.latencies_ms(began, ended),
        many / (ended - began),
    )


def _mixed(side: Workload, count: int) -> float:
    pairs: itertools.chain[Message] = itertools.chain.from_iterable(zip(signals(count), bad(count), strict=True))
    return count / work_off(side, Backlog(list(pairs), count, count))


def _clean(side: Workload, count: int) -> float:
    return count / work_off(side, Backlog(list(signals(count)), count))
