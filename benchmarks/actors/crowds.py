"""What a crowd of actors that do nothing costs to start, to find, to describe and to stop."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pykka

from benchmarks.actors.workers import Echo
from benchmarks.rounds import DEADLINE_S, seconds
from benchmarks.trees import Grove, child

START, STOP, LOOKUP, STATUS = "start", "stop", "lookup", "status"
COSTS = (START, STOP, LOOKUP, STATUS)

Crowd = Callable[[int], dict[str, float]]
"""Seconds of each cost for a crowd of that many; without those that its side does not have."""


def our_crowd(size: int) -> dict[str, float]:
    """A tree of that many children of one level."""
    names = [f"child.{number}" for number in range(size)]
    tree = Grove([child(name, Echo) for name in names])
    try:
        return {
            START: seconds(tree.start),
            LOOKUP: seconds(lambda: [tree.directory[name] for name in names]),
            STATUS: seconds(tree.report().build),
            STOP: seconds(tree.stop),
        }
    finally:
        tree.close()


class Member(pykka.ThreadingActor):
    """Says that it runs."""

    use_daemon_thread = True

    def __init__(self, running: queue.SimpleQueue[None]) -> None:
        super().__init__()
        self._running = running

    def on_start(self) -> None:
        self._running.put(None)


def plain_crowd(size: int) -> dict[str, float]:
    """That many pykka actors, all told to start before the first is waited for, and to stop likewise."""
    members: list[pykka.ActorRef[Any]] = []
    running: queue.SimpleQueue[None] = queue.SimpleQueue()

    def start() -> None:
        members.extend(Member.start(running) for _ in range(size))
        for _ in range(size):
            running.get(timeout=DEADLINE_S)

    def stop() -> None:
        pykka.get_all([member.stop(block=False) for member in members], timeout=DEADLINE_S)

    started = seconds(start)
    urns = [member.actor_urn for member in members]
    found = seconds(lambda: [pykka.ActorRegistry.get_by_urn(urn) for urn in urns])
    return {START: started, LOOKUP: found, STOP: seconds(stop)}
