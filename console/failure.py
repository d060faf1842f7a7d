"""How a command fails: a line that says what is wrong and what to do, and an exit code."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 64
UNAVAILABLE = 69
TRY_AGAIN = 75
MISCONFIGURED = 78
INTERRUPTED = 130


class Failure(Exception):
    """The command cannot do what was asked; the text is one line with the cure."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class DaemonDown(Failure):
    """No daemon serves the operator socket."""

    def __init__(self, message: str) -> None:
        super().__init__(message, UNAVAILABLE)


class DaemonUnclear(Failure):
    """Whether a daemon serves the operator socket cannot be told: no rights, no answer, or not its answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message, UNAVAILABLE)


class DaemonSilent(DaemonUnclear):
    """What has the operator socket does not answer in time."""
