"""No message, row or record shows a token when it is printed: logs and tracebacks may print any of them."""

from __future__ import annotations

import inspect
import typing
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any

import pytest

from actors import messages, rows
from persistence import kept_payloads, records

TOKEN = "s3cr3t-t0k3n"
MADE_BY_US = {"event_data", "positions"}
"""What of books and their history is made of signals, which carry no token."""
FILLED: dict[str, Any] = {
    "access_token": TOKEN,
    "session_data": {"access_token": TOKEN},
    "headers": {"Authorization": TOKEN},
}


def shapes(module: ModuleType) -> list[type]:
    """The dataclasses and named tuples of the module."""
    own = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__]
    return [kind for kind in own if is_dataclass(kind) or hasattr(kind, "_fields")]


def names_of(kind: type) -> list[str]:
    return [field.name for field in fields(kind)] if is_dataclass(kind) else list(kind._fields)  # type: ignore[attr-defined]


def secretive(kind: type) -> dict[str, Any]:
    """The fields in which a token can be, with one in each."""
    hints = typing.get_type_hints(kind)
    found = {}
    for name in names_of(kind):
        if name in FILLED:
            found[name] = FILLED[name]
        elif name not in MADE_BY_US and bytes in (hints[name], *typing.get_args(hints[name])):
            found[name] = TOKEN.encode()
    return found


KINDS = [kind for module in (messages, rows, records, kept_payloads) for kind in shapes(module) if secretive(kind)]


def test_those_that_can_carry_a_token_are_known() -> None:
    assert {kind.__name__ for kind in KINDS} == {
        *("Delivery", "SaveSession", "StoredSession"),
        *("SessionRow", "DeadLetterRow", "OutboundMessage"),
        *("SessionRecord", "OutboxRecord", "DeadLetterRecord", "ReadPayload"),
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_token_is_not_in_the_repr(kind: type) -> None:
    made = kind(**dict.fromkeys(names_of(kind), "x") | secretive(kind))

    assert TOKEN not in repr(made)
    assert TOKEN not in repr([(made,)])
