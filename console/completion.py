"""What a shell may complete by asking the daemon; without one there is nothing to complete."""

from __future__ import annotations

import typer

from console.failure import Failure
from console.operator_socket import OperatorSocket
from settings import SettingsError, load

PATIENCE_S = 1.0


def children(context: typer.Context, incomplete: str) -> list[str]:
    """The names of the daemon's children that begin so."""
    try:
        settings = load(context.find_root().params.get("env_file"))
        status = OperatorSocket(settings.socket_path, PATIENCE_S).get("status")
    except (Failure, SettingsError, OSError):
        return []
    return [child["name"] for child in status["children"] if child["name"].startswith(incomplete)]
