"""Which letters of the writer's mailbox go into one group commit."""

from __future__ import annotations

from collections import deque

from actors.messages import CommitUnit, OutboxPublished
from actors.runtime.mailbox import Letter

COMMIT_BYTES = 8 << 20
"""A group commit takes no more units once it has this much to write."""


def take_units(letters: deque[Letter]) -> tuple[list[CommitUnit], list[str]]:
    """Take the units at the front, and the ids of published outbox rows among them, which no unit waits for.

    A unit that ends a session stands alone, as it may follow a save of the same user.
    """
    units: list[CommitUnit] = []
    published: list[str] = []
    size = 0
    while letters and size < COMMIT_BYTES:
        message = letters[0].message
        if isinstance(message, OutboxPublished):
            published += message.ids
        elif isinstance(message, CommitUnit) and not (units and message.invalidation is not None):
            units.append(message)
            size += message.size
        else:
            break
        letters.popleft()
        if units and units[-1].invalidation is not None:
            break
    return units, published
