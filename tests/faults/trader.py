"""Whoever uses the daemon: sends signals, logins, ticks and nonsense, and remembers what the server took."""

from __future__ import annotations

import itertools
import random
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import nats.errors

from tests.faults.arming import Faults
from tests.faults.points import BY_NAME
from tests.system import streams

SIGNALS = "paper.signals.validated"
SAVES = "auth.sessions.save"
TICKS = "market.ticks"
STRATEGIES = 4
USERS = 3
INSTRUMENTS = 3
FIRST_INSTRUMENT = 1001


class Trader:
    """Makes messages, and keeps the ids of those that were acknowledged.

    Args:
        seed: decides what the messages say.
    """

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._numbers = itertools.count(1)
        self.signals: list[str] = []
        self.saves: list[str] = []
        self.remembered: deque[tuple[str, dict[str, Any]]] = deque(maxlen=2000)
        """The last signals and saves that were acknowledged, and the subject of each."""
        self.bad = 0
        self.answers: dict[str, list[tuple[str, dict[str, Any] | None]]] = {}
        """By user: the token asked to be saved, and the answer; None when none came."""

    def signal(self) -> dict[str, Any]:
        """One that opens, adds to, closes or flips a position."""
        number = next(self._numbers)
        return streams.signal(
            side=self._random.choice(("BUY", "SELL")),
            quantity=self._random.randint(1, 9),
            price=f"{self._random.randint(100, 112)}.{self._random.randint(0, 99):02d}",
            strategy=f"s{number % STRATEGIES}",
            token=FIRST_INSTRUMENT + self._random.randrange(INSTRUMENTS),
        )

    def save(self) -> dict[str, Any]:
        number = next(self._numbers)
        return streams.session_save(f"user{number % USERS}", f"token-{number}")

    def tick(self) -> dict[str, Any]:
        token = FIRST_INSTRUMENT + self._random.randrange(INSTRUMENTS)
        return streams.tick(token, f"{self._random.randint(100, 112)}")

    def nonsense(self) -> bytes:
        return b"nonsense %d" % next(self._numbers)

    def trade(self, url: str, number: int) -> None:
        """Publish so many signals, in order."""
        several = [self.signal() for _ in range(number)]
        streams.publish(url, SIGNALS, several)
        for one in several:
            self.note(SIGNALS, one)

    def log_in(self, url: str, number: int) -> None:
        """Publish so many session saves."""
        several = [self.save() for _ in range(number)]
        streams.publish(url, SAVES, several)
        for one in several:
            self.note(SAVES, one)

    def note(self, subject: str, message: dict[str, Any]) -> None:
        """The server has acknowledged the message."""
        (self.signals if subject == SIGNALS else self.saves).append(message["id"])
        self.remembered.append((subject, message))

    def again(self) -> tuple[str, str | None, dict[str, Any]]:
        """One of those of before: its subject, a `Nats-Msg-Id` that its stream takes for new, and itself."""
        subject, message = self._random.choice(tuple(self.remembered))
        return subject, self._random.choice((None, f"again:{next(self._numbers)}")), message

    def repeat(self, url: str, number: int) -> None:
        """Publish so many of those of before again, in any order."""
        for subject, message_id, message in [self.again() for _ in range(number)]:
            streams.publish_under(url, subject, [(message_id, message)])

    def question(self) -> tuple[str, str]:
        """A user and a token that is about to be asked to be saved."""
        number = next(self._numbers)
        user, token = f"asker{number % USERS}", f"token-{number}"
        self.answers.setdefault(user, []).append((token, None))
        return user, token

    def answered(self, user: str, token: str, answer: dict[str, Any]) -> None:
        """The answer to the question."""
        asked = self.answers[user]
        asked[asked.index((token, None))] = (token, answer)

    def ask(self, url: str, number: int, timeout_s: float = streams.PATIENCE_S) -> None:
        """Request so many session saves, each after the answer to the one before."""
        for _ in range(number):
            user, token = self.question()
            request = {"user_id": user, "access_token": token}
            self.answered(user, token, streams.request(url, "panda.sessions.save", request, timeout_s=timeout_s))

    def babble(self, url: str, number: int) -> None:
        """Publish so many messages that nobody can read."""
        streams.publish(url, SIGNALS, [self.nonsense() for _ in range(number)])
        self.bad += number

    def send(self, url: str, load: str, number: int) -> None:
        """So many of what a point calls its load; of requests only the first few."""
        if load == "signals":
            self.trade(url, number)
        elif load == "saves":
            self.log_in(url, number)
        elif load == "copies":
            self.repeat(url, number)
        elif load == "bad":
            self.babble(url, number)
        else:
            self.ask(url, min(number, 3), timeout_s=3)

    def everything(self, url: str, number: int) -> None:
        """A bit of each kind, and so many signals."""
        streams.publish(url, TICKS, [self.tick() for _ in range(5)])
        self.log_in(url, 3)
        self.trade(url, number)
        self.babble(url, 1)

    @contextmanager
    def sending(self, url: str, load: str, number: int) -> Iterator[None]:
        """`send` meanwhile; a request gets no answer from a daemon that dies of it."""

        def send() -> None:
            with suppress(nats.errors.TimeoutError, nats.errors.NoRespondersError):
                self.send(url, load, number)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def strike_with_an_error(self, faults: Faults, point: str, url: str) -> None:
        """Some of everything, then the load that reaches the point, at which an error is raised once."""
        self.everything(url, 20)
        faults.arm(point, "raise")
        with self.sending(url, BY_NAME[point].load, 40):
            faults.wait_until_hit(point)
        faults.disarm()
