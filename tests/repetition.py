"""The same tests many times in a row, each round in another order: `./panda test --repeat N [--hostile] [PATHS]`.

With `--hostile` threads are switched every microsecond, and busy processes load every core but one. The rounds end at
the first that fails, which is shown whole with the command that repeats it; so does a round that does not end in time,
with the stacks of its threads. Other words go to pytest as they are. The exit code is 0 when every round passed, 1 when
one failed, 130 when it was told to end, as by Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parents[1]
DEFAULT_PATH = "tests/runtime"
SEEDS = 2**32
END_WAIT_S = 20.0

BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    sum(range(100_000))"
"""Ends when its parent does, however that ended."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to repeat, and how."""

    rounds: int
    hostile: bool
    seed: int
    """Of the first round; each later round has the next number."""
    round_timeout_s: float
    words: tuple[str, ...]
    """Paths and options for pytest."""

    def round_command(self, seed: int) -> list[str]:
        plugins = ["-p", "no:cacheprovider", *(("-p", "tests.hostile") if self.hostile else ())]
        seeds = [f"--randomly-seed={seed}", f"--hypothesis-seed={seed}"]
        return [sys.executable, "-m", "pytest", "-q", "-n", "0", "--color=no", *plugins, *seeds, *self.words]

    def repeated_by(self, seed: int) -> str:
        """The command that runs the round with this seed again."""
        how = ["--repeat", "1", *(["--hostile"] if self.hostile else []), "--seed", str(seed)]
        return shlex.join(["./panda", "test", *how, *self.words])


@dataclass(frozen=True, slots=True)
class Round:
    """How a round ended."""

    passed: int
    duration_s: float
    trouble: str
    """Empty when all of it passed."""
    output: str


def main(arguments: Sequence[str]) -> int:
    """Run the rounds and return the exit code."""
    order = parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    busy = max(1, len(os.sched_getaffinity(0)) - 1) if order.hostile else 0
    way = f", threads switched every microsecond, busy processes: {busy}" if busy else ""
    _say(f"{shlex.join(order.words)}: rounds: {order.rounds}{way}")
    try:
        with load(busy):
            return repeat(order)
    except KeyboardInterrupt:
        _say("interrupted")
        return 130


def parse(arguments: Sequence[str]) -> Order:
    """Read the command line; ends the process when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="./panda test",
        description="Repeat tests, each round in another order.",
        epilog=f"Paths ({DEFAULT_PATH} by default) and other options go to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument("--repeat", type=_count, default=50, metavar="N", help="how many rounds (50)")
    parser.add_argument("--hostile", action="store_true", help="1 us thread switches, the other cores busy")
    parser.add_argument("--seed", type=int, help="seed of the first round (random); each later one has the next number")
    parser.add_argument("--round-timeout", type=float, default=900.0, metavar="S", help="seconds for one round (900)")
    known, words = parser.parse_known_args(arguments)
    if not any((CHECKOUT / word.partition("::")[0]).exists() for word in words):
        words.append(DEFAULT_PATH)
    seed = random.SystemRandom().randrange(SEEDS) if known.seed is None else known.seed % SEEDS
    return Order(known.repeat, known.hostile, seed, known.round_timeout, tuple(words))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rounds: give 1 or more")
    return int(text)


def repeat(order: Order) -> int:
    """Run round after round until one fails; returns the exit code."""
    passed = 0
    for number in range(order.rounds):
        seed = (order.seed + number) % SEEDS
        done = run_round(order, seed)
        name = f"round {number + 1} of {order.rounds}, seed {seed}"
        if done.trouble:
            _say(f"{done.output}\n{name}: {done.trouble}; the same again:\n  {order.repeated_by(seed)}")
            _say(f"rounds passed before it: {number}, tests: {passed}")
            return 1
        passed += done.passed
        _say(f"{name}: {done.passed} passed in {done.duration_s:.1f} s")
    _say(f"all rounds passed: {order.rounds}, tests: {passed}")
    return 0


def run_round(order: Order, seed: int) -> Round:
    """Run the tests once, in a process and session of their own, which are gone when this returns or raises."""
    with TemporaryFile("w+", errors="replace") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            order.round_command(seed), cwd=CHECKOUT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = process.wait(order.round_timeout_s)
            trouble = f"failed with exit code {status}" if status else ""
        except subprocess.TimeoutExpired:
            _end(process, signal.SIGABRT)  # on which pytest's faulthandler writes the stacks
            trouble = f"did not end within {order.round_timeout_s:g} s"
        except BaseException:
            _end(process, signal.SIGINT)
            raise
        duration_s = time.monotonic() - began
        output.seek(0)
        text = output.read()
    counts = re.findall(r"\b(\d+) passed", text)
    return Round(int(counts[-1]) if counts else 0, duration_s, trouble, text)


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Tell the tests to end, and kill what has not ended in time with all that it started."""
    process.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_WAIT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def load(count: int) -> Iterator[None]:
    """Keep so many processes busy meanwhile."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            command = [sys.executable, "-I", "-S", "-c", BUSY, str(os.getpid())]
            processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
