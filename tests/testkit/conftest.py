"""What every test of the kit gets: silence, and the proof that nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from actors.testkit import no_thread_left


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    with capture_logs(), no_thread_left():
        yield
