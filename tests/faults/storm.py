"""Faults drawn at random, one after another, against the real daemon under load; everything is checked again and again.

The seed decides which faults come in which order and what is left to chance in each; how many of them there is time
for is decided by the clock.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.catalogue import Fault
from tests.faults.invariants import Check
from tests.faults.world import World

CHECK_EVERY = 6
QUIET_S = 1.0


@dataclass(slots=True)
class Tally:
    """What became of one kind of fault."""

    injected: int = 0
    survived: int = 0
    slowest_s: float = 0.0
    signals: int = 0
    """Counted from when such a fault began until it was recovered from."""


@dataclass(slots=True)
class Outcome:
    """What became of a storm."""

    seed: int
    tallies: dict[str, Tally] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    """Empty when everything was survived."""
    signals: int = 0
    sent: int = 0
    duration_s: float = 0.0


def schedule(seed: int, faults: Sequence[Fault]) -> Iterator[tuple[Fault, Random]]:
    """Faults without end: every one of them once in each round, in an order of its own, each with its own numbers."""
    random = Random(seed)
    for _ in itertools.count():
        yield from ((fault, Random(random.random())) for fault in random.sample(faults, len(faults)))


class Storm:
    """One run.

    Args:
        directory: of its own.
        seed: decides the schedule and the load.
        rate: messages a second.
        say: takes a line for people.
        but: checks that are left out.
    """

    def __init__(
        self,
        directory: Path,
        seed: int,
        rate: float,
        say: Callable[[str], None],
        but: tuple[Check, ...] = (),
    ) -> None:
        self._world = World(directory, seed, rate)
        self._say = say
        self._but = but
        self._outcome = Outcome(seed)
        self._unproven: list[Fault] = []

    def run(self, faults: Sequence[Fault], lasts_s: float, at_most: int | None = None) -> Outcome:
        """Inflict faults for so long, or so many of them, or until one is not survived."""
        outcome, began = self._outcome, time.monotonic()
        outcome.tallies = {fault.name: Tally() for fault in faults}
        with self._world as world:
            world.wait(QUIET_S)
            for number, (fault, random) in enumerate(schedule(outcome.seed, faults), start=1):
                self._one(number, fault, random)
                is_last = time.monotonic() - began >= lasts_s or number == at_most
                if not outcome.trouble and (is_last or number % CHECK_EVERY == 0):
                    self._check()
                if outcome.trouble or is_last:
                    break
            outcome.sent = world.load.sent
            if not outcome.trouble:
                outcome.signals = world.counted()
        outcome.duration_s = time.monotonic() - began
        return outcome

    def _one(self, number: int, fault: Fault, random: Random) -> None:
        world, tally = self._world, self._outcome.tallies[fault.name]
        tally.injected += 1
        self._unproven.append(fault)
        try:
            counted, restarts = world.counted(), world.restarts()
            fault.inflict(world, random)
            over = time.monotonic()
            world.recover()
            took_s = time.monotonic() - over
            gained = world.counted() - counted
            more = world.restarts() - restarts if fault.only_an_outage else 0
        except Exception as error:  # noqa: BLE001  # whatever goes wrong is the outcome
            self._outcome.trouble.append(f"{fault.name} (number {number}): {type(error).__name__}: {error}")
            return
        if more:
            self._outcome.trouble.append(f"{fault.name} (number {number}): it restarted {more} children")
        tally.slowest_s = max(tally.slowest_s, took_s)
        tally.signals += gained
        self._say(f"{number:4}  {fault.name:36}  recovered in {took_s:5.1f} s, {gained} signals counted")
        world.wait(QUIET_S)

    def _check(self) -> None:
        wrong = self._world.check(self._but)
        if wrong:
            names = ", ".join(fault.name for fault in self._unproven)
            self._outcome.trouble += [*wrong, f"since the last check: {names}"]
            return
        for fault in self._unproven:
            self._outcome.tallies[fault.name].survived += 1
        self._say(f"      everything holds: {self._world.counted()} signals counted")
        self._unproven = []
