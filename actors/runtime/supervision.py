"""The restart algebra as a pure state machine: (state, event, now) -> (state, effects).

No thread, no clock, no actor: the supervisor feeds in what happened and carries out the effects. The semantics are
Erlang/OTP's `supervisor` with two additions: children start by dependency levels, and a restart waits for an
exponential backoff. A child's restarts are counted in a sliding window of its own.
"""

from __future__ import annotations

from dataclasses import replace

from actors.runtime.child import ChildSpec, GiveUp, Restart
from actors.runtime.tree import (
    AbandonChild,
    BackoffElapsed,
    Begin,
    Child,
    Effect,
    Event,
    Exited,
    Overdue,
    Phase,
    RestartWanted,
    RetireChild,
    Schedule,
    StartChild,
    Started,
    StartFailed,
    Status,
    StopChild,
    StopWanted,
    Tree,
    TreeDown,
    TreeUp,
)

Step = tuple[Tree, tuple[Effect, ...]]

UNDER_WAY = frozenset({Phase.STARTING, Phase.RUNNING})
ALIVE = frozenset({Status.STARTING, Status.RUNNING, Status.STOPPING})
SETTLED = frozenset({Status.RUNNING, Status.PARKED, Status.STOPPED})
DOWN = frozenset({Status.WAITING, Status.PARKED, Status.STOPPED})


def step(tree: Tree, event: Event, now: float) -> Step:
    """What follows from one event at `now` (monotonic seconds). Events of older generations change nothing."""
    match event:
        case Begin():
            return _advance(tree, now)
        case StopWanted(why, exit_code):
            return _stop_tree(tree, why, exit_code, now)
        case RestartWanted(name):
            return _restart_wanted(tree, tree.children[name], now)
    child = tree.children[event.name]
    if event.generation != child.generation:
        return tree, ()
    match event:
        case Started() if child.status is Status.STARTING:
            running = replace(child, status=Status.RUNNING, since=now, first_attempt=None)
            return _advance(_put(tree, running), now)
        case StartFailed(error=error, exit_code=exit_code, retryable=retryable) if child.status in ALIVE:
            return _start_failed(tree, child, error, exit_code, retryable, now)
        case Exited(error=error) if child.status in ALIVE:
            return _exited(tree, child, error, now)
        case Overdue(what=what):
            return _overdue(tree, child, what, now)
        case BackoffElapsed() if child.status is Status.RESTARTING and tree.phase in UNDER_WAY:
            return _start(tree, child, now)
    return tree, ()


def backoff_s(spec: ChildSpec, streak: int) -> float:
    """Seconds before the `streak`-th restart in a row (1 is the first), without jitter."""
    return min(spec.backoff.max_s, spec.backoff.min_s * 2.0 ** min(streak - 1, 30))


def _put(tree: Tree, child: Child) -> Tree:
    return replace(tree, children={**tree.children, child.spec.name: child})


def _start(tree: Tree, child: Child, now: float) -> Step:
    first = now if child.first_attempt is None else child.first_attempt
    started = replace(child, status=Status.STARTING, generation=child.generation + 1, since=now, first_attempt=first)
    return _put(tree, started), (StartChild(child.spec.name, started.generation),)


def _advance(tree: Tree, now: float) -> Step:
    """Start the first level that has children waiting, once every level before it has settled."""
    if tree.phase is not Phase.STARTING:
        return tree, ()
    for level in tree.levels:
        waiting = [tree.children[name] for name in level if tree.children[name].status is Status.WAITING]
        effects: tuple[Effect, ...] = ()
        for child in waiting:
            tree, more = _start(tree, child, now)
            effects += more
        if effects or any(tree.children[name].status not in SETTLED for name in level):
            return tree, effects
    return replace(tree, phase=Phase.RUNNING), (TreeUp(),)


def _start_failed(tree: Tree, child: Child, error: str, exit_code: int, retryable: bool, now: float) -> Step:
    child = replace(child, last_error=error, last_error_at=now)
    if tree.phase is Phase.STOPPING:
        return _stopped(tree, child, now)
    spec = child.spec
    if retryable and child.first_attempt is not None and now - child.first_attempt < spec.start_retry_s:
        streak = child.streak + 1
        child = replace(child, status=Status.RESTARTING, since=now, streak=streak)
        again = BackoffElapsed(spec.name, child.generation)
        return _put(tree, child), (Schedule(min(1.0, backoff_s(spec, streak)), again, spec.backoff.jitter),)
    if child.total_restarts or tree.phase is Phase.RUNNING:
        return _restart(tree, child, now)
    if spec.start_failure is GiveUp.PARK:
        return _park(tree, child, now)
    tree = _put(tree, replace(child, status=Status.STOPPED, since=now))
    return _stop_tree(tree, f"{spec.name} did not start: {error}", exit_code, now)


