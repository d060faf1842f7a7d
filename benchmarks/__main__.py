"""`./panda bench [NAME ...]`: runs benchmarks by name, prints a table for each and writes its figures as JSON.

The exit code is 0 when all was measured, also when targets are missed; 1 when something could not be, 64 for a wrong
command line. To add a benchmark, name in `BENCHMARKS` a module that has `PARTS`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from benchmarks import machine
from benchmarks.database import options as database_options
from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Parts
from benchmarks.path import options as path_options
from benchmarks.report import RESULTS, Report, show, write
from benchmarks.rounds import quiet

BENCHMARKS = {
    "actors": "benchmarks.actors.parts",
    "path": "benchmarks.path.parts",
    "service": "benchmarks.service.parts",
    "database": "benchmarks.database.parts",
}
"""The module of each benchmark, imported when it is run; its `PARTS` are what it measures, and `read_options`, if it
has one, makes its options of the command line. The parts in its `SLOW`, if it has one, run only when named."""

FAILED, USAGE, INTERRUPTED = 1, 64, 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.list:
        for name in BENCHMARKS:
            print(f"{name}: {_listed(name)}")
        return 0
    names = chosen.names or list(BENCHMARKS)
    _check(parser, chosen, names)
    try:
        for name in names:
            path = chosen.json or RESULTS / f"{name}.json"
            _run(name, chosen.part or _usual(name), _options(name, chosen), path)
    except (BenchmarkFailed, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="panda bench", description="Run the benchmarks named, or all.", allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and their parts, and run none")
    parser.add_argument("--part", action="append", metavar="PART", help="only this part; can be given several times")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds of each side (default 5)")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, to see that it runs: the figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write here, not to benchmarks/results/NAME.json")
    for options in (path_options, database_options):
        options.add_arguments(parser)
    return parser


def _check(parser: argparse.ArgumentParser, chosen: argparse.Namespace, names: Sequence[str]) -> None:
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark is named {name}; there are: {', '.join(BENCHMARKS)}")
    if len(names) > 1 and (chosen.json or chosen.part):
        parser.error("--json and --part need one NAME")
    for part in chosen.part or ():
        if part not in _parts(names[0]):
            parser.error(f"{names[0]} has no part {part}; it has: {', '.join(_parts(names[0]))}")
    if chosen.rounds < 1:
        parser.error("--rounds must be at least 1")
    folder = (chosen.json or RESULTS / names[0]).absolute().parent
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        parser.error(f"cannot write to {folder}: name another file with --json")


def _parts(name: str) -> Parts:
    parts: Parts = importlib.import_module(BENCHMARKS[name]).PARTS
    return parts


def _usual(name: str) -> list[str]:
    """The parts that run when none is named."""
    return [part for part in _parts(name) if part not in _slow(name)]


def _slow(name: str) -> frozenset[str]:
    slow: frozenset[str] = getattr(importlib.import_module(BENCHMARKS[name]), "SLOW", frozenset())
    return slow


def _listed(name: str) -> str:
    usual, slow = ", ".join(_usual(name)), ", ".join(part for part in _parts(name) if part in _slow(name))
    return f"{usual}; when named with --part: {slow}" if slow else usual


def _options(name: str, chosen: argparse.Namespace) -> Options:
    module = importlib.import_module(BENCHMARKS[name])
    options: Options = getattr(module, "read_options", _common)(chosen)
    return options


def _common(chosen: argparse.Namespace) -> Options:
    return Options(chosen.rounds, chosen.quick)


def _run(name: str, parts: Sequence[str], options: Options, path: Path) -> None:
    facts = machine.facts()
    found: list[Measurement] = []
    with quiet():
        for part in parts:
            print(f"{name}: measuring {part}", file=sys.stderr, flush=True)
            found += _parts(name)[part](options)
    facts["load_average_after"] = machine.load_average()
    whole = Report(name, tuple(parts), options, facts, found)
    write(whole, path)
    show(whole)
    print(f"written to {path}")


if __name__ == "__main__":
    sys.exit(main())
