"""The parts of the benchmark `actors`, in the order they run."""

from __future__ import annotations

from benchmarks.actors.asking import ask
from benchmarks.actors.growth import growth
from benchmarks.actors.idle import idle
from benchmarks.actors.restarting import restart
from benchmarks.actors.sharing import gil
from benchmarks.actors.telling import forward, tell
from benchmarks.measurement import Parts

PARTS: Parts = {
    "tell": tell,
    "forward": forward,
    "ask": ask,
    "restart": restart,
    "gil": gil,
    "idle": idle,
    "growth": growth,
}
