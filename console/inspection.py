"""`inspect`: one actor from close by, as the daemon shows it; it answers whoever is stuck."""

from __future__ import annotations

from console.inspection_screen import inspection_screen
from console.operator_socket import OperatorSocket
from console.output import screen
from console.wire import write_json
from settings import Settings


def run(settings: Settings, child: str, *, as_json: bool) -> int:
    """Print what is known of the child; an unknown one is refused with those there are."""
    document = OperatorSocket(settings.socket_path).get("children", child)
    if as_json:
        write_json(document)
    else:
        console = screen()
        console.print(inspection_screen(document, console.width))
    return 0
