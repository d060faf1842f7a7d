"""Starting children level by level, and stopping them in reverse: pure steps of the supervision machine."""

from __future__ import annotations

from dataclasses import replace

from actors.runtime.child import Restart
from actors.runtime.events import (
    Abandon,
    Answer,
    Effect,
    Forget,
    Halt,
    Launch,
    Outcome,
    Reason,
    Retire,
    TreeDown,
    TreeUp,
)
from actors.runtime.tree import Child, Next, Phase, Status, Tree

Step = tuple[Tree, tuple[Effect, ...]]

UNDER_WAY = frozenset({Phase.STARTING, Phase.RUNNING})
ALIVE = frozenset({Status.STARTING, Status.RUNNING, Status.STOPPING})


def launch(tree: Tree, child: Child, now: float) -> Step:
    """Start one incarnation."""
    return _launch_all(tree, [child], now)


def halt(tree: Tree, child: Child, then: Next, now: float) -> Step:
    """Stop a child that is starting or runs; what it does `then` follows once it is down."""
    name = child.spec.name
    child = replace(child, status=Status.STOPPING, since=now, then=then)
    if child.spec.stop_within_s > 0:
        return tree.put(child), (Halt(name, child.generation),)
    tree, effects = down(tree, replace(child, last_reason=Reason.KILLED), now)
    return tree, (Abandon(name, child.generation), *effects)


def down(tree: Tree, child: Child, now: float) -> Step:
    """A child that was being stopped is."""
    then = child.then if tree.phase in UNDER_WAY else Next.STAY
    if then is Next.RENEW:
        return launch(tree, replace(child, then=Next.STAY), now)
    if then is Next.REJOIN and not forgettable(tree, child):
        return proceed(tree.put(replace(child, status=Status.WAITING, since=now, then=Next.STAY)), now)
    if then is Next.STAY:
        tree, effects = rest(tree, child, Outcome.ENDED, now)
    else:
        tree, effects = forget(tree, child, Outcome.ENDED)
    tree, more = proceed(tree, now)
    return tree, effects + more


def rest(tree: Tree, child: Child, outcome: Outcome, now: float, status: Status = Status.STOPPED) -> Step:
    """The child stays down; whoever waits for its start gets the outcome."""
    child, answers = _answered(child, outcome)
    retire = () if tree.phase is Phase.STOPPING else (Retire(child.spec.name),)
    return tree.put(replace(child, status=status, since=now, then=Next.STAY)), (*retire, *answers)


def forget(tree: Tree, child: Child, outcome: Outcome) -> Step:
    """The child is no longer one."""
    _, answers = _answered(child, outcome)
    return tree.remove(child.spec.name), (Forget(child.spec.name), *answers)


def forgettable(tree: Tree, child: Child) -> bool:
    """Whether nothing of the child is kept once it ended for good."""
    return child.spec.restart is Restart.TEMPORARY or tree.flags.dynamic


def stop_tree(tree: Tree, why: str, exit_code: int, now: float) -> Step:
    """Begin to stop everything."""
    if tree.phase not in UNDER_WAY:
        return tree, ()
    top = len(tree.levels) - 1
    return _retreat(replace(tree, phase=Phase.STOPPING, group=None, level=top, why=why, exit_code=exit_code), now)


def proceed(tree: Tree, now: float) -> Step:
    """Go on with the start, the stop or the restart of several children that is under way, as far as can be now."""
    group = tree.group
    if tree.phase is Phase.STOPPING:
        return _retreat(tree, now)
    if group is not None and not group.rising:
        tree, effects = _sweep(tree, group.members, now)
        if tree.count(Status.STOPPING) or not group.elapsed:
            return tree, effects
        tree, more = _rise(tree, now)
        return tree, effects + more
    if tree.phase is Phase.STARTING or group is not None:
        return _advance(tree, now)
    return tree, ()


