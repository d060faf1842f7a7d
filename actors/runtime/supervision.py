"""The restart algebra as a pure state machine: (state, event, now) -> (state, effects).

No thread, no clock, no actor: the supervisor feeds in what happened and carries out the effects. The semantics are
Erlang/OTP's `supervisor` with these additions: children start by dependency levels, a restart waits for an exponential
backoff, and a child may have a restart intensity of its own, after which it can be parked alone.
"""

from __future__ import annotations

from dataclasses import replace

from actors.runtime import administration
from actors.runtime.child import GiveUp, Restart
from actors.runtime.events import (
    Abandon,
    Answer,
    BackoffElapsed,
    Begin,
    DeleteWanted,
    Event,
    Exited,
    NotStarted,
    Outcome,
    Overdue,
    Reason,
    RestartWanted,
    Schedule,
    Started,
    StartFailed,
    StartWanted,
    StopWanted,
    TerminateWanted,
)
from actors.runtime.flags import AutoShutdown, Strategy
from actors.runtime.passage import UNDER_WAY, Step, down, forget, forgettable, launch, proceed, rest, stop_tree
from actors.runtime.tree import Child, Group, Next, Phase, Status, Tree

RETRY_AT_MOST_S = 1.0
"""The longest wait between tries of a start that failed for a passing reason."""


def step(tree: Tree, event: Event, now: float) -> Step:
    """What follows from one event at `now` (monotonic seconds). Events of older generations change nothing."""
    match event:
        case Begin():
            return proceed(tree, now)
        case StopWanted(why, exit_code):
            return stop_tree(tree, why, exit_code, now)
        case StartWanted() | RestartWanted() | TerminateWanted() | DeleteWanted():
            return administration.carry_out(tree, event, now)
    child = tree.children.get(event.name)
    if child is None or event.generation != child.generation:
        return tree, ()
    match event:
        case Started(info=info) if child.status is Status.STARTING:
            return _started(tree, child, info, now)
        case StartFailed() if child.status in {Status.STARTING, Status.STOPPING}:
            return _start_failed(tree, child, event, now)
        case NotStarted() if child.status is Status.STARTING:
            return _ended(tree, child, Outcome.IGNORED, now)
        case NotStarted() if child.status is Status.STOPPING:
            return down(tree, child, now)
        case Exited():
            return _exited(tree, child, event.reason, event.error, now)
        case Overdue(what=what):
            return _overdue(tree, child, what, now)
        case BackoffElapsed() if child.status is Status.RESTARTING and tree.phase in UNDER_WAY:
            return backoff_elapsed(tree, child, now)
    return tree, ()


def _started(tree: Tree, child: Child, info: object, now: float) -> Step:
    answers = tuple(Answer(ticket, child.spec.name, Outcome.DONE, info) for ticket in child.asked_to_start)
    running = replace(child, status=Status.RUNNING, since=now, first_attempt=None, then=Next.STAY, asked_to_start=())
    tree, effects = proceed(tree.put(running), now)
    return tree, (*answers, *effects)


def _start_failed(tree: Tree, child: Child, event: StartFailed, now: float) -> Step:
    child = replace(child, last_reason=Reason.CRASH, last_error=event.error, last_error_at=now)
    if child.status is Status.STOPPING:
        return down(tree, child, now)
    spec = child.spec
    if event.retryable and child.first_attempt is not None and now - child.first_attempt < spec.start_retry_s:
        child = replace(child, status=Status.RESTARTING, since=now, streak=child.streak + 1)
        delay_s = min(RETRY_AT_MOST_S, spec.backoff.delay_s(child.streak + 1))
        again = BackoffElapsed(spec.name, child.generation)
        return tree.put(child), (Schedule(delay_s, again, spec.backoff.jitter),)
    if child.asked_to_start:
        failed = replace(child, asked_to_start=())
        answers = tuple(Answer(one, spec.name, Outcome.START_FAILED, event.error) for one in child.asked_to_start)
        if child.then is Next.LEAVE:
            tree, effects = forget(tree, failed, Outcome.START_FAILED)
        else:
            tree, effects = rest(tree, failed, Outcome.START_FAILED, now)
        tree, more = proceed(tree, now)
        return tree, (*answers, *effects, *more)
    if child.total_restarts or tree.phase is Phase.RUNNING:
        return _restart(tree, child, now)
    if spec.start_failure is GiveUp.PARK:
        return _park(tree, child, now)
    tree = tree.put(replace(child, status=Status.STOPPED, since=now))
    return stop_tree(tree, f"{spec.name} did not start: {event.error}", event.exit_code, now)


