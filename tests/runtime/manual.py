"""The tools of the test kit under the names that the tests of the runtime know."""

from __future__ import annotations

from actors.testkit import WAIT_S, ManualClock, ManualTimers, Probe, race

__all__ = ["WAIT_S", "ManualClock", "ManualTimers", "Probe", "race"]