def _launch_all(tree: Tree, children: list[Child], now: float) -> Step:
    started = [
        replace(
            child,
            status=Status.STARTING,
            generation=child.generation + 1,
            since=now,
            first_attempt=now if child.first_attempt is None else child.first_attempt,
        )
        for child in children
    ]
    return tree.put(*started), tuple(Launch(child.spec.name, child.generation) for child in started)


def _advance(tree: Tree, now: float) -> Step:
    """Start the next level that has children waiting, once none is on its way up or down."""
    if tree.count(Status.STARTING, Status.RESTARTING, Status.STOPPING):
        return tree, ()
    for number in range(max(0, tree.level), len(tree.levels)):
        children = (tree.children[name] for name in tree.levels[number])
        waiting = [child for child in children if child.status is Status.WAITING]
        if waiting:
            return _launch_all(replace(tree, level=number), waiting, now)
    up = (TreeUp(),) if tree.phase is Phase.STARTING else ()
    return replace(tree, phase=Phase.RUNNING, group=None), up


def _rise(tree: Tree, now: float) -> Step:
    """All members of the group are down: start them, also those that were down before."""
    assert tree.group is not None
    members = [tree.children[name] for name in tree.group.members if name in tree.children]
    tree = tree.put(*(replace(child, status=Status.WAITING, since=now) for child in members))
    return _advance(replace(tree, group=replace(tree.group, rising=True) if tree.group else None, level=0), now)


def _retreat(tree: Tree, now: float) -> Step:
    tree, effects = _sweep(tree, None, now)
    if tree.count(*ALIVE):
        return tree, effects
    return replace(tree, phase=Phase.STOPPED), (*effects, TreeDown(tree.why, tree.exit_code))


def _sweep(tree: Tree, members: frozenset[str] | None, now: float) -> Step:
    """Stop the last level that still has live members, once every level after it is down; None means all children."""
    effects: tuple[Effect, ...] = ()
    while tree.level >= 0 and not tree.count(Status.STOPPING):
        names = [name for name in tree.levels[tree.level] if members is None or name in members]
        tree = replace(tree, level=tree.level - 1)
        changed: list[Child] = []
        for name in names:
            child, more = _swept(tree, tree.children[name], now)
            effects += more
            changed.append(child)
        tree = tree.put(*changed)
        for child in changed:
            if child.status is Status.WAITING and forgettable(tree, child):
                tree, more = forget(tree, child, Outcome.ENDED)
                effects += more
    return tree, effects


def _swept(tree: Tree, child: Child, now: float) -> tuple[Child, tuple[Effect, ...]]:
    """What becomes of one child when it is stopped together with others."""
    name, generation, stopping = child.spec.name, child.generation, tree.phase is Phase.STOPPING
    if child.status in {Status.STARTING, Status.RUNNING}:
        then = Next.STAY if stopping else Next.REJOIN
        if child.spec.stop_within_s > 0:
            return replace(child, status=Status.STOPPING, since=now, then=then), (Halt(name, generation),)
        child = replace(child, last_reason=Reason.KILLED)
        effects: tuple[Effect, ...] = (Abandon(name, generation),)
    elif child.status in {Status.RESTARTING, Status.WAITING}:
        effects = ()
    else:
        return child, ()
    if stopping:
        child, answers = _answered(child, Outcome.ENDED)
        return replace(child, status=Status.STOPPED, since=now), (*effects, *answers)
    if tree.group is not None and name == tree.group.anchor:
        return child, effects
    return replace(child, status=Status.WAITING, since=now), effects


def _answered(child: Child, outcome: Outcome) -> tuple[Child, tuple[Effect, ...]]:
    """The child with nobody waiting for it any more, and what they are told."""
    name = child.spec.name
    starts = tuple(Answer(ticket, name, outcome) for ticket in child.asked_to_start)
    stops = tuple(Answer(ticket, name, Outcome.DONE) for ticket in child.asked_to_stop)
    return replace(child, asked_to_start=(), asked_to_stop=()), (*starts, *stops)
