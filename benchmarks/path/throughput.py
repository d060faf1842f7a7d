"""Signals per second from a backlog to durable fills, where the time goes, and what lies below."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.drain import Drained, Workload, drain
from benchmarks.path.floors import BareInsert, pull_and_ack
from benchmarks.path.options import of_path
from benchmarks.path.processes import daemon, faststream
from benchmarks.path.profile import profile
from benchmarks.path.routes import OURS, PEER
from benchmarks.path.servers import servers
from benchmarks.rounds import interleave

TWELVEFOLD = Target(Side.AT_LEAST, 12.0, of_ratio=True)


def signals(options: Options) -> list[Measurement]:
    """Ours and FastStream's, the bare pull and the bare insert, in the same rounds."""
    chosen = of_path(options)
    ours, theirs = options.size(30_000, 200), options.size(3_000, 50)
    with servers(chosen) as used:
        mine, others, bare = used.new_database(), used.new_database(), BareInsert(used.new_database())
        with daemon(used, mine) as daemon_pid, faststream(used, others) as peer_pid:
            running = Workload(used, OURS, daemon_pid, mine)
            handler = Workload(used, PEER, peer_pid, others)
            drained, handled = partial(drain, running, ours), partial(drain, handler, theirs)
            rounds = interleave(options, drained, handled)
            pulled, inserted = interleave(options, partial(pull_and_ack, used, ours), partial(bare.measure, ours))
            profiled = profile(running, ours) if chosen.profile else []
        bare.close()
    return [*_compared(rounds), *_below(rounds[0], pulled, inserted), *profiled]


def _compared(rounds: Sequence[Sequence[Drained]]) -> list[Measurement]:
    ours, peer = (Sample(tuple(one.per_s for one in side)) for side in rounds)
    found = [Measurement("signals to durable fills", "signals/s", ours, peer, TWELVEFOLD, "FastStream")]
    for name in rounds[0][0].processor_us:
        mine, theirs = (Sample(tuple(one.processor_us[name] for one in side)) for side in rounds)
        found.append(Measurement(f"processor time per signal, {name}", "us", mine, theirs, None, "FastStream"))
    return found


def _below(ours: Sequence[Drained], pulled: Sequence[float], inserted: Sequence[float]) -> list[Measurement]:
    mine = Sample(tuple(one.per_s for one in ours))
    return [
        Measurement("signals, beside a bare pull and ack", "signals/s", mine, Sample(tuple(pulled)), None, "bare pull"),
        Measurement("signals, beside a bare insert", "signals/s", mine, Sample(tuple(inserted)), None, "bare insert"),
    ]
