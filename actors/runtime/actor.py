"""ServiceActor: a pykka actor that a supervisor can rely on.

Without a context it is a plain `pykka.ThreadingActor`. With one it confirms its start, serves two lanes, dispatches by
message type, treats every undeclared exception as a crash on tell and on ask alike, and reports how it ended.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pykka
import structlog
from pykka.messages import _ActorStop

from actors.errors import ActorCrashed, AskTimeout, DomainError, NotDelivered, StartIgnored, StartRefused
from actors.masking import masked
from actors.messages import Crash, Ping, Reply
from actors.runtime import pykka_hooks
from actors.runtime.cell import Context
from actors.runtime.correlation import ids_of
from actors.runtime.directory import enter
from actors.runtime.events import Event, Exited, NotStarted, Reason, Started, StartFailed
from actors.runtime.letter import Letter
from actors.runtime.mailbox import Abandoned
from actors.runtime.telemetry import CrashRecord

DEFERRED: Any = object()
"""Returned by a handler that completes `self.reply` later, from any thread; or by an `on_start` that reports later."""

pykka_hooks.check(pykka)


class _CrashRequested(Exception):
    """Raised by the `Crash` message."""


class ServiceActor(pykka.ThreadingActor):
    """One incarnation of a child.

    Subclasses name their handlers with `handles` and override `on_start` and `on_stop`, which run in the actor's own
    thread. `on_start` may raise `StartRefused`, and so may a handler that finds what no restart cures: a child whose
    `start_failure` is to park is parked at once. After a crash the object is thrown away; its successor, built by the
    child's factory, serves the same mailbox.
    """

    take_limit: ClassVar[int] = 128
    """Letters taken from the mailbox at once."""

    def __init__(self, context: Context | None = None, *_: Any, **__: Any) -> None:
        self._context = context = context if isinstance(context, Context) else None
        super().__init__()
        self._handlers: Mapping[type, Callable[[Any], Any]] = {}
        self._letter: Letter | None = None
        self._chain: tuple[str, ...] = ()
        if context is not None:
            self._chain = (context.name,)
            self._mailbox, self._telemetry, self._now = context.mailbox, context.telemetry, context.clock.monotonic
        self._ending = Reason.NORMAL
        self.log = structlog.get_logger("actor", actor=context.name if context else type(self).__name__)

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

    def handler_of(self, message_type: type) -> Callable[[Any], Any] | None:
        """The method that handles messages of that type, if `handles` named one."""
        return self._handlers.get(message_type)

    def launch(self) -> threading.Thread:
        """Register with pykka and start the thread, which is returned."""
        pykka.ActorRegistry.register(self.actor_ref)
        self._start_actor_loop()
        return self._thread

    def on_exit(self) -> None:
        """Release what this incarnation holds: threads, sockets. Runs last, after a stop and after a crash alike."""

    def on_abandoned(self) -> None:
        """Run in the supervisor's thread when it no longer waits for this incarnation."""

    def stop(self) -> None:
        """End after what waits already; an incarnation that was abandoned ends nobody else."""
        if self._context is None:
            super().stop()
        elif self._context.mailbox.generation == self._context.generation:
            self._context.mailbox.offer(Letter(_ActorStop()))

    # pykka's hooks

    def _create_actor_inbox(self) -> Any:  # type: ignore[override]  # pykka declares it static and calls it on self
        return super()._create_actor_inbox() if self._context is None else self._context.mailbox

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
        context.telemetry.thread = threading.current_thread()
        structlog.contextvars.bind_contextvars(actor=name)
        enter(self._chain)
        try:
            info = self.on_start()  # type: ignore[func-returns-value]  # pykka says None; a feature may tell its starter
        except Abandoned:
            return None
        except StartIgnored as nothing:
            self.log.info("nothing to do", reason=str(nothing))
            return NotStarted(name, generation)
        except StartRefused as refusal:
            return StartFailed(name, generation, masked(str(refusal)), refusal.exit_code, refusal.retryable)
        except BaseException as error:  # whatever a feature raises, its supervisor decides
            self.log.exception("start failed")
            return StartFailed(name, generation, describe(error))
        if info is not DEFERRED:
            context.report(Started(name, generation, info))
        try:
            while self._serve(context):
                pass
            context.telemetry.handling_since, context.telemetry.handling = context.clock.monotonic(), "stop"
            self.on_stop()
        except Abandoned:
            self.log.warning("abandoned incarnation ended", generation=generation)
            return None
        except BaseException as error:  # noqa: BLE001  # a crash ends this incarnation and nothing else
            if _is_refusal(error):
                return Exited(name, generation, Reason.REFUSED, masked(str(error)))
            return Exited(name, generation, Reason.CRASH, describe(error))
        return self.farewell(self._ending)

    def farewell(self, reason: Reason) -> Event:
        """What the supervisor is told about the orderly end of this incarnation."""
        return Exited(self.context.name, self.context.generation, reason)

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
        letters = self._mailbox.lend(self.take_limit, context.generation)
        if not letters:
            self._ending = Reason.SHUTDOWN
            return False
        telemetry, now = self._telemetry, self._now
        started = now()
        try:
            return self.on_letters(letters)
        finally:
            telemetry.busy_s += now() - started
            telemetry.handling = None
            if letters:
                self._mailbox.give_back(context.generation)

    def on_letters(self, letters: deque[Letter]) -> bool:
        """Handle a batch, removing each letter as its turn comes; what is left goes back to the mailbox.

        Returns False when told to stop.
        """
        handlers, mailbox, telemetry, now = self._handlers, self._mailbox, self._telemetry, self._now
        while letters:
            letter = letters.popleft()
            message = letter.message
            kind = type(message)
            handler = handlers.get(kind)
            if handler is None or type(letter) is not Letter:
                if not self.serve(letter):
                    return False
                if letter.control:
                    continue
            else:
                telemetry.handling_since = now()
                telemetry.handling = kind
                try:
                    handler(message)
                except BaseException as error:  # noqa: BLE001  # it raises all but the declared ones again
                    self._failed(letter, error)
                else:
                    telemetry.handled += 1
            if mailbox.interrupts:
                return True
        return True

    def serve(self, letter: Letter) -> bool:
        """Handle one letter; False when it says stop."""
        if isinstance(letter.message, _ActorStop):
            if letter.generation is not None:
                self._ending = Reason.SHUTDOWN
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
        message, reply, telemetry, now = letter.message, letter.reply_to, self._telemetry, self._now()
        if letter.deadline is not None and now > letter.deadline:
            self._undeliverable(letter, "expired", AskTimeout(f"{self.context.name}: expired before it was handled"))
            return
        handler = self._handlers.get(type(message)) or self._common(message)
        if handler is None:
            unknown = NotDelivered(f"{self.context.name} does not handle {type(message).__name__}")
            self._undeliverable(letter, "unknown type", unknown)
            return
        telemetry.handling_since = now
        telemetry.handling = type(message)
        self._letter = letter
        if letter.callers:
            enter((*letter.callers, *self._chain))
        try:
            answer = handler(message)
        except BaseException as error:  # noqa: BLE001  # it raises all but the declared ones again
            self._failed(letter, error)
        else:
            telemetry.handled += 1
            if reply is not None and answer is not DEFERRED:
                reply.complete(answer)
        finally:
            self._letter = None
            if letter.callers:
                enter(self._chain)

    def _undeliverable(self, letter: Letter, reason: str, error: Exception) -> None:
        self.context.handle.bury(letter.message, reason)
        if letter.reply_to is not None:
            letter.reply_to.fail(error)

    def _failed(self, letter: Letter, error: BaseException) -> None:
        """Answer for a handler that raised; a refusal that its asker gets is an answer, and no failure.

        Raises:
            BaseException: the error, unless it is a declared one.
        """
        context, message, reply = self.context, letter.message, letter.reply_to
        if isinstance(error, Abandoned):
            if reply is not None:
                reply.fail(NotDelivered(f"{context.name} was abandoned"))
            raise error
        kind, refused = type(message).__name__, isinstance(error, DomainError)
        if refused and reply is not None:
            context.telemetry.handled += 1
            reply.fail(error)
            return
        context.telemetry.failed += 1
        if refused:
            self.log.warning("refused", message=kind, reason=str(error), **ids_of(message))
            context.handle.bury(message, "refused")
            return
        if _is_refusal(error):
            self.log.error("cannot work", message=kind, reason=masked(str(error)))
        else:
            self.log.error("crash", message=kind, exc_info=error, **ids_of(message))
            frames = "".join(traceback.format_tb(error.__traceback__))
            record = CrashRecord(context.clock.now(), context.generation, kind, describe(error), frames)
            context.telemetry.crashes.append(record)
        if reply is not None:
            crash = ActorCrashed(f"{context.name} crashed: {describe(error)}")
            crash.__cause__ = error
            reply.fail(crash)
        if not isinstance(message, Crash):
            self.on_crash(message, error)
        raise error

    def on_crash(self, message: Any, error: BaseException) -> None:  # noqa: ARG002  # features want it
        """Run after a handler crashed on `message`, before the incarnation ends; must not raise."""
        self.context.handle.bury(message, "crashed")

    def _common(self, message: Any) -> Callable[[Any], Any] | None:
        """The handler of what every actor handles."""
        if isinstance(message, Ping):
            return lambda _: self.context.name
        return _crash if isinstance(message, Crash) else None


def _is_refusal(error: BaseException) -> bool:
    """Whether a handler says that no restart helps."""
    return isinstance(error, StartRefused) and not error.retryable


def _crash(message: Crash) -> None:
    raise _CrashRequested(message.reason)


def describe(error: BaseException) -> str:
    """An error in one line: its class and the first line of its text, without secrets."""
    try:
        text = masked(str(error).strip().split("\n", 1)[0])
    except Exception:  # noqa: BLE001  # a feature's error may fail even at this
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
