"""Where the service keeps its files by default, and how people call it."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_state_path

CHECKOUT = Path(__file__).resolve().parents[1]


def default_state_dir() -> Path:
    """`$STATE_DIRECTORY` (systemd), else `.state` in a checkout, else the user's state directory."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if (CHECKOUT / "panda").is_file():
        return CHECKOUT / ".state"
    return user_state_path("alpha-panda")


def default_runtime_dir() -> Path | None:
    """`$RUNTIME_DIRECTORY` (systemd), if set."""
    given = os.environ.get("RUNTIME_DIRECTORY")
    return Path(given.split(":")[0]) if given else None


def program() -> str:
    """How the person calls this program; the `panda` script tells its own name."""
    return os.environ.get("ALPHA_PANDA_PROGRAM") or "alpha-panda"


def how_to_start() -> str:
    """The command that starts the daemon: the service manager's where this program is the one of a service."""
    unit = os.environ.get("ALPHA_PANDA_SERVICE")
    return f"systemctl start {unit}" if unit else f"{program()} run"
