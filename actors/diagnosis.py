"""One question about the service or its surroundings, and what the answer means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from actors.errors import ActorError
from actors.masking import masked
from actors.runtime.clock import Clock

TIMEOUT_S = 5.0
UNAVAILABLE = 69
"""The exit code for what may work at the next start."""


class Health(Enum):
    """How bad it is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It works, but worse than it should or not for long."""
    UNHEALTHY = "unhealthy"
    """It does not work."""


class CheckFailed(ActorError):
    """A check that did not pass; the text says what is wrong, `cure` what to do about it, and `exit_code`, if it is
    another than the check's own, with what a start ends for it."""

    def __init__(
        self, message: str, cure: str, status: Health = Health.UNHEALTHY, exit_code: int | None = None
    ) -> None:
        super().__init__(message)
        self.cure = cure
        self.status = status
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Args:
        component: what it is about.
        run: returns what it found, or None while there is nothing to be asked yet; raises `CheckFailed`.
        essential: nothing works without it: unless it passes, the service does not start, with that `exit_code`.
        timeout_s: how long it may take; longer is unhealthy.
    """

    component: str
    run: Callable[[], str | None]
    essential: bool = False
    exit_code: int = 1
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found, when, and how long it took."""

    component: str
    status: Health
    message: str
    cure: str | None
    essential: bool
    duration_ms: float
    as_of: datetime
    exit_code: int = 1

    @property
    def passed(self) -> bool:
        return self.status is Health.HEALTHY

    def as_status(self) -> dict[str, Any]:
        return {
            "component": self.component,
            "passed": self.passed,
            "status": self.status.value,
            "message": self.message,
            "cure": self.cure,
            "essential": self.essential,
            "duration_ms": self.duration_ms,
            "as_of": self.as_of.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


def run_check(check: Check, clock: Clock) -> CheckResult | None:
    """Run one check; a failure is a result, and None says that there was nothing to ask yet."""
    started = clock.monotonic()
    cure, exit_code = None, check.exit_code
    try:
        message, status = check.run(), Health.HEALTHY
    except CheckFailed as failure:
        message, status, cure = masked(str(failure)), failure.status, failure.cure
        exit_code = failure.exit_code or exit_code
    if message is None:
        return None
    duration_ms = round((clock.monotonic() - started) * 1000, 2)
    return CheckResult(check.component, status, message, cure, check.essential, duration_ms, clock.now(), exit_code)


def unanswered(check: Check, clock: Clock) -> CheckResult:
    """The result of a check that takes longer than it may."""
    message, cure = f"no answer in {check.timeout_s:g} s", "see whether it hangs or only is slow; it is asked again"
    took_ms = check.timeout_s * 1000
    found = Health.UNHEALTHY, message, cure
    return CheckResult(check.component, *found, check.essential, took_ms, clock.now(), UNAVAILABLE)
