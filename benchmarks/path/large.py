"""Messages of a mebibyte among ordinary ones: right, too large by one byte, and rubbish."""

from __future__ import annotations

from actors.gateway.codec import MAX_BYTES
from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.bad import oversized, padded, rubbish
from benchmarks.path.bulk import Message
from benchmarks.path.drain import Workload
from benchmarks.path.memory import Memory
from benchmarks.path.mixed import Backlog, work_off
from benchmarks.path.options import of_path
from benchmarks.path.processes import daemon
from benchmarks.path.routes import OURS
from benchmarks.path.servers import servers
from benchmarks.path.signals import signals

BOUND_MIB = 512.0
RIGHT_SHARE = 2
"""One of so many large ones is right; of the rest every other one is an envelope."""


def large(options: Options) -> list[Measurement]:
    """The daemon's peak, of a run each."""
    few, many = options.size(200, 12), options.size(1_000, 60)
    runs = [_run(options, few, many) for _ in range(options.rounds)]
    of_large = f"{few} messages of 1 MiB among {many:,}"
    return [
        Measurement(
            f"memory at its peak, {of_large}",
            "MiB",
            Sample(tuple(peak for peak, _ in runs)),
            target=Target(Side.AT_MOST, BOUND_MIB),
        ),
        Measurement(of_large, "messages/s", Sample(tuple(per_s for _, per_s in runs))),
    ]


def _run(options: Options, few: int, many: int) -> tuple[float, float]:
    backlog = _mixed(few, many)
    with servers(of_path(options)) as used:
        database = used.new_database()
        with daemon(used, database) as pid, Memory(pid) as memory:
            took = work_off(Workload(used, OURS, pid, database), backlog)
    return memory.peak_mib(), len(backlog.messages) / took


def _mixed(few: int, many: int) -> Backlog:
    """The large ones evenly among the ordinary ones."""
    messages: list[Message] = []
    every, good = many // few, many
    for number, ordinary in enumerate(signals(many)):
        messages.append(ordinary)
        nth, since = divmod(number, every)
        if since == 0 and nth < few:
            messages.append(_large(nth))
            good += nth % RIGHT_SHARE == 0
    return Backlog(messages, good, len(messages) - good)


def _large(number: int) -> Message:
    if number % RIGHT_SHARE == 0:
        return padded(number, MAX_BYTES)
    return oversized(number) if number % (2 * RIGHT_SHARE) == 1 else rubbish(MAX_BYTES)
