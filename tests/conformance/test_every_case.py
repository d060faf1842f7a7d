"""Nothing of the conformance list is left out."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance.cases import LAST, cases_of
from tests.conformance.conftest import STAGES


def marked_tests() -> Iterator[Any]:
    """Every test of this package that stands for a case."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("test_"):
            found = vars(importlib.import_module(f"tests.conformance.{module.name}")).values()
            yield from (one for one in found if inspect.isfunction(one) and cases_of(one))


def test_every_case_has_a_test() -> None:
    numbers = {case.number for test in marked_tests() for case in cases_of(test)}

    assert numbers == set(range(1, LAST + 1))


def test_every_test_of_a_case_runs_on_both_stages() -> None:
    assert list(STAGES) == ["pure", "threads"]
    assert [test.__name__ for test in marked_tests() if "stage" not in inspect.signature(test).parameters] == []
