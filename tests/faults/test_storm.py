"""A short storm with a fixed seed; `./panda test --chaos` runs long ones."""

from __future__ import annotations

from pathlib import Path

from tests.faults.catalogue import catalogue
from tests.faults.storm import Storm

SEED = 20260105
LONG = ("freeze", "swallow")
FAULTS = 10


def test_ten_faults_at_random_are_survived_and_everything_holds(tmp_path: Path) -> None:
    quick = [fault for fault in catalogue() if not any(word in fault.name for word in LONG)]
    said: list[str] = []

    outcome = Storm(tmp_path / "storm", SEED, 40.0, said.append).run(quick, lasts_s=600.0, at_most=FAULTS)

    assert not outcome.trouble, "\n".join([*outcome.trouble, *said])
    tallies = outcome.tallies.values()
    assert sum(one.survived for one in tallies) == sum(one.injected for one in tallies) == FAULTS
    assert outcome.signals > 100
