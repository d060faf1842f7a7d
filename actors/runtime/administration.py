"""Requests to a supervisor about one of its children: pure steps of the supervision machine."""

from __future__ import annotations

from dataclasses import replace

from actors.errors import SpecError
from actors.runtime.child import ChildSpec
from actors.runtime.events import (
    Answer,
    DeleteWanted,
    Effect,
    Outcome,
    Request,
    RestartWanted,
    StartWanted,
    TerminateWanted,
)
from actors.runtime.flags import check_child
from actors.runtime.passage import ALIVE, UNDER_WAY, Step, forget, forgettable, halt, launch, proceed, rest
from actors.runtime.tree import Child, Next, Phase, Status, Tree

UNSTARTED = frozenset({Status.RESTARTING, Status.WAITING})


def carry_out(tree: Tree, request: Request, now: float) -> Step:
    """Do what is asked, or answer why not; the answer to a start or a stop comes when it is done."""
    if tree.phase not in UNDER_WAY:
        return _answer(tree, request, Outcome.STOPPING)
    if isinstance(request, StartWanted):
        return _start(tree, request, now)
    child = tree.children.get(request.name)
    if child is None:
        return _answer(tree, request, Outcome.NOT_FOUND)
    match request:
        case TerminateWanted():
            return _terminate(tree, child, request, now)
        case RestartWanted(even_running=True):
            return _renew(tree, child, request, now)
        case RestartWanted():
            return _restart(tree, child, request, now)
        case DeleteWanted():
            return _delete(tree, child, request)


def _start(tree: Tree, request: StartWanted, now: float) -> Step:
    spec, flags = request.spec, tree.flags
    present = tree.children.get(spec.name)
    if present is not None:
        started = present.status in ALIVE
        return _answer(tree, request, Outcome.ALREADY_STARTED if started else Outcome.ALREADY_PRESENT)
    if flags.max_children is not None and len(tree.children) >= flags.max_children:
        return _answer(tree, request, Outcome.MAX_CHILDREN)
    try:
        check_child(flags, spec)
        _check_dependencies(tree, spec)
    except SpecError as error:
        return tree, (Answer(request.ticket, spec.name, Outcome.INVALID, str(error)),)
    tree = tree.add(spec, request.seen)
    child = replace(tree.children[spec.name], since=now, then=Next.LEAVE, asked_to_start=(request.ticket,))
    if tree.phase is Phase.STARTING or tree.group is not None:
        return tree.put(child), ()
    return launch(tree, child, now)


def _check_dependencies(tree: Tree, spec: ChildSpec) -> None:
    for needed in spec.depends_on:
        if needed not in tree.children:
            raise SpecError(f"child {spec.name}: depends on {needed}, which does not exist")


def _terminate(tree: Tree, child: Child, request: TerminateWanted, now: float) -> Step:
    then = Next.LEAVE if forgettable(tree, child) else Next.STAY
    if child.status in ALIVE:
        child = replace(child, asked_to_stop=(*child.asked_to_stop, request.ticket))
        if child.status is Status.STOPPING:
            return tree.put(replace(child, then=then)), ()
        return halt(tree, child, then, now)
    effects: tuple[Effect, ...] = ()
    if child.status in UNSTARTED:
        tree, effects = _end_restart(tree, child, now)
    tree, more = proceed(tree, now)
    return tree, (*effects, Answer(request.ticket, request.name, Outcome.DONE), *more)


def _end_restart(tree: Tree, child: Child, now: float) -> Step:
    """The child does not come up again, and neither do those that would have been restarted because of it.

    What is left of their group are the children that were added meanwhile: they start now.
    """
    group = tree.group
    effects: tuple[Effect, ...] = ()
    if group is not None and group.anchor == child.spec.name:
        tree = replace(tree, group=replace(group, members=frozenset(), rising=True), level=0)
        for name in group.members - {group.anchor}:
            member = tree.children.get(name)
            if member is not None and member.status is Status.WAITING:
                tree, more = rest(tree, member, Outcome.ENDED, now)
                effects += more
            elif member is not None and member.then is Next.REJOIN:
                tree = tree.put(replace(member, then=Next.STAY))
    tree, more = (
        forget(tree, child, Outcome.ENDED) if forgettable(tree, child) else rest(tree, child, Outcome.ENDED, now)
    )
    return tree, effects + more


def _restart(tree: Tree, child: Child, request: RestartWanted, now: float) -> Step:
    if tree.flags.dynamic:
        return _answer(tree, request, Outcome.DYNAMIC)
    if child.status in ALIVE:
        return _answer(tree, request, Outcome.RUNNING)
    if child.status in UNSTARTED:
        return _answer(tree, request, Outcome.RESTARTING)
    child = replace(child, asked_to_start=(request.ticket,))
    return _with_its_group(tree, child, now) or launch(tree, child, now)


def _with_its_group(tree: Tree, child: Child, now: float) -> Step | None:
    """A child that is down and belongs to a group that is about to start comes up with it, and not before."""
    if tree.group is None or tree.group.rising or child.spec.name not in tree.group.members:
        return None
    return tree.put(replace(child, status=Status.WAITING, since=now)), ()


def _renew(tree: Tree, child: Child, request: RestartWanted, now: float) -> Step:
    """A fresh incarnation, with nothing held against it; answered at once."""
    fresh = replace(child, restarts=(), restarted_at=None, streak=0, total_restarts=child.total_restarts + 1)
    match child.status:
        case Status.RUNNING:
            tree, effects = halt(tree, fresh, Next.RENEW, now)
        case Status.PARKED | Status.STOPPED:
            tree, effects = _with_its_group(tree, fresh, now) or launch(tree, fresh, now)
        case Status.RESTARTING if tree.group is None or tree.group.anchor != child.spec.name:
            tree, effects = launch(tree, fresh, now)
        case Status.STARTING:
            return _answer(tree, request, Outcome.ALREADY_STARTED)
        case _:
            return _answer(tree, request, Outcome.RESTARTING)
    return tree, (*effects, Answer(request.ticket, request.name, Outcome.DONE))


def _delete(tree: Tree, child: Child, request: DeleteWanted) -> Step:
    if tree.flags.dynamic:
        return _answer(tree, request, Outcome.DYNAMIC)
    if child.status in ALIVE:
        return _answer(tree, request, Outcome.RUNNING)
    if child.status in UNSTARTED:
        return _answer(tree, request, Outcome.RESTARTING)
    tree, effects = forget(tree, child, Outcome.ENDED)
    return tree, (*effects, Answer(request.ticket, request.name, Outcome.DONE))


def _answer(tree: Tree, request: Request, outcome: Outcome) -> Step:
    name = request.spec.name if isinstance(request, StartWanted) else request.name
    return tree, (Answer(request.ticket, name, outcome),)
