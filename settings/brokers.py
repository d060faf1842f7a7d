"""Which brokers can be named in the settings: those whose adapter is installed."""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points

ENTRY_POINT_GROUP = "alpha_panda.brokers"
BUILT_IN = ("paper",)
"""Also known in a checkout that is not installed, which has no entry points."""


def known_brokers() -> tuple[str, ...]:
    """The names that have an adapter, sorted."""
    return tuple(sorted({*BUILT_IN, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))}))


def meant_broker(name: str) -> str | None:
    """The broker that this one is likely to be misspelt from; None where none is like it, or where it is known."""
    known = known_brokers()
    close = [] if name in known else difflib.get_close_matches(name, known, 1)
    return close[0] if close else None
