"""`db verify`: whether the database is what this version needs, thing by thing, with the cure for what is not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from console.books import read_all
from console.database import on_database
from console.failure import FAILED, OK
from console.output import duration, screen
from console.wire import write_json
from persistence.books import TABLE
from persistence.database import Database, open_database, safe_url
from persistence.errors import Unavailable
from persistence.migration import heads
from persistence.schema_facts import Kind
from persistence.verification import TOOK_TOO_LONG, Finding, Verdict, prove
from settings import Settings

OF_A_COLUMN = (Kind.COLUMN, Kind.NULLS, Kind.DEFAULT)
GROUPS: dict[str, tuple[Kind, ...]] = {
    "columns": OF_A_COLUMN,
    "keys": (Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.FOREIGN_KEY, Kind.CHECK),
    "indexes": (Kind.INDEX,),
    "rows": (Kind.ROWS,),
}
"""What the table of what passed shows together."""


@dataclass(frozen=True, slots=True)
class Proof:
    """All that was found in one database, and how long it took."""

    database: str
    findings: Sequence[Finding]
    took_s: float

    def with_verdict(self, verdict: Verdict) -> list[Finding]:
        """Those findings, in the order of the models."""
        return [one for one in self.findings if one.verdict is verdict]


def run(settings: Settings, timeout_s: float, *, as_json: bool) -> int:
    """Prove it, and print what was found; 1 when something is wrong."""

    def act(url: str) -> int:
        proof = _prove(url, settings, timeout_s)
        if as_json:
            write_json(document(proof))
        else:
            show(proof, screen())
        return FAILED if proof.with_verdict(Verdict.FAILED) else OK

    return on_database(settings, act)


def document(proof: Proof) -> dict[str, object]:
    """The proof for other programs."""
    return {
        "database": proof.database,
        "head": heads(),
        "passed": len(proof.with_verdict(Verdict.PASSED)),
        "failed": len(proof.with_verdict(Verdict.FAILED)),
        "notes": len(proof.with_verdict(Verdict.NOTE)),
        "took_s": round(proof.took_s, 3),
        "findings": [
            {
                "table": one.table,
                "kind": one.kind.value,
                "name": one.name,
                "verdict": one.verdict.value,
                "detail": one.detail,
                "cure": one.cure or None,
            }
            for one in proof.findings
        ],
    }


def show(proof: Proof, console: Console) -> None:
    """Failures first, each with its cure; then notes; then what passed, by table."""
    for one in proof.with_verdict(Verdict.FAILED):
        _show_one(one, "[bold red]failed[/]", console)
    for one in proof.with_verdict(Verdict.NOTE):
        _show_one(one, "[yellow]note[/]", console)
    passed, failed = proof.with_verdict(Verdict.PASSED), len(proof.with_verdict(Verdict.FAILED))
    console.print(_table(passed))
    ended = f"[bold red]{failed:,} failed[/]" if failed else "[green]nothing failed[/]"
    console.print(f"{len(passed):,} proved, {ended}, in {duration(proof.took_s)}; head {heads()}")


def _prove(url: str, settings: Settings, timeout_s: float) -> Proof:
    database = open_database(url, settings.database, "console")
    try:
        database.check_schema()
        began = time.monotonic()
        findings = prove(database.engine, timeout_s)
        findings += _books(database, findings, timeout_s)
        return Proof(safe_url(url), findings, time.monotonic() - began)
    finally:
        database.close()


def _books(database: Database, found: Sequence[Finding], timeout_s: float) -> list[Finding]:
    """Whether the daemon can open all books; not asked where the table is not as it has to be."""
    wrong = {Kind.TABLE, Kind.COLUMN}
    if any(one.table == TABLE and one.kind in wrong and one.verdict is Verdict.FAILED for one in found):
        return []
    key = TABLE, Kind.ROWS, "books that cannot be opened"
    try:
        unreadable = read_all(database, timeout_s)
    except Unavailable as error:
        if error.sqlstate != TOOK_TOO_LONG:
            raise
        return [Finding(*key, Verdict.FAILED, f"not proved within {timeout_s:g} s", "give it longer with --timeout")]
    if not unreadable.count:
        return [Finding(*key, Verdict.PASSED, "none")]
    more = unreadable.count - len(unreadable.problems)
    named = "; ".join((*unreadable.problems, *([f"and {more:,} more"] if more else [])))
    wanted = ", ".join(map(str, unreadable.row_ids))
    those = f"SELECT * FROM {TABLE} WHERE id IN ({wanted})"  # noqa: S608  # it is shown, and made of numbers
    cure = f"correct them, the broker is parked until then: {those}"
    return [Finding(*key, Verdict.FAILED, f"{unreadable.count:,}: {named}", cure)]


def _show_one(one: Finding, verdict: str, console: Console) -> None:
    where = one.table if one.kind is Kind.TABLE else f"{one.table}: {one.kind.value} {one.name}"
    console.print(f"{verdict} {escape(where)} {escape(one.detail)}", soft_wrap=True)
    if one.cure:
        console.print(f"       [dim]{escape(one.cure)}[/]", soft_wrap=True)


def _table(passed: Sequence[Finding]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in ("table", "proved", "", "which"):
        table.add_column(column, justify="left" if column else "right", no_wrap=column != "which", overflow="fold")
    for name in dict.fromkeys(one.table for one in passed):
        heading = name
        for group, kinds in GROUPS.items():
            facts = Counter(one.name for one in passed if one.table == name and one.kind in kinds)
            # A column is proved when all its facts are.
            names = [one for one in facts if kinds != OF_A_COLUMN or facts[one] == len(OF_A_COLUMN)]
            if names:
                table.add_row(heading, group, str(len(names)), _listed(group, names))
                heading = ""
    return table


def _listed(group: str, names: Sequence[str]) -> str:
    if group == "columns":
        return "type, nulls and default of each"
    return f"none: {'; '.join(names)}" if group == "rows" else ", ".join(names)
