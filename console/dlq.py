"""`dlq`: the dead letters, through the daemon, which masks what is secret in them."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from console.failure import FAILED, OK, USAGE, Failure
from console.operator_socket import OperatorSocket
from console.output import WIDE, duration, plain_table, printable, screen
from console.wire import age_s, write_json
from settings import Settings

SHORT_ID = 8
UNCUT = 10_000
"""Columns of a table that no terminal has to hold."""

_AGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]+)?)([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


def show_all(settings: Settings, *, limit: int, reason: str | None, as_json: bool) -> int:
    """Print the newest dead letters; whole where no terminal cuts them, so that other programs can search them."""
    wanted = {} if reason is None else {"reason": reason}
    found = _daemon(settings).get("dlq", limit=str(limit), **wanted)["dead_letters"]
    if as_json:
        write_json(found)
    elif not found:
        screen().print("no dead letters" + ("" if reason is None else f" for {reason!r}"), markup=False)
    else:
        console = _screen()
        console.print(_table(found, cut=console.width < WIDE + 40))
    return OK


def show(settings: Settings, letter: str, *, as_json: bool) -> int:
    """Print one dead letter: what is known of it, then its bytes."""
    found = _daemon(settings).get("dlq", letter)
    if as_json:
        write_json(found)
        return OK
    console = _screen()
    table = plain_table("", "")
    table.show_header = False
    facts = {
        name: value for name, value in found.items() if name not in {"headers", "masked", "payload", "payload_hex"}
    }
    facts |= {f"header {name}": value for name, value in found["headers"].items()}
    for name, value in facts.items():
        text = "-" if value is None else printable(str(value))
        table.add_row(f"[dim]{escape(printable(name)).replace('_', ' ')}[/]", escape(text))
    console.print(table)
    console.print()
    console.print(_payload(found), markup=False, soft_wrap=True)
    return OK


def replay(settings: Settings, letters: Sequence[str], *, again: bool) -> int:
    """Have dead letters published again, one by one; exit code 1 when one was refused, after all were tried."""
    daemon, console, refused = _daemon(settings), screen(), 0
    for letter in letters:
        try:
            done = daemon.post("dlq", letter, "replay", again="true" if again else "false")
        except Failure as failure:
            if len(letters) == 1 or failure.exit_code not in {FAILED, USAGE}:
                raise
            refused += 1
            screen(to_stderr=True).print(str(failure), markup=False, soft_wrap=True)
        else:
            console.print(f"{done['id']}  to {done['subject']} as {done['message_id']}", markup=False, soft_wrap=True)
    if refused:
        raise Failure(f"{refused} of {len(letters)} were not replayed, for the reasons above", FAILED)
    return OK


def purge(settings: Settings, older_than: str | None, *, everything: bool, yes: bool) -> int:
    """Delete dead letters, those stored before the age or all, in small portions; prints how many went."""
    if (older_than is None) != everything:
        raise Failure("say which: --older-than AGE, or --all", USAGE)
    age = 0.0 if older_than is None else seconds(older_than)
    daemon, console = _daemon(settings), screen()
    found = daemon.get("dlq", "older-than", f"{age:f}")
    if found["count"] and not yes and not _agreed(found["count"]):
        console.print("nothing was deleted")
        return FAILED
    gone = 0
    while found["count"] and (portion := int(daemon.delete("dlq", before=found["before"])["purged"])):
        gone += portion
    console.print(f"{gone} deleted")
    return OK


def seconds(age: str) -> float:
    """The seconds of an age such as `30d`.

    Raises:
        Failure: it is none.
    """
    read = _AGE.fullmatch(age.strip().lower())
    if read is None or not math.isfinite(amount := float(read[1])):
        raise Failure(f"--older-than {age}: not an age; write it as 30d, 12h, 90m or 45s", USAGE)
    return amount * _UNIT_S[read[2]]


def _daemon(settings: Settings) -> OperatorSocket:
    return OperatorSocket(settings.socket_path)


def _screen() -> Console:
    """A console that cuts nothing off where it is no terminal."""
    console = screen()
    if not console.is_terminal:
        console.width = UNCUT
    return console


def _table(letters: Sequence[Mapping[str, Any]], *, cut: bool) -> Table:
    marked = ("replayed",) if not cut or any(letter["replays"] for letter in letters) else ()
    table = plain_table("id", "time", "age", "subject", *marked, "reason", right=frozenset({"age", "replayed"}))
    for letter in letters:
        identity = letter["id"][:SHORT_ID] if cut else letter["id"]
        time = letter["time"][5:19] if cut else letter["time"][:19] + "Z"
        table.add_row(
            identity,
            time.replace("T", " "),
            duration(age_s(letter["time"])),
            escape(printable(letter["subject"])),
            *((_replayed(letter),) if marked else ()),
            escape(printable(letter["reason"])),
        )
    return table


def _replayed(letter: Mapping[str, Any]) -> str:
    if not letter["replays"]:
        return "-"
    times = f" {letter['replays']}x" if letter["replays"] > 1 else ""
    return f"{duration(age_s(letter['replayed_at']))} ago{times}"


def _payload(letter: Mapping[str, Any]) -> str:
    text, digits = letter["payload"], letter["payload_hex"]
    if text is not None:
        return printable(text, kept="\n\t") or "(no bytes)"
    if digits is not None:
        return str(digits)
    return f"({letter['bytes']} bytes that may hold a token, and are not shown)"


def _agreed(count: int) -> bool:
    """Whether the operator says yes.

    Raises:
        Failure: there is nobody to ask.
    """
    sys.stderr.write(f"Delete {count} dead letter{'s' if count > 1 else ''} for good? [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        sys.stderr.write("\n")
        raise Failure("nothing was deleted, as nobody answered; give --yes", USAGE)
    return answer.strip().lower() in {"y", "yes"}