def _exited(tree: Tree, child: Child, error: str | None, now: float) -> Step:
    if error is not None:
        child = replace(child, last_error=error, last_error_at=now)
    if tree.phase is Phase.STOPPING:
        return _stopped(tree, child, now)
    if child.status is Status.STOPPING:
        return _start(tree, child, now)
    again = child.spec.restart is Restart.PERMANENT or (child.spec.restart is Restart.TRANSIENT and error is not None)
    if not again:
        tree = _put(tree, replace(child, status=Status.STOPPED, since=now))
        tree, effects = _advance(tree, now)
        return tree, (RetireChild(child.spec.name), *effects)
    return _restart(tree, child, now)


def _restart(tree: Tree, child: Child, now: float) -> Step:
    spec = child.spec
    quiet = not child.restarts or now - child.restarts[-1] > spec.backoff.reset_after_s
    window = (*(at for at in child.restarts if at >= now - spec.period_s), now)
    streak = 1 if quiet else child.streak + 1
    child = replace(child, restarts=window, streak=streak)
    if len(window) > spec.intensity:
        if spec.give_up is GiveUp.PARK:
            return _park(tree, child, now)
        tree = _put(tree, replace(child, status=Status.STOPPED, since=now))
        why = f"{spec.name} exceeded {spec.intensity} restarts in {spec.period_s:g} s: {child.last_error}"
        return _stop_tree(tree, why, 70, now)
    child = replace(child, status=Status.RESTARTING, since=now, total_restarts=child.total_restarts + 1)
    again = BackoffElapsed(spec.name, child.generation)
    return _put(tree, child), (Schedule(backoff_s(spec, streak), again, spec.backoff.jitter),)


def _park(tree: Tree, child: Child, now: float) -> Step:
    tree, effects = _advance(_put(tree, replace(child, status=Status.PARKED, since=now)), now)
    return tree, (RetireChild(child.spec.name), *effects)


def _restart_wanted(tree: Tree, child: Child, now: float) -> Step:
    if tree.phase not in UNDER_WAY:
        return tree, ()
    fresh = replace(child, restarts=(), streak=0, total_restarts=child.total_restarts + 1)
    if child.status in {Status.PARKED, Status.STOPPED, Status.RESTARTING}:
        return _start(tree, fresh, now)
    if child.status is Status.RUNNING:
        stopping = replace(fresh, status=Status.STOPPING, since=now)
        return _put(tree, stopping), (StopChild(child.spec.name, child.generation),)
    return tree, ()


def _overdue(tree: Tree, child: Child, what: str, now: float) -> Step:
    name = child.spec.name
    expected = {"start": Status.STARTING, "stop": Status.STOPPING, "handler": Status.RUNNING}[what]
    if child.status is not expected:
        return tree, ()
    budget_s = {
        "start": child.spec.start_timeout_s,
        "stop": child.spec.shutdown_s,
        "handler": child.spec.handler_budget_s,
    }[what]
    error = f"{what} exceeded {budget_s:g} s"
    if what == "start":
        tree, effects = _start_failed(tree, child, error, 69, True, now)
    else:
        tree, effects = _exited(tree, child, error, now)
    return tree, (AbandonChild(name, child.generation), *effects)


def _stop_tree(tree: Tree, why: str, exit_code: int, now: float) -> Step:
    if tree.phase not in UNDER_WAY:
        return tree, ()
    tree = replace(tree, phase=Phase.STOPPING, why=why, exit_code=exit_code)
    return _retreat(tree, now)


def _stopped(tree: Tree, child: Child, now: float) -> Step:
    tree = _put(tree, replace(child, status=Status.STOPPED, since=now))
    return _retreat(tree, now)


def _retreat(tree: Tree, now: float) -> Step:
    """Stop the last level that still has live children, once every level after it is down."""
    for level in reversed(tree.levels):
        effects: tuple[Effect, ...] = ()
        for name in level:
            child = tree.children[name]
            if child.status is Status.RESTARTING:
                tree = _put(tree, replace(child, status=Status.STOPPED, since=now))
            elif child.status in {Status.STARTING, Status.RUNNING}:
                tree = _put(tree, replace(child, status=Status.STOPPING, since=now))
                effects += (StopChild(name, child.generation),)
        if effects or any(tree.children[name].status not in DOWN for name in level):
            return tree, effects
    return replace(tree, phase=Phase.STOPPED), (TreeDown(tree.why, tree.exit_code),)
