"""Subjects on the command line: which there are, and which one a misspelt subject means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from actors.gateway.injection import InjectionError, NoStream
from actors.gateway.subjects import streams
from console.envelope import broker_of
from console.failure import UNAVAILABLE, USAGE, Failure
from settings.brokers import known_brokers

OUTBOUND = ("_ORDERS", "_DLQ")
"""How the streams are called that the service alone writes to."""


def inbound(brokers: Sequence[str]) -> list[str]:
    """The subjects from which the service takes messages in with these brokers."""
    return [subject for spec in streams(brokers) if not spec.name.endswith(OUTBOUND) for subject in spec.subjects]


def refuse_outbound(subject: str, brokers: Sequence[str]) -> None:
    """Keep out of a stream what looks as if the service had published it.

    Raises:
        Failure: only the service publishes on that subject.
    """
    owned = {one for spec in streams([broker_of(subject)]) if spec.name.endswith(OUTBOUND) for one in spec.subjects}
    if subject in owned:
        takes = ", ".join(inbound(brokers))
        raise Failure(f"only the daemon publishes on {subject}; what can be injected is: {takes}", USAGE)


def failure_of(error: InjectionError, brokers: Sequence[str], more: str = "") -> Failure:
    """What a failed publication is for the command: a server that is away, or a subject that no stream takes.

    A subject that is none of the service's with these brokers is wrong usage. `more` is told after the problem.
    """
    if not isinstance(error, NoStream):
        return Failure(f"{error}{more}", UNAVAILABLE)
    specs = streams(brokers)
    if any(error.subject in spec.subjects for spec in specs):
        return Failure(f"no stream takes {error.subject} yet: the daemon makes it when it runs{more}", UNAVAILABLE)
    taken = inbound(brokers)
    broker = broker_of(error.subject)
    if broker in known_brokers() and broker not in brokers:
        cure = f"put it into ACTIVE_BROKERS and set TRADING__{broker.upper()}__ENABLED=true, or correct the subject"
        return Failure(f"no stream takes {error.subject}, as {broker} does not trade here: {cure}{more}", USAGE)
    close = difflib.get_close_matches(error.subject, taken, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return Failure(f"no stream takes {error.subject}; {meant}there are: {', '.join(taken)}{more}", USAGE)
