"""HealthActor: is what the service needs there, and what is to be done if not."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors.diagnosis import Check, CheckResult, run_check, unanswered
from actors.errors import StartRefused
from actors.messages import RunChecks
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context

CHECK_EVERY_S = 10.0
CHECK_AGAIN_S = 2.0
"""While something is amiss: how soon it is known that it is well again."""


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
        self._answers: dict[str, queue.SimpleQueue[CheckResult | None]] = {}
        self.handles({RunChecks: lambda _: self._check()})

    def on_start(self) -> None:
        results = self._check()
        for check, result in zip(self._checks, results, strict=True):
            if check.essential and result is not None and not result.passed and self.context.generation == 1:
                cure = f"; {result.cure}" if result.cure and result.cure not in result.message else ""
                raise StartRefused(f"{check.component}: {result.message}{cure}", exit_code=result.exit_code)

    def _check(self) -> list[CheckResult | None]:
        """Run all checks at once, each bounded by its timeout, publish what they found, and do so again later."""
        started = self.context.clock.monotonic()
        for check in self._checks:
            self._begin(check)
        results = [self._result(check, started + check.timeout_s) for check in self._checks]
        found = tuple(result for result in results if result is not None)
        self.context.publish(HealthSnapshot(found))
        self.context.after(CHECK_EVERY_S if all(one.passed for one in found) else CHECK_AGAIN_S, RunChecks())
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

    def _result(self, check: Check, deadline: float) -> CheckResult | None:
        left_s = max(0.0, deadline - self.context.clock.monotonic())
        try:
            return self._answers[check.component].get(timeout=left_s)
        except queue.Empty:
            return unanswered(check, self.context.clock)
