"""HealthActor: is what the service needs there, and what is to be done if not."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actors.errors import ActorError, StartRefused
from actors.masking import masked
from actors.messages import RunChecks
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from actors.runtime.clock import Clock

CHECK_EVERY_S = 10.0
CHECK_TIMEOUT_S = 5.0


class CheckFailed(ActorError):
    """A check that did not pass; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `run` returns what it found, or raises `CheckFailed`. A failed essential one stops the start."""

    component: str
    run: Callable[[], str]
    essential: bool = False
    exit_code: int = 1


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found, when, and how long it took."""

    component: str
    passed: bool
    message: str
    duration_ms: float
    as_of: datetime

    def as_status(self) -> dict[str, Any]:
        return {
            "component": self.component,
            "passed": self.passed,
            "message": self.message,
            "duration_ms": self.duration_ms,
            "as_of": self.as_of.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """The newest result of every check."""

    results: tuple[CheckResult, ...]

    def as_status(self, _now: float, /) -> dict[str, Any]:
        return {"checks": [result.as_status() for result in self.results]}


class HealthActor(ServiceActor):
    """Checks before the brokers start, and the same ones again every few seconds.

    Owns: the newest results.
    Receives: `RunChecks`.
    Sends: nothing; the results are published.
    On failure: restarted.
    """

    def __init__(self, context: Context, checks: Sequence[Check]) -> None:
        super().__init__(context)
        self._checks = checks
        self._threads: dict[str, threading.Thread] = {}
        self._answers: dict[str, queue.SimpleQueue[CheckResult]] = {}
        self.handles({RunChecks: lambda _: self._check_again()})

    def on_start(self) -> None:
        results = self._run_all()
        for check, result in zip(self._checks, results, strict=True):
            if check.essential and not result.passed and self.context.generation == 1:
                raise StartRefused(f"{check.component}: {result.message}", exit_code=check.exit_code)
        self.context.after(CHECK_EVERY_S, RunChecks())

    def _check_again(self) -> None:
        self._run_all()
        self.context.after(CHECK_EVERY_S, RunChecks())

    def _run_all(self) -> tuple[CheckResult, ...]:
        """Run all checks at once, each bounded by its timeout, and publish what they found."""
        deadline = self.context.clock.monotonic() + CHECK_TIMEOUT_S
        for check in self._checks:
            self._begin(check)
        results = tuple(self._result(check, deadline) for check in self._checks)
        self.context.publish(HealthSnapshot(results))
        return results

    def _begin(self, check: Check) -> None:
        """Start the check, unless it still runs. Its thread is a daemon: one that hangs must not hold up the exit."""
        answers = self._answers.setdefault(check.component, queue.SimpleQueue())
        running = self._threads.get(check.component)
        if running is None or not running.is_alive():
            clock = self.context.clock
            thread = threading.Thread(target=lambda: answers.put(run_check(check, clock)), daemon=True)
            self._threads[check.component] = thread
            thread.start()

    def _result(self, check: Check, deadline: float) -> CheckResult:
        left_s = max(0.0, deadline - self.context.clock.monotonic())
        try:
            return self._answers[check.component].get(timeout=left_s)
        except queue.Empty:
            message = f"no answer in {CHECK_TIMEOUT_S:g} s"
            return CheckResult(check.component, False, message, CHECK_TIMEOUT_S * 1000, self.context.clock.now())


def run_check(check: Check, clock: Clock) -> CheckResult:
    """Run one check; a failure is a result."""
    started = clock.monotonic()
    try:
        message, passed = check.run(), True
    except CheckFailed as failure:
        message, passed = masked(str(failure)), False
    duration_ms = round((clock.monotonic() - started) * 1000, 2)
    return CheckResult(check.component, passed, message, duration_ms, clock.now())