def _exited(tree: Tree, child: Child, reason: Reason, error: str | None, now: float) -> Step:
    child = replace(child, last_reason=reason)
    if error is not None:
        child = replace(child, last_error=error, last_error_at=now)
    name, group = child.spec.name, tree.group
    match child.status:
        case Status.STOPPING:
            return down(tree, child, now)
        case Status.STARTING:
            early = StartFailed(name, child.generation, error or "ended while it started")
            return _start_failed(tree, child, early, now)
        case Status.RUNNING if tree.phase is Phase.STOPPING:
            return down(tree, child, now)
        case Status.RUNNING if group is not None and not group.rising and name in group.members:
            return down(tree, replace(child, then=Next.REJOIN), now)
        case Status.RUNNING if reason is Reason.REFUSED and child.spec.start_failure is GiveUp.PARK:
            return _park(tree, child, now)
        case Status.RUNNING:
            restart = child.spec.restart
            again = restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and reason.abnormal)
            return _restart(tree, child, now) if again else _ended(tree, child, Outcome.ENDED, now)
    return tree, ()


def _ended(tree: Tree, child: Child, outcome: Outcome, now: float) -> Step:
    """The child ended, or did not even begin, and is not restarted."""
    if forgettable(tree, child):
        tree, effects = forget(tree, child, outcome)
    else:
        tree, effects = rest(tree, child, outcome, now)
    if child.spec.significant and outcome is Outcome.ENDED and _significant_end(tree):
        tree, more = stop_tree(tree, f"{child.spec.name} ended", 0, now)
    else:
        tree, more = proceed(tree, now)
    return tree, effects + more


def _significant_end(tree: Tree) -> bool:
    if tree.flags.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT:
        return True
    left = {Status.STARTING, Status.RUNNING, Status.RESTARTING, Status.WAITING}
    return not any(child.spec.significant and child.status in left for child in tree.children.values())


def _restart(tree: Tree, child: Child, now: float) -> Step:
    """Count the restart, and wait for the backoff; too many, and it is given up."""
    spec = child.spec
    own = spec.intensity is not None
    intensity, period_s = (
        (spec.intensity, spec.period_s) if spec.intensity is not None else (tree.flags.intensity, tree.flags.period_s)
    )
    counted = child.restarts if own else tree.restarts
    window = (*(at for at in counted if at >= now - period_s), now)
    quiet = child.restarted_at is None or now - child.restarted_at > spec.backoff.reset_after_s
    streak = 1 if quiet else child.streak + 1
    child = replace(child, restarts=window if own else (), restarted_at=now, streak=streak)
    if not own:
        tree = replace(tree, restarts=window)
    if len(window) > intensity:
        if spec.give_up is GiveUp.PARK and own:
            return _park(tree, child, now)
        tree = tree.put(replace(child, status=Status.STOPPED, since=now))
        why = f"{spec.name} exceeded {intensity} restarts in {period_s:g} s: {child.last_error}"
        return stop_tree(tree, why, 70, now)
    child = replace(child, status=Status.RESTARTING, since=now, total_restarts=child.total_restarts + 1)
    again = Schedule(spec.backoff.delay_s(streak), BackoffElapsed(spec.name, child.generation), spec.backoff.jitter)
    tree = _grouped(tree.put(child), child)
    tree, effects = proceed(tree, now)
    return tree, (again, *effects)


def _grouped(tree: Tree, anchor: Child) -> Tree:
    """The tree with the group that is restarted on behalf of the anchor, joined with one that is being stopped."""
    if tree.flags.strategy is Strategy.ONE_FOR_ONE:
        return tree
    name = anchor.spec.name
    names = [one for level in tree.levels for one in level]
    if tree.flags.strategy is Strategy.REST_FOR_ONE:
        names = names[names.index(name) :]
    members = frozenset(names)
    if tree.group is not None and not tree.group.rising:
        members |= tree.group.members
    return replace(tree, group=Group(name, members), level=len(tree.levels) - 1)


def backoff_elapsed(tree: Tree, child: Child, now: float) -> Step:
    """Start a child that waited for it, or the whole group of which it is the anchor."""
    group = tree.group
    if group is None or group.anchor != child.spec.name or group.rising:
        return launch(tree, child, now)
    return proceed(replace(tree, group=replace(group, elapsed=True)), now)


def _park(tree: Tree, child: Child, now: float) -> Step:
    tree, effects = rest(tree, child, Outcome.START_FAILED, now, Status.PARKED)
    tree, more = proceed(tree, now)
    return tree, effects + more


def _overdue(tree: Tree, child: Child, what: str, now: float) -> Step:
    spec, name = child.spec, child.spec.name
    expected, budget_s = {
        "start": (Status.STARTING, spec.start_timeout_s),
        "stop": (Status.STOPPING, spec.stop_within_s),
        "handler": (Status.RUNNING, spec.handler_budget_s),
    }[what]
    if child.status is not expected:
        return tree, ()
    error = f"{what} exceeded {budget_s:g} s"
    if what == "start":
        tree, effects = _start_failed(tree, child, StartFailed(name, child.generation, error, 69, True), now)
    else:
        tree, effects = _exited(tree, child, Reason.KILLED, error, now)
    return tree, (Abandon(name, child.generation), *effects)
