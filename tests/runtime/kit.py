"""Trees of workers under a test's control; the tools of the test kit and the workers are found here too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pykka

from actors import testkit
from actors.messages import StopTree
from actors.runtime.actor import ServiceActor
from actors.runtime.child import ChildSpec, GiveUp
from actors.runtime.directory import Handle
from actors.runtime.flags import Flags
from actors.runtime.tree import Status
from actors.testkit import WAIT_S, Gate, Grove, ManualClock, ManualTimers, Probe, race, running_tree
from tests.runtime.workers import (
    STEADY,
    AskOther,
    Down,
    Fail,
    Note,
    Noted,
    Run,
    Up,
    Worker,
    hold_and_crash,
    raising,
    wait_for,
    worker,
)

__all__ = [
    "STEADY",
    "WAIT_S",
    "AskOther",
    "Down",
    "Fail",
    "Gate",
    "Grove",
    "ManualClock",
    "ManualTimers",
    "Note",
    "Noted",
    "Probe",
    "Run",
    "Up",
    "Worker",
    "crash",
    "end_of",
    "hold_and_crash",
    "park",
    "parkable",
    "race",
    "raising",
    "stop_order",
    "tree",
    "wait_for",
    "worker",
]


@contextmanager
def tree(
    *specs: ChildSpec, probe: Probe, flags: Flags | None = None, real_time: bool = False, wait: bool = True
) -> Iterator[Grove]:
    """A running tree of workers that tell the probe; see `running_tree`."""
    with running_tree(*specs, flags=flags, real_time=real_time, wait=wait) as grove:
        yield grove


def end_of(before: set[threading.Thread]) -> None:
    """Wait for the end of every thread that was not there before, and of every actor."""
    testkit.end_of(before)
    assert not pykka.ActorRegistry.get_by_class(ServiceActor)


def crash(handle: Handle, error: BaseException | None = None) -> None:
    handle.tell(Fail(error or ValueError("boom")))


def parkable(probe: Probe) -> ChildSpec:
    return worker(probe, "a", intensity=0, give_up=GiveUp.PARK)


def park(grove: Grove) -> None:
    crash(grove["a"])
    grove.until_status("a", Status.PARKED)


def stop_order() -> StopTree:
    return StopTree("asked")
