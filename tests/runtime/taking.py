"""What the tests of the mailbox share."""

from __future__ import annotations

import threading
from collections import deque

from actors.runtime.letter import Letter
from actors.runtime.mailbox import Abandoned, Mailbox
from tests.runtime.kit import WAIT_S, Probe


def messages(letters: list[Letter] | deque[Letter]) -> list[object]:
    return [letter.message for letter in letters]


def filled(*values: object, capacity: int | None = None) -> Mailbox:
    mailbox = Mailbox(capacity)
    for value in values:
        assert mailbox.offer(Letter(value))
    return mailbox


class Taker:
    """A thread that takes from a mailbox until it is closed or has another owner."""

    def __init__(self) -> None:
        self.taken = Probe()
        self.abandoned = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, mailbox: Mailbox, generation: int = 0) -> None:
        self._thread = threading.Thread(target=self._run, args=(mailbox, generation))
        self._thread.start()

    def _run(self, mailbox: Mailbox, generation: int) -> None:
        try:
            while letters := mailbox.take(64, generation):
                for letter in letters:
                    self.taken.put(letter.message)
        except Abandoned:
            self.abandoned.set()

    def join(self) -> None:
        assert self._thread is not None
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
