"""The examination as a screen: a line for each step, and under each failure what is to be done. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

_MARKS = {"healthy": "[green]ok[/]", "degraded": "[yellow]weak[/]", "unhealthy": "[red]FAIL[/]"}


def doctor_screen(steps: Sequence[Mapping[str, Any]]) -> RenderableType:
    """The whole table, from the JSON types of its steps."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for step in steps:
        known = step["cure"] is None or step["cure"] in step["message"]
        cure = "" if known else f"\n[dim]cure:[/] {escape(step['cure'])}"
        table.add_row(_MARKS[step["status"]], escape(step["component"]), f"{escape(step['message'])}{cure}")
    return table
