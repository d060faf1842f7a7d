"""The ways an actor can fail, one class each."""

from __future__ import annotations

from enum import Enum


class ActorError(Exception):
    """Root of every error of the runtime and of the features."""


class DomainError(ActorError):
    """A refusal that belongs to the domain: the asker gets it, the actor lives on. Any other exception is a crash."""


class SessionNotFound(DomainError):
    """No session is stored for that user."""


class DeadLetterNotFound(DomainError):
    """No dead letter has that id."""


class ReplayRefused(DomainError):
    """A dead letter is not published again, for the reason in the text."""


class TryAgain(DomainError):
    """The request is fine but cannot be served now; the caller may repeat it."""


class NotDelivered(ActorError):
    """The message did not enter a mailbox, or left it unserved: full, closed, expired, or of an unknown type."""


class AskTimeout(ActorError):
    """No reply within the timeout."""


class AskCycle(ActorError):
    """The ask would wait for an actor that already waits for this one; the text shows the chain of callers."""


class ActorCrashed(ActorError):
    """The actor crashed while it handled the message; the cause is chained."""


class SpecError(ActorError):
    """A child specification that cannot be used; the text names the child and the field."""


class ChildRefused(DomainError):
    """A supervisor does not do what was asked about one of its children.

    Args:
        name: of the child.
        outcome: why, a member of `actors.runtime.events.Outcome`.
        detail: more about it, if there is any.
    """

    def __init__(self, name: str, outcome: Enum, detail: str | None = None) -> None:
        super().__init__(f"{name}: {outcome.value}" + (f": {detail}" if detail else ""))
        self.name = name
        self.outcome = outcome


class StartIgnored(ActorError):
    """Raised by `on_start` of a child that has nothing to do: it does not run, and that is no failure."""


class StartRefused(ActorError):
    """A child cannot start, and says with which code the process should exit if the start fails for it.

    Args:
        message: one line with the cure.
        exit_code: as in the table of exit codes.
        retryable: whether a later attempt may succeed without anybody's help.
    """

    def __init__(self, message: str, *, exit_code: int = 70, retryable: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.retryable = retryable
