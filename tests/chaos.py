"""Faults at random against the real daemon under load: `./panda test --chaos MINUTES [--seed N] [--markdown FILE]`.

The exit code is 0 when every fault was survived and everything held, 1 when not, 130 when it was told to end.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.faults import report
from tests.faults.catalogue import Fault, catalogue
from tests.faults.invariants import CHECKS, Check
from tests.faults.storm import Outcome, Storm

SEEDS = 2**32
RATE = 25.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to run."""

    minutes: float
    seed: int
    rate: float
    only: tuple[str, ...]
    without: tuple[str, ...]
    but: tuple[str, ...]
    markdown: Path | None

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Those that are drawn from."""
        wanted = (one for one in catalogue() if not self.only or any(words in one.name for words in self.only))
        return tuple(one for one in wanted if not any(words in one.name for words in self.without))

    @property
    def left_out(self) -> tuple[Check, ...]:
        """Checks that are not made."""
        return tuple(check for check in CHECKS if check.__name__ in self.but)

    @property
    def command(self) -> str:
        """What runs the same again."""
        words = ["./panda", "test", "--chaos", f"{self.minutes:g}", "--seed", str(self.seed)]
        words += ["--rate", f"{self.rate:g}"] if self.rate != RATE else []
        words += [word for name in self.only for word in ("--only", name)]
        words += [word for name in self.without for word in ("--without", name)]
        return shlex.join([*words, *(word for name in self.but for word in ("--but", name))])


def main(arguments: Sequence[str]) -> int:
    """Run it and return the exit code."""
    order = parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    _say(f"seed {order.seed}: {len(order.faults)} kinds of faults for {order.minutes:g} minutes")
    directory = Path(tempfile.mkdtemp(prefix="alpha-panda-chaos-"))
    directory.chmod(0o755)
    try:
        outcome = Storm(directory, order.seed, order.rate, _say, order.left_out).run(order.faults, order.minutes * 60)
    except KeyboardInterrupt:
        _say(f"interrupted; logs: {directory}")
        return 130
    _show(order, outcome)
    if outcome.trouble:
        _say("\n".join(("", *outcome.trouble)))
        _say(f"logs: {directory}\nthe same again:\n  {order.command}")
        return 1
    _discard(directory)
    return 0


def parse(arguments: Sequence[str]) -> Order:
    """Read the command line; ends the process when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="./panda test", description="Faults at random under load.", allow_abbrev=False
    )
    parser.add_argument("--chaos", type=float, required=True, metavar="MINUTES", help="how long faults are inflicted")
    parser.add_argument("--seed", type=int, help="of the schedule and the load (random)")
    parser.add_argument("--rate", type=float, default=RATE, help=f"messages a second ({RATE:g})")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS", help="faults whose name has the words")
    parser.add_argument("--without", action="append", default=[], metavar="WORDS", help="leave out faults named so")
    checks = [check.__name__ for check in CHECKS]
    parser.add_argument("--but", action="append", default=[], choices=checks, help="a check to leave out")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into this page")
    known = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(SEEDS) if known.seed is None else known.seed
    order = Order(
        known.chaos, seed, known.rate, tuple(known.only), tuple(known.without), tuple(known.but), known.markdown
    )
    if not order.faults:
        parser.error(f"no fault is named so; there are: {', '.join(fault.name for fault in catalogue())}")
    return order


def _show(order: Order, outcome: Outcome) -> None:
    _say(f"\n{report.plain(outcome, order.faults)}\n{outcome.sent} messages sent in {outcome.duration_s:.0f} s")
    if left := [fault.name for fault in order.faults if not outcome.tallies[fault.name].injected]:
        _say(f"the time was too short for {len(left)} of {len(order.faults)} kinds: {', '.join(left)}")
    if order.markdown is not None:
        report.write(order.markdown, report.markdown(outcome, order.faults, order.command))


def _discard(directory: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.rmtree(directory)


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
