"""One child seen from close by, put together from what is published; nobody is asked, so it never waits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from actors.runtime.dead_letters import DeadLetter
from actors.runtime.directory import Handle
from actors.runtime.rates import SPANS_S
from actors.runtime.stacks import Stack, stacks
from actors.runtime.telemetry import CrashRecord
from actors.runtime.tree import Child, Tree
from actors.status import StatusReport, wire_time


@dataclass(frozen=True, slots=True)
class Inspection:
    """Builds the documents of a process's children; from any thread.

    They name the types of messages and show where threads are; of messages and variables they never show the content.
    """

    report: StatusReport

    def build(self, name: str) -> dict[str, Any] | None:
        """The child's part of the status and much more, as JSON types; None if nobody has that name."""
        directory, clock = self.report.directory, self.report.clock
        child, handle = directory.children().get(name), directory.handles.get(name)
        supervisor, now = directory.supervisors.get(name), clock.monotonic()
        if child is None or handle is None or supervisor is None:
            return None
        tree, shown = directory.trees.get(supervisor.name), self.report.child(child, now)
        if tree is None or shown is None:
            return None
        thread, zombies = handle.telemetry.thread, self.report.zombies.named(name)
        found = stacks(zombies if thread is None else (thread, *zombies))
        own = directory.trees.get(name)
        return {
            **shown,
            "as_of": wire_time(clock.now()),
            "kind": child.spec.kind.value,
            "restart": child.spec.restart.value,
            "generation": child.generation,
            "handler_budget_s": child.spec.handler_budget_s,
            "mailbox": {**shown["mailbox"], **_mailbox(handle)},
            "handled_per_s": _rates(handle, now),
            "restarts_in_window": _window(child, tree, now),
            "stack": None if thread not in found else _frames(found[thread]),
            "crashes": [_crash(record) for record in handle.telemetry.crashes.copy()],
            "dead_letters_by_reason": self.report.dead_letters.reasons(name),
            "last_dead_letters": [_dead_letter(letter) for letter in self.report.dead_letters.last(name)],
            "zombies": [{"stack": _frames(found[zombie])} for zombie in zombies if zombie in found],
            "tree": None if own is None else self._tree(own, now),
        }

    def _tree(self, tree: Tree, now: float) -> dict[str, Any]:
        return {
            "phase": tree.phase.value,
            "strategy": tree.flags.strategy.value,
            "dynamic": tree.flags.dynamic,
            "max_children": tree.flags.max_children,
            "restarts_in_window": {
                "used": _used(tree.restarts, tree.flags.period_s, now),
                "allowed": tree.flags.intensity,
                "period_s": tree.flags.period_s,
            },
            "children": [
                {
                    **{field: shown[field] for field in ("name", "state", "restarts")},
                    "generation": child.generation,
                    "restarts_in_window": _window(child, tree, now),
                }
                for child in tree.children.values()
                if (shown := self.report.child(child, now))
            ],
        }


def _mailbox(handle: Handle) -> dict[str, Any]:
    control, user, in_hand = handle.mailbox.lanes()
    return {
        "lanes": {"control": control, "user": user, "in_hand": in_hand},
        "suspended": handle.mailbox.suspended,
        "closed": handle.mailbox.closed,
    }


def _rates(handle: Handle, now: float) -> dict[str, float | None]:
    handled = handle.telemetry.handled
    rates = {f"{span_s}s": handle.rates.per_second(now, handled, span_s) for span_s in SPANS_S}
    return {span: None if rate is None else round(rate, 3) for span, rate in rates.items()}


def _window(child: Child, tree: Tree, now: float) -> dict[str, Any]:
    """The restarts that count against the child's own intensity, or against the one that it shares."""
    if child.spec.intensity is None:
        times, allowed, period_s = tree.restarts, tree.flags.intensity, tree.flags.period_s
    else:
        times, allowed, period_s = child.restarts, child.spec.intensity, child.spec.period_s
    shared = child.spec.intensity is None
    return {"used": _used(times, period_s, now), "allowed": allowed, "period_s": period_s, "shared": shared}


def _used(times: tuple[float, ...], period_s: float, now: float) -> int:
    return sum(at >= now - period_s for at in times)


def _frames(stack: Stack) -> list[dict[str, Any]]:
    return [asdict(frame) for frame in stack]


def _crash(record: CrashRecord) -> dict[str, Any]:
    return {
        "at": wire_time(record.at),
        "generation": record.generation,
        "message": record.message_type,
        "error": record.error,
        "traceback": record.traceback.splitlines(),
    }


def _dead_letter(letter: DeadLetter) -> dict[str, Any]:
    return {"at": wire_time(letter.at), "message": letter.message_type, "reason": letter.reason}
