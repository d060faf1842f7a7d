"""Shows what was measured: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.measurement import Measurement, Options, Sample, Target

RESULTS = Path(__file__).parent / "results"
WIDTH = 200
"""Of the table where the output is no terminal."""

VERDICTS = {True: "[green]met[/]", False: "[bold red]missed[/]", None: ""}


@dataclass(frozen=True, slots=True)
class Report:
    """One run of a benchmark: of which parts, how much of it, on what machine, and what was found."""

    name: str
    parts: tuple[str, ...]
    options: Options
    machine: Mapping[str, Any]
    found: Sequence[Measurement]


def show(report: Report, console: Console | None = None) -> None:
    """Print the table, and below it the machine and how many targets are met."""
    out = console or Console()
    if console is None and not out.is_terminal:
        out = Console(width=WIDTH)
    peers = ", ".join(sorted({one.peer_name for one in report.found if one.peer}))
    quick = "; quick: the figures mean nothing" if report.options.quick else ""
    title = f"{report.name}: median (lowest..highest of {report.options.rounds} rounds){quick}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("what", no_wrap=True)
    for column in ("ours", f"peer: {peers}" if peers else "peer", "ratio", "target"):
        table.add_column(column, justify="right")
    table.add_column("met?")
    for one in report.found:
        table.add_row(
            f"{one.what}, {one.unit}",
            _cell(one.ours),
            "-" if one.peer is None else _cell(one.peer),
            "-" if one.ratio is None else _cell(one.ratio),
            target_text(one.target),
            VERDICTS[one.met],
        )
    out.print(table)
    facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in report.machine.items())
    out.print(facts, highlight=False, soft_wrap=True)
    judged = [one.met for one in report.found if one.met is not None]
    out.print(f"{sum(judged)} of {len(judged)} targets met", highlight=False)


def target_text(target: Target | None) -> str:
    """A target in words."""
    if target is None:
        return ""
    return f"{target.side.value} {target.bound:g}{' x peer' if target.of_ratio else ''}"


def write(report: Report, path: Path) -> None:
    """Write all of it as JSON.

    Raises:
        OSError: the file cannot be written.
    """
    document = {
        "benchmark": report.name,
        "parts": report.parts,
        "options": asdict(report.options),
        "machine": dict(report.machine),
        "measurements": [_document(one) for one in report.found],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def _document(one: Measurement) -> dict[str, Any]:
    return {
        "what": one.what,
        "unit": one.unit,
        "ours": _sample(one.ours),
        "peer": None if one.peer is None else {"name": one.peer_name, **_sample(one.peer)},
        "ratio": None if one.ratio is None else _sample(one.ratio),
        "target": target_text(one.target) or None,
        "met": one.met,
    }


def _sample(sample: Sample) -> dict[str, Any]:
    return {"median": sample.median, "low": sample.low, "high": sample.high, "rounds": list(sample.rounds)}


def _cell(sample: Sample) -> str:
    return f"{_figure(sample.median)} ({_figure(sample.low)}..{_figure(sample.high)})"


def _figure(value: float) -> str:
    """Three significant digits; thousands and millions as such."""
    for factor, sign in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{sign}"
    return f"{value:.3g}"
