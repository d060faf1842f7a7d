"""The groups of commands: each is imported and made when somebody asks for it; no other command waits for it."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

MODULES = {
    "sessions": "console.commands.sessions",
    "db": "console.commands.database",
    "dlq": "console.commands.dlq",
    "instruments": "console.commands.instruments",
}
"""In the order of the help; each holds its Typer application as `app`."""


class WithGroups(TyperGroup):
    """The root of the command line: the commands that it is given, and the groups."""

    def __init__(self, *, commands: Mapping[str, Any], **rest: Any) -> None:
        super().__init__(**rest)
        self.commands = _Commands({**commands, **MODULES})


class _Commands(UserDict[str, Any]):
    """Commands by name; a group is the name of its module until then."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, str):
            found = self[name] = get_command(import_module(found).app)
        return found
