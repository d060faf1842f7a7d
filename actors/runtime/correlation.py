"""By which ids a message is known from the stream to the row; for the log."""

from __future__ import annotations

from typing import Any


def ids_of(message: Any) -> dict[str, str]:
    """The message's id and its correlation id, those that it has."""
    about = getattr(message, "signal", message)
    message_id = getattr(about, "signal_id", None) or getattr(about, "message_id", None)
    ids = {"message_id": message_id, "correlation_id": getattr(about, "correlation_id", None)}
    return {name: one for name, one in ids.items() if isinstance(one, str) and one}
