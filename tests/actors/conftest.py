"""What every test of the actors' pure modules gets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Actors that crash on purpose fill no screen."""
    with capture_logs():
        yield
