"""ServiceActor: a pykka actor that a supervisor can rely on.

Without a context it is a plain `pykka.ThreadingActor`. With one it confirms its start, serves two lanes, dispatches by
message type, treats every undeclared exception as a crash on tell and on ask alike, and reports how it ended.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pykka
import structlog
from pykka.messages import _ActorStop

from actors.errors import ActorCrashed, AskTimeout, DomainError, NotDelivered, StartRefused
from actors.messages import Crash, Ping, Reply
from actors.runtime.cell import Context
from actors.runtime.directory import enter
from actors.runtime.letter import Answer, Letter
from actors.runtime.mailbox import Abandoned, Mailbox
from actors.runtime.tree import Event, Exited, Started, StartFailed

DEFERRED: Any = object()
"""Returned by a handler that completes `self.reply` later, from any thread."""

for _hook in ("_create_actor_inbox", "_start_actor_loop", "_actor_loop", "_actor_loop_teardown"):
    if not hasattr(pykka.ThreadingActor, _hook):
        raise ImportError(f"this pykka has no {_hook}; install pykka>=4.5,<4.6")


class _CrashRequested(Exception):
    """Raised by the `Crash` message."""


class ServiceActor(pykka.ThreadingActor):
    """One incarnation of a child.

    Subclasses name their handlers with `handles` and override `on_start` and `on_stop`, which run in the actor's own
    thread. `on_start` may raise `StartRefused`. After a crash the object is thrown away; its successor, built by the
    child's factory, serves the same mailbox.
    """

    take_limit: ClassVar[int] = 64
    """Letters taken from the mailbox at once."""

    def __init__(self, context: Context | None = None) -> None:
        self._context = context
        super().__init__()
        self._handlers: Mapping[type, Callable[[Any], Any]] = {}
        self._letter: Letter | None = None
        self.log = structlog.get_logger("actor").bind(actor=context.name if context else type(self).__name__)

    @property
    def context(self) -> Context:
        """The context of a supervised actor."""
        assert self._context is not None, "the actor runs without a supervisor"
        return self._context

    @property
    def reply(self) -> Reply | None:
        """Where the answer to the message in hand goes, or None if nobody asked."""
        return None if self._letter is None else self._letter.reply_to

    def handles(self, handlers: Mapping[type, Callable[[Any], Any]]) -> None:
        """Say which method handles which message type; called in `__init__`."""
        self._handlers = handlers

    def also_handles(self, handlers: Mapping[type, Callable[[Any], Any]]) -> None:
        """Add to the handlers of the class above."""
        self._handlers = {**self._handlers, **handlers}

    def launch(self) -> threading.Thread:
        """Register with pykka and start the thread, which is returned."""
        pykka.ActorRegistry.register(self.actor_ref)
        self._start_actor_loop()
        return self._thread

    def on_exit(self) -> None:
        """Release what this incarnation holds: threads, sockets. Runs last, after a stop and after a crash alike."""

    # pykka's hooks

    def _create_actor_inbox(self) -> Mailbox:  # type: ignore[override]  # pykka declares it static and calls it on self
        return Mailbox() if self._context is None else self._context.mailbox

    @staticmethod
    def _create_future() -> Answer:
        return Answer()

    def _start_actor_loop(self) -> None:
        if self._context is None:
            super()._start_actor_loop()
            return
        self._thread = threading.Thread(target=self._actor_loop, name=self._context.name, daemon=True)
        self._thread.start()

    def _actor_loop(self) -> None:
        if self._context is None:
            super()._actor_loop()
            return
        event = self._run(self._context)
        self._run_exit(self._context)
        pykka.ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()
        if event is not None:
            self._context.report(event)

    # The supervised life

    def _run(self, context: Context) -> Event | None:
        name, generation = context.name, context.generation
        structlog.contextvars.bind_contextvars(actor=name)
        enter((name,))
        try:
            self.on_start()
        except Abandoned:
            return None
        except StartRefused as refusal:
            return StartFailed(name, generation, str(refusal), refusal.exit_code, refusal.retryable)
        except BaseException as error:  # whatever a feature raises, its supervisor decides
            self.log.exception("start failed")
            return StartFailed(name, generation, describe(error))
        context.report(Started(name, generation))
        try:
            while self._serve(context):
                pass
            self.on_stop()
        except Abandoned:
            self.log.warning("abandoned incarnation ended", generation=generation)
            return None
        except BaseException as error:  # noqa: BLE001  # a crash ends this incarnation and nothing else
            return Exited(name, generation, describe(error))
        return Exited(name, generation)

    def _run_exit(self, context: Context) -> None:
        """Run `on_exit` within the handler's budget: an incarnation stuck in it is abandoned like any other."""
        context.telemetry.handling_since = context.clock.monotonic()
        context.telemetry.handling = "exit"
        try:
            self.on_exit()
        except BaseException:  # the incarnation has ended already; its report must still go out
            self.log.exception("release failed")
        context.telemetry.handling = None

    def _serve(self, context: Context) -> bool:
        """Take and handle one batch; False when told to stop."""
        letters = context.mailbox.lend(self.take_limit, context.generation)
        if not letters:
            return False
        try:
            return self.on_letters(letters)
        finally:
            context.telemetry.handling = None
            self._letter = None
            enter((context.name,))
            if letters:
                context.mailbox.give_back(context.generation)

    def on_letters(self, letters: deque[Letter]) -> bool:
        """Handle a batch, removing each letter as its turn comes; what is left goes back to the mailbox.

        Returns False when told to stop.
        """
        mailbox = self.context.mailbox
        while letters:
            letter = letters.popleft()
            if not self.serve(letter):
                return False
            if not letter.control and (mailbox.control_waiting or mailbox.suspended):
                return True
        return True

    def serve(self, letter: Letter) -> bool:
        """Handle one letter; False when it says stop."""
        if isinstance(letter.message, _ActorStop):
            if letter.reply_to is not None:
                letter.reply_to.complete(None)
            return False
        self.handle(letter)
        return True

    def handle(self, letter: Letter) -> None:
        """Handle one letter and answer it.

        Raises:
            BaseException: whatever the handler raises that is not a `DomainError`: the crash of this incarnation.
        """
        context, message, reply = self.context, letter.message, letter.reply_to
        if letter.deadline is not None and context.clock.monotonic() > letter.deadline:
            context.handle.bury(message, "expired")
            if reply is not None:
                reply.fail(AskTimeout(f"{context.name}: expired before it was handled"))
            return
        handler = self._handler_of(message)
        if handler is None:
            context.handle.bury(message, "unknown type")
            if reply is not None:
                reply.fail(NotDelivered(f"{context.name} does not handle {type(message).__name__}"))
            return
        telemetry = context.telemetry
        telemetry.handling_since = context.clock.monotonic()
        telemetry.handling = type(message).__name__
        self._letter = letter
        enter((*letter.callers, context.name))
        try:
            answer = handler(message)
        except DomainError as refusal:
            telemetry.failed += 1
            if reply is None:
                self.log.warning("refused", message=type(message).__name__, reason=str(refusal))
                context.handle.bury(message, "refused")
            else:
                reply.fail(refusal)
            return
        except Abandoned:
            raise
        except BaseException as error:
            telemetry.failed += 1
            self.log.exception("crash", message=type(message).__name__)
            if reply is not None:
                crash = ActorCrashed(f"{context.name} crashed: {describe(error)}")
                crash.__cause__ = error
                reply.fail(crash)
            if not isinstance(message, Crash):
                self.on_crash(message, error)
            raise
        telemetry.handled += 1
        if reply is not None and answer is not DEFERRED:
            reply.complete(answer)

    def on_crash(self, message: Any, error: BaseException) -> None:  # noqa: ARG002  # features want it
        """Run after a handler crashed on `message`, before the incarnation ends; must not raise."""
        self.context.handle.bury(message, "crashed")

    def _handler_of(self, message: Any) -> Callable[[Any], Any] | None:
        if isinstance(message, Ping):
            return lambda _: self.context.name
        if isinstance(message, Crash):
            return _crash
        return self._handlers.get(type(message))


def _crash(message: Crash) -> None:
    raise _CrashRequested(message.reason)


def describe(error: BaseException) -> str:
    """An error in one line: its class and the first line of its text."""
    text = str(error).strip().split("\n", 1)[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
