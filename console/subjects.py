"""Subjects on the command line: which there are, and which one a misspelt subject means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from actors.gateway.injection import InjectionError, NoStream
from actors.gateway.subjects import streams
from console.failure import UNAVAILABLE, USAGE, Failure

OUTBOUND = ("_ORDERS", "_DLQ")
"""How the streams are called that the service alone writes to."""


def failure_of(error: InjectionError, brokers: Sequence[str], more: str = "") -> Failure:
    """What a failed publication is for the command: a server that is away, or a subject that no stream takes.

    A subject that is none of the service's with these brokers is wrong usage. `more` is told after the problem.
    """
    if not isinstance(error, NoStream):
        return Failure(f"{error}{more}", UNAVAILABLE)
    specs = streams(brokers)
    if any(error.subject in spec.subjects for spec in specs):
        return Failure(f"no stream takes {error.subject} yet: the daemon makes it when it runs{more}", UNAVAILABLE)
    taken = [subject for spec in specs if not spec.name.endswith(OUTBOUND) for subject in spec.subjects]
    close = difflib.get_close_matches(error.subject, taken, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return Failure(f"no stream takes {error.subject}; {meant}there are: {', '.join(taken)}{more}", USAGE)
