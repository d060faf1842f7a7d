"""Where every thread of the process is, for the log; nobody is asked, so it works whoever is stuck."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from actors.runtime.clock import Clock
from actors.runtime.directory import Directory, Handle
from actors.runtime.repetition import EACH
from actors.runtime.stacks import Stack, as_text, stacks
from actors.runtime.zombies import Zombies


@dataclass(frozen=True, slots=True)
class ThreadDump:
    """What is told of the threads of one process; from any thread.

    Args:
        root: the supervisor of all, which is in no directory.
    """

    root: Handle
    directory: Directory
    zombies: Zombies
    clock: Clock

    def write(self) -> None:
        """Log one event for each thread and for each actor without one, whatever the log's level."""
        log = structlog.wrap_logger(None, wrapper_class=structlog.BoundLogger)
        entries = self.entries()
        for entry in entries:
            log.info("stack", **entry, **{EACH: True})
        log.info("stacks end", threads=sum("stack" in entry for entry in entries), **{EACH: True})

    def entries(self) -> list[dict[str, Any]]:
        """The root and its children in start order, abandoned threads, then all others by name.

        `native_id` is what the kernel calls a thread, for `top -H`, strace and gdb.
        """
        threads = threading.enumerate()
        found = stacks(threads)
        told = [*self._actors(found)]
        told += [
            {
                "actor": zombie.name,
                "state": "abandoned",
                "native_id": zombie.native_id,
                "stack": as_text(found.pop(zombie)),
            }
            for zombie in self.zombies.all()
            if zombie in found
        ]
        others = sorted(found, key=lambda thread: thread.name)
        return told + [
            {"thread": thread.name, "native_id": thread.native_id, "stack": as_text(found[thread])} for thread in others
        ]

    def _actors(self, found: dict[threading.Thread, Stack]) -> Iterator[dict[str, Any]]:
        """One entry for each actor; takes the stack of its thread out of those found."""
        yield self._actor(self.root, found)
        handles = self.directory.handles
        for name, child in self.directory.children().items():
            if name in handles:
                place = {"state": child.status.value, "generation": child.generation}
                yield self._actor(handles[name], found, **place)

    def _actor(self, handle: Handle, found: dict[threading.Thread, Stack], **place: Any) -> dict[str, Any]:
        telemetry = handle.telemetry
        thread, doing, since = telemetry.thread, telemetry.doing, telemetry.handling_since
        entry: dict[str, Any] = {"actor": handle.name, **place, "handling": doing}
        if doing is not None:
            entry["for_s"] = round(max(0.0, self.clock.monotonic() - since), 3)
        if thread is not None and thread in found:
            entry["native_id"] = thread.native_id
            entry["stack"] = as_text(found.pop(thread))
        return entry
