"""Which case of the conformance list a test stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Test = TypeVar("Test", bound=Callable[..., None])

LAST = 64


@dataclass(frozen=True, slots=True)
class Case:
    """One of the list, by its number and its name upstream."""

    number: int
    upstream: str

    def __str__(self) -> str:
        return f"{self.number:02}-{self.upstream}"


def case(number: int, upstream: str) -> Callable[[Test], Test]:
    """Mark a test as standing for the case; several marks may stand above one test."""

    def mark(test: Test) -> Test:
        test.cases = (Case(number, upstream), *cases_of(test))  # type: ignore[attr-defined]
        return test

    return mark


def cases_of(test: Any) -> tuple[Case, ...]:
    """What the test is marked with."""
    found: tuple[Case, ...] = getattr(test, "cases", ())
    return found
