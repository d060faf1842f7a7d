"""`restart`, `drain` and `stop`: what an operator tells the daemon to do."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import Self

from console.failure import FAILED, TRY_AGAIN, DaemonDown, DaemonSilent, DaemonUnclear, Failure
from console.operator_socket import TIMEOUT_S, OperatorSocket
from console.output import counted, screen
from console.status import lock_holder
from settings import Settings, program

STOP_S = 60.0
UP_S = 5.0
ASK_EVERY_S = 0.1


def restart(settings: Settings, child: str, *, crash: bool) -> int:
    """Restart a child, also one that is parked, and see whether it comes up.

    With `crash` make it fail instead, and let its supervisor see to it.
    """
    daemon = OperatorSocket(settings.socket_path)
    if crash:
        daemon.post("children", child, "crash")
        screen().print(f"{child} is told to crash; its supervisor restarts it")
    else:
        daemon.post("children", child, "restart")
        screen().print(f"{child} restarts{_outcome(settings, child)}", soft_wrap=True)
    return 0


def _outcome(settings: Settings, child: str) -> str:
    """What became of the restart so far, as the rest of a sentence: nothing when the child is up.

    Raises:
        Failure: it is parked again.
    """
    daemon, deadline = OperatorSocket(settings.socket_path, UP_S), time.monotonic() + UP_S
    state = "not seen"
    while time.monotonic() < deadline:
        try:
            shown = daemon.get("status")
        except (DaemonDown, DaemonUnclear):  # the child may be the one that has the socket
            shown = {"children": (), "brokers": {}}
        found = next((one for one in shown["children"] if one["name"] == child), None)
        if found is not None:
            state = found["state"]
            of, _, name = child.partition(".")
            broker = shown["brokers"][name]["state"] if of == "trading" else "none"
            if state in {"parked", "stopped"}:
                raise Failure(f"{child} is {state} again: {found['last_error'] or 'see its log'}", FAILED)
            if state == "running" and broker == "standby":
                return ", and stands by as another process acts for the broker"
            if state == "running" and broker not in {"starting", "opening", "stopped"}:
                return ""
        time.sleep(ASK_EVERY_S)
    return f", and is {state} after {UP_S:g} s; see `{program()} status`"


def drain(settings: Settings, *, resume: bool, wait: bool, timeout_s: float) -> int:
    """Have the daemon take nothing in and wait until all that it has in hand is finished; or take in again."""
    daemon = OperatorSocket(settings.socket_path)
    if resume:
        daemon.delete("drain")
        screen().print("messages are taken in again")
        return 0
    daemon.post("drain")
    deadline = time.monotonic() + timeout_s
    while (nats := daemon.get("status")["nats"])["intake"] != "drained":
        if not wait:
            screen().print(f"draining, {nats['in_flight']} in flight; see `{program()} status`")
            return 0
        if time.monotonic() > deadline:
            messages, commits = counted(nats["in_flight"], "message"), counted(nats["unpublished"], "commit")
            left = f"{messages} in flight and {commits} to publish"
            raise Failure(f"not drained after {timeout_s:g} s: {left}; it goes on, see `{program()} status`", TRY_AGAIN)
        time.sleep(ASK_EVERY_S)
    screen().print(f"drained: nothing is in hand, and nothing comes in until `{program()} drain --resume`")
    return 0


def stop(settings: Settings, patience_s: float = TIMEOUT_S) -> int:
    """Stop the daemon and wait until its process is gone; one that does not answer in `patience_s` is named.

    One that is starting, and has no socket yet, is waited for.
    """
    daemon = OperatorSocket(settings.socket_path, patience_s)
    try:
        pid = _pid(daemon, settings, patience_s)
    except DaemonSilent as error:
        holder = lock_holder(settings.state_dir / "lock")
        if holder is None:
            raise
        ending = f"`kill -9 {holder}` ends it, and what is committed stays"
        raise DaemonSilent(f"process {holder} has not answered for {patience_s:g} s; see its log; {ending}") from error
    if pid is None:
        screen().print("it has ended by itself")
        return 0
    started = time.monotonic()
    with _Watched(pid) as process:
        daemon.post("stop")
        if not process.ended_within(STOP_S):
            raise Failure(f"process {pid} still runs after {STOP_S:g} s; see its log, or `kill {pid}`", FAILED)
    screen().print(f"process {pid} is gone after {time.monotonic() - started:.1f} s")
    return 0


def _pid(daemon: OperatorSocket, settings: Settings, patience_s: float) -> int | None:
    """The daemon's process id by its own word; None if it was about to end, and has."""
    deadline = time.monotonic() + patience_s
    first: int | None = None
    while True:
        try:
            return int(daemon.get("status")["pid"])
        except DaemonDown as error:
            holder = lock_holder(settings.state_dir / "lock")
            if holder is None and first is None:
                raise
            if holder is None:
                return None
            if time.monotonic() > deadline:
                waited = (
                    f"process {holder} holds {settings.state_dir} and serves no {daemon.path} after {patience_s:g} s"
                )
                raise Failure(f"{waited}; check RUNTIME_DIR, or see its log and `kill {holder}`", TRY_AGAIN) from error
            if first is None:
                first = holder
                said = f"process {holder} is starting or stopping; waiting for it, {patience_s:g} s at the most"
                screen(to_stderr=True).print(said, soft_wrap=True)
            time.sleep(ASK_EVERY_S)


class _Watched:
    """A process whose end is waited for by descriptor, so that a reuse of its id cannot mislead."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        if not Path("/proc", str(self._pid)).exists():
            raise Failure(f"process {self._pid} runs in another container; stop it there", TRY_AGAIN)
        self._descriptor = os.pidfd_open(self._pid)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def ended_within(self, timeout_s: float) -> bool:
        assert self._descriptor is not None
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
