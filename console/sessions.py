"""`sessions`: the stored logins, through the daemon; a token goes in by standard input and never comes out."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.fernet import Fernet
from rich.markup import escape

from console.encoding import demand_utf8
from console.envelope import wire_time
from console.failure import FAILED, MISCONFIGURED, OK, USAGE, Failure
from console.operator_socket import OperatorSocket
from console.output import WIDE, coloured, counted, plain_table, screen
from console.wire import write_json
from settings import Settings, program
from settings.brokers import known_brokers

WITHOUT_ADAPTER = ("zerodha",)
"""Brokers whose logins the service keeps, as it knows how long they hold, and whose adapter is not part of it."""


@dataclass(frozen=True, slots=True)
class Login:
    """What is told of a login besides its token; None is left to the daemon."""

    user_id: str
    broker: str | None
    login_method: str
    expires_at: str | None
    user_name: str | None
    email: str | None


def show_all(settings: Settings, *, as_json: bool) -> int:
    """Print every stored session."""
    stored = _daemon(settings).get("sessions")
    if as_json:
        write_json(stored)
    elif stored:
        _print_table(stored)
    else:
        screen().print(f"no sessions are stored; add one with `{program()} sessions save USER`")
    return 0


def show(settings: Settings, user: str, *, as_json: bool) -> int:
    """Print one user's session."""
    _print_one(_daemon(settings).get("sessions", user), as_json)
    return 0


def save(settings: Settings, login: Login, *, as_json: bool) -> int:
    """Store a login; prints the session as it stands after the commit.

    Raises:
        Failure: there is no such broker, the token or a time is missing or wrong, or the daemon refused.
    """
    for text in (login.user_id, login.broker, login.login_method, login.user_name, login.email):
        demand_utf8("the argument", text or "")
    known = sorted({*known_brokers(), *settings.active_brokers, *WITHOUT_ADAPTER})
    if login.broker is not None and login.broker not in known:
        raise Failure(f"--broker {login.broker}: no broker of that name; there are: {', '.join(known)}", USAGE)
    body = {
        "user_id": login.user_id,
        "broker": login.broker,
        "login_method": login.login_method,
        "expires_at": None if login.expires_at is None else wire_time(_moment(login.expires_at)),
        "user_name": login.user_name,
        "email": login.email,
        "access_token": _read_token(login.user_id),
    }
    _print_one(_daemon(settings).post("sessions", body=body), as_json)
    return 0


def invalidate(settings: Settings, user: str, reason: str, *, as_json: bool) -> int:
    """End a user's session; prints it as it stands after the commit."""
    demand_utf8("the reason", reason)
    daemon = _daemon(settings)
    daemon.get("sessions", user)
    _print_one(daemon.delete("sessions", user, reason=reason), as_json)
    return 0


def rotate_keys(settings: Settings, *, as_json: bool) -> int:
    """Have the daemon read its keys again and seal everything with the first; exit code 1 if something stays unread."""
    daemon = _daemon(settings)
    try:
        keys = daemon.post("session-keys")
    except Failure as failure:
        if failure.exit_code != FAILED:
            raise
        raise Failure(str(failure), MISCONFIGURED) from None
    done = {table: _reseal(daemon, table.replace(" ", "_")) for table in ("sessions", "dead letters")}
    if as_json:
        write_json({"keys": keys, **{table.replace(" ", "_"): counts for table, counts in done.items()}})
    else:
        _print_rotation(keys, done)
    unreadable = [key for counts in done.values() for key in counts["unreadable"]]
    if unreadable:
        some = ", ".join(unreadable[:3]) + (", .." if len(unreadable) > 3 else "")
        raise Failure(f"no key opens {some}: put back the key that sealed it and repeat this, or log in again")
    return OK


def new_key() -> int:
    """Print a key to seal tokens with."""
    sys.stdout.write(f"{Fernet.generate_key().decode()}\n")
    return OK


def _reseal(daemon: OperatorSocket, table: str) -> dict[str, Any]:
    done: dict[str, Any] = {"resealed": 0, "current": 0, "in_clear": 0, "unreadable": []}
    after: dict[str, str] = {}
    while True:
        part = daemon.post("session-keys", table, **after)
        done = {name: value + type(value)(part[name]) for name, value in done.items()}
        if part["last"] is None:
            return done
        after = {"after": part["last"]}


def _print_rotation(keys: Mapping[str, Any], done: Mapping[str, Mapping[str, Any]]) -> None:
    console = screen()
    origin = (
        "read again from the file" if keys["from_file"] else "those of the environment, which needs a restart to change"
    )
    console.print(f"{counted(keys['keys'], 'key')}, {origin}; the first one seals", markup=False)
    table = plain_table("", "re-encrypted", "already so", "in clear before", "unreadable")
    for name, counts in done.items():
        table.add_row(
            name, *(str(counts[one]) for one in ("resealed", "current", "in_clear")), str(len(counts["unreadable"]))
        )
    console.print(table)


def _daemon(settings: Settings) -> OperatorSocket:
    return OperatorSocket(settings.socket_path)


def _read_token(user: str) -> str:
    """The token from a pipe, or typed unseen; arguments would show it to every user of the machine."""
    try:
        typed = sys.stdin.isatty()
        token = getpass.getpass(f"Access token of {user}: ") if typed else sys.stdin.read()
    except (EOFError, UnicodeDecodeError):
        token = ""
    if not token.strip():
        raise Failure("no token was given; type it when asked, or pipe it into the command", USAGE)
    return token.strip()


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(f"--expires-at {text}: not a time; write it as 2030-01-31T06:00:00+05:30", USAGE) from None
    if moment.tzinfo is None:
        raise Failure(f"--expires-at {text}: no time zone; add Z for UTC, or an offset as +05:30", USAGE)
    return moment


def _print_table(stored: Sequence[Mapping[str, Any]]) -> None:
    console = screen()
    wide = console.width >= WIDE
    table = plain_table("user", "broker", "state", "login", "expires", "token", *(("updated",) if wide else ()))
    for session in stored:
        table.add_row(
            escape(session["user_id"]),
            escape(session["broker"] or "-"),
            coloured(session["state"]),
            session["login_method"] or "-",
            _time(session["expires_at"]),
            session["access_token"] or "-",
            *((_time(session["updated_at"]),) if wide else ()),
        )
    console.print(table)


def _print_one(session: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        write_json(session)
        return
    table = plain_table("", "")
    table.show_header = False
    for name, value in session.items():
        text = coloured(value) if name == "state" else escape("-" if value is None else str(value))
        table.add_row(f"[dim]{name.replace('_', ' ')}[/]", text)
    screen().print(table)


def _time(moment: str | None) -> str:
    return "-" if moment is None else moment[:16].replace("T", " ") + "Z"
