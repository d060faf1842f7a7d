"""What a supervisor of listed children does, written down a second time: one thing after the other.

Where OTP waits until a child has started or stopped, so does this. What is not OTP's is the time between two attempts:
the first restart in a row comes at once, every further one after `retry_s`. Meanwhile those who are to be restarted too
are down and `WAITS`, and so is a child that is added.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.runtime.child import Restart
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import AutoShutdown, Flags, Strategy
from actors.runtime.tree import Status
from tests.conformance.stage import Script, Start

UP, DOWN, RETRY, WAITS = Status.RUNNING, Status.STOPPED, Status.RESTARTING, Status.WAITING


@dataclass
class Kid:
    """One child. Somebody waits for the start of one that is `asked_for`; it is `new` if it never ran."""

    name: str
    restart: Restart
    significant: bool = False
    state: Status = DOWN
    restarted_at: float = -1.0
    asked_for: bool = False
    new: bool = False


@dataclass
class Model:
    """A supervisor, its children in start order, and those who are being restarted together."""

    flags: Flags
    kids: list[Kid]
    script: Script
    retry_s: float
    now: float
    log: list[str] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    due: dict[str, float] = field(default_factory=dict)
    group: set[str] = field(default_factory=set)
    alive: bool = True

    def begin(self) -> None:
        for kid in list(self.kids):
            if self._start(kid) is Start.FAIL:
                return self.stop()
        return None

    def exit(self, name: str, reason: Reason) -> None:
        kid = self.kid(name)
        self.log.append(f"-{name}")
        if kid.restart is Restart.PERMANENT or (kid.restart is Restart.TRANSIENT and reason.abnormal):
            return self._restart(kid)
        self._put_down(kid)
        left = any(one.significant and one.state is not DOWN for one in self.kids)
        mode = self.flags.auto_shutdown
        if kid.significant and (mode is AutoShutdown.ANY_SIGNIFICANT or not left):
            self.stop()
        return None

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while self.due and min(self.due.values()) <= until:
            name = min(self.due, key=self.due.__getitem__)
            self.now = self.due.pop(name)
            self._bring_up(self.kid(name))
        self.now = until

    def stop(self) -> None:
        self.log += [f"-{kid.name}" for kid in reversed(self.kids) if kid.state is UP]
        self.alive = False
        self.due.clear()

    # Requests; an outcome of None comes later

    def add(self, name: str, restart: Restart) -> Outcome | None:
        if any(kid.name == name for kid in self.kids):
            return Outcome.ALREADY_STARTED if self.kid(name).state is UP else Outcome.ALREADY_PRESENT
        self.kids.append(Kid(name, restart, state=WAITS, asked_for=True, new=True))
        return None if self.group else self._start_for(self.kids[-1])

    def terminate(self, name: str) -> Outcome:
        kid = self.kid(name)
        self.log += [f"-{name}"] if kid.state is UP else []
        anchor = self.due.pop(name, None) is not None
        self._put_down(kid)
        if anchor:
            self._let_go()
        return Outcome.DONE

    def restart(self, name: str) -> Outcome | None:
        kid = self.kid(name)
        if kid.state is not DOWN:
            return Outcome.RUNNING if kid.state is UP else Outcome.RESTARTING
        if name in self.group:
            kid.state, kid.asked_for = WAITS, True
            return None
        return self._start_for(kid)

    def delete(self, name: str) -> Outcome:
        kid = self.kid(name)
        if kid.state is not DOWN:
            return Outcome.RUNNING if kid.state is UP else Outcome.RESTARTING
        self.kids.remove(kid)
        return Outcome.DONE

    # What OTP's own functions do

    def kid(self, name: str) -> Kid:
        return next(kid for kid in self.kids if kid.name == name)

    def _start(self, kid: Kid) -> Start:
        act = self.script.next_start(kid.name)
        self.log.append({Start.RUN: "+", Start.FAIL: "!", Start.IGNORE: "~"}[act] + kid.name)
        if act is Start.RUN:
            kid.state, kid.asked_for, kid.new = UP, False, False
        elif act is Start.IGNORE:
            self._put_down(kid)
        return act

    def _start_for(self, kid: Kid) -> Outcome:
        """Start a child for whoever asked: it is not tried again."""
        new, act = kid.new, self._start(kid)
        if act is Start.FAIL:
            self._put_down(kid)
            if new and kid in self.kids:
                self.kids.remove(kid)
        return {Start.RUN: Outcome.DONE, Start.FAIL: Outcome.START_FAILED, Start.IGNORE: Outcome.IGNORED}[act]

    def _put_down(self, kid: Kid) -> None:
        kid.state, kid.asked_for, kid.new = DOWN, False, False
        if kid.restart is Restart.TEMPORARY:
            self.kids.remove(kid)
        self.group.discard(kid.name if kid.restart is Restart.TEMPORARY else "")

    def _restart(self, kid: Kid) -> None:
        """Count, take down whoever is restarted too, and bring all of them up, now or later."""
        self.restarts = [*(at for at in self.restarts if at >= self.now - self.flags.period_s), self.now]
        kid.state = DOWN
        if len(self.restarts) > self.flags.intensity:
            return self.stop()
        hot = self.retry_s == 0 or self.now > kid.restarted_at
        kid.state, kid.restarted_at = RETRY, self.now
        self._take_down(kid)
        if hot:
            return self._bring_up(kid)
        self.due[kid.name] = self.now + self.retry_s
        return None

    def _take_down(self, anchor: Kid) -> None:
        if self.flags.strategy is Strategy.ONE_FOR_ONE:
            return
        first = self.kids.index(anchor) if self.flags.strategy is Strategy.REST_FOR_ONE else 0
        members = self.kids[first:]
        self.group = {kid.name for kid in members}
        for kid in reversed(members):
            if kid is not anchor:
                self.due.pop(kid.name, None)
                self.log += [f"-{kid.name}"] if kid.state is UP else []
                if kid.restart is Restart.TEMPORARY:
                    self._put_down(kid)
                elif kid.state is not DOWN:
                    kid.state = WAITS

    def _bring_up(self, anchor: Kid) -> None:
        group = self.group or {anchor.name}
        coming = [kid for kid in self.kids if kid.name in group or kid.new]
        for kid in coming:
            kid.state = WAITS
        for kid in coming:
            if kid.asked_for:
                self._start_for(kid)
            elif self._start(kid) is Start.FAIL:
                return self._restart(kid)
        self.group = set()
        return None

    def _let_go(self) -> None:
        """The one for whose sake the others wait does not come up: they stay down, and those who are new start."""
        for kid in [kid for kid in self.kids if kid.name in self.group and kid.state is WAITS]:
            self._put_down(kid)
        self.group = set()
        for kid in [kid for kid in self.kids if kid.new]:
            self._start_for(kid)
