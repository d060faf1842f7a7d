"""A pytest plugin, `-p tests.hostile`: a thread may lose the interpreter every microsecond, in xdist's workers too."""

from __future__ import annotations

import sys

import pytest

SWITCH_INTERVAL_S = 1e-6

_usual = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_usual] = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def pytest_unconfigure(config: pytest.Config) -> None:
    sys.setswitchinterval(config.stash[_usual])
