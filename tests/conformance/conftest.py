"""The two stages: every test that asks for one runs on both, and leaves no thread behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.conformance.cases import cases_of
from tests.conformance.pure import PureStage
from tests.conformance.stage import Stage
from tests.conformance.threads import ThreadStage
from tests.runtime.kit import end_of

STAGES: dict[str, type[Stage]] = {"pure": PureStage, "threads": ThreadStage}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run whoever asks for a stage on each, with the numbers of its cases in the name."""
    if "stage" in metafunc.fixturenames:
        numbers = "+".join(map(str, cases_of(metafunc.function)))
        ids = [f"{numbers}-{name}" if numbers else name for name in STAGES]
        metafunc.parametrize("stage", list(STAGES), ids=ids, indirect=True)


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """An empty stage, pure or with threads."""
    before = set(threading.enumerate())
    stage = STAGES[request.param]()
    with capture_logs():
        try:
            yield stage
        finally:
            stage.close()
            end_of(before)
