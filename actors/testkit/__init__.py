"""What it takes to test one's own actors and brokers, with any test runner; docs/testing-actors.md shows how."""

from actors.testkit.faults import EVERY, Injected, crashing, faulty
from actors.testkit.gate import Gate, gated
from actors.testkit.grove import Grove, running_tree
from actors.testkit.manual_clock import ManualClock, ManualTimers
from actors.testkit.neighbour import Neighbour
from actors.testkit.probe import WAIT_S, Probe
from actors.testkit.stepper import Stepper
from actors.testkit.threads import end_of, no_thread_left, race

__all__ = [
    "EVERY",
    "WAIT_S",
    "Gate",
    "Grove",
    "Injected",
    "ManualClock",
    "ManualTimers",
    "Neighbour",
    "Probe",
    "Stepper",
    "crashing",
    "end_of",
    "faulty",
    "gated",
    "no_thread_left",
    "race",
    "running_tree",
]
