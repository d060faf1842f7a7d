"""Where commands find NATS: in the settings, else by asking the daemon for the address of its embedded server."""

from __future__ import annotations

from console.operator_socket import OperatorSocket
from settings import Settings


def nats_servers(settings: Settings) -> list[str]:
    """URLs, with their passwords: never print them.

    Raises:
        DaemonDown: the settings name no server and no daemon runs.
    """
    return settings.nats.servers or [str(url) for url in OperatorSocket(settings.socket_path).get("connection")["nats"]]
