"""What holds after any fault, once the daemon has settled: each check yields what is wrong, in a line of its own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from tests.conftest import execute
from tests.faults.evidence import CONSUMER, SESSIONS_CONSUMER, Evidence, gather
from tests.faults.trader import Trader
from tests.system import books, streams
from tests.system.daemon import Daemon, eventually

COUNTED = (("order_filled", "order_placed", "pnl_snapshot"), ("order_failed",))
"""The events of one signal: executed, or refused by the broker."""
FINAL = ("order_filled", "order_failed")

Check = Callable[[Evidence, Trader], Iterator[str]]


def settle(database_url: str, nats_url: str, timeout_s: float = 60.0) -> None:
    """Wait until every message is settled and everything committed is published."""

    def is_idle() -> bool:
        waiting = {name: streams.unsettled(nats_url, stream, name) for stream, name in _consumers()}
        assert not any(waiting.values()), f"not settled: {waiting}"
        ((left,),) = execute(database_url, "SELECT count(*) FROM outbox")
        assert left == 0, f"rows left in the outbox: {left}"
        return True

    eventually(is_idle, timeout_s, every_s=0.1)


def assert_all_hold(
    database_url: str, nats_url: str, trader: Trader, timeout_s: float = 60.0, *, but: Sequence[Check] = ()
) -> Evidence:
    """Wait for the daemon to settle, and check everything, but some."""
    settle(database_url, nats_url, timeout_s)
    evidence = gather(database_url, nats_url)
    wrong = violations(evidence, trader, but)
    assert not wrong, "\n".join(wrong)
    return evidence


def assert_nobody_restarted(daemon: Daemon) -> None:
    """No child was restarted since the daemon began."""
    restarts = {child["name"]: child["restarts"] for child in daemon.status()["children"]}
    assert not any(restarts.values()), restarts


def violations(evidence: Evidence, trader: Trader, but: Sequence[Check] = ()) -> list[str]:
    """Everything that is wrong."""
    return [line for check in CHECKS if check not in but for line in check(evidence, trader)]


def acknowledged_are_kept(evidence: Evidence, trader: Trader) -> Iterator[str]:
    """What the server acknowledged is in its stream."""
    kept = {one["id"] for one in (*evidence.signals, *evidence.saves)}
    yield from _listed("acknowledged, and not in the stream", [one for one in trader.signals if one not in kept])
    yield from _listed("acknowledged save, and not in the stream", [one for one in trader.saves if one not in kept])


def each_signal_is_counted_once(evidence: Evidence, _: Trader) -> Iterator[str]:
    """`trading_events` has the events of each signal once, and of nothing else."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for row in evidence.rows:
        kinds[row.signal].append(row.kind)
    known = [one["id"] for one in evidence.signals]
    yield from _listed("signal without an event", [one for one in known if one not in kinds])
    yield from _listed("event without a signal", kinds.keys() - set(known))
    wrong = [f"{one} {found}" for one, found in kinds.items() if tuple(sorted(found)) not in COUNTED]
    yield from _listed("signal counted otherwise than once", wrong)


def each_event_is_published_once(evidence: Evidence, _: Trader) -> Iterator[str]:
    """The stream of orders has each row once, saying the same."""
    booked = {row.event_id: row for row in evidence.rows}
    published = Counter(message["id"] for message in evidence.published)
    yield from _listed("event booked twice", [row for row, number in _ids(evidence.rows).items() if number > 1])
    yield from _listed("event not published", booked.keys() - published.keys())
    yield from _listed("published, and not booked", published.keys() - booked.keys())
    yield from _listed("event published twice", [one for one, number in published.items() if number > 1])
    different = [
        message["id"]
        for message in evidence.published
        if message["id"] in booked and message["data"] != booked[message["id"]].data
    ]
    yield from _listed("published otherwise than booked", different)


def the_books_equal_the_fills(evidence: Evidence, _: Trader) -> Iterator[str]:
    """`portfolio_snapshots` equals a recount of the fills, and of the signals where each had its price."""
    fills = [row.data for row in evidence.rows if row.kind == "order_filled"]
    found = evidence.books
    yield from _different_books("the fills", books.fold_fills(fills), found)
    priced = all(one["data"]["validated_price"] for one in evidence.signals)
    if priced:
        yield from _different_books("the signals", books.fold_signals(evidence.signals), found)
    newest = {row.strategy: row.data for row in evidence.rows if row.kind == "pnl_snapshot"}
    for strategy, account in found.items():
        said = newest.get(strategy)
        if said is None or Fraction(str(Decimal(said["total_pnl"]))) != account.total_pnl:
            yield f"books: the newest profit said of {strategy} is not that of its books: {said}"


def _different_books(what: str, expected: dict[str, books.Account], found: dict[str, books.Account]) -> Iterator[str]:
    for strategy in sorted(expected.keys() | found.keys()):
        ours, theirs = expected.get(strategy), found.get(strategy)
        if ours is None or theirs is None:
            yield f"books: {strategy} is in {'the database' if theirs else what} alone"
        elif ours.cash != theirs.cash or dict(ours.quantities) != dict(theirs.quantities):
            yield (
                f"books: {strategy} differs from {what}: cash {float(ours.cash)} and {float(theirs.cash)}, "
                f"quantities {dict(ours.quantities)} and {dict(theirs.quantities)}"
            )


def rows_are_in_order(evidence: Evidence, _: Trader) -> Iterator[str]:
    """For each strategy: the order of the stream of signals is the order of the rows."""
    booked: dict[str, list[str]] = defaultdict(list)
    for row in evidence.rows:
        if row.kind in FINAL:
            booked[row.strategy].append(row.signal)
    for strategy, came in _by_strategy(evidence).items():
        yield from _out_of_order(f"{strategy}: rows", came, booked[strategy])


def publications_are_in_order(evidence: Evidence, _: Trader) -> Iterator[str]:
    """For each strategy: the order of the stream of signals is the order of the stream of orders."""
    published: dict[str, list[str]] = defaultdict(list)
    for message in evidence.published:
        if message["type"] in FINAL:
            published[message["data"]["strategy_id"]].append(message["causation_id"])
    for strategy, came in _by_strategy(evidence).items():
        yield from _out_of_order(f"{strategy}: published", came, published[strategy])


def _by_strategy(evidence: Evidence) -> dict[str, list[str]]:
    came: dict[str, list[str]] = defaultdict(list)
    for one in evidence.signals:
        came[one["data"]["original_signal"]["strategy_id"]].append(one["id"])
    return came


def _out_of_order(what: str, expected: list[str], found: list[str]) -> Iterator[str]:
    """The first place where the order differs; what is missing or too much is told elsewhere."""
    places = {identity: place for place, identity in enumerate(expected)}
    order = [places[identity] for identity in found if identity in places]
    swapped = [(before, after) for before, after in pairwise(order) if after < before]
    if swapped:
        before, after = swapped[0]
        yield f"order of {what}: number {after} after number {before} of {len(expected)} ({len(swapped)} such places)"


def the_inbox_holds_exactly_what_came(evidence: Evidence, _: Trader) -> Iterator[str]:
    """Each readable message's id, and a position for each unreadable one."""
    for consumer, stream, came in (
        (CONSUMER, "PAPER_SIGNALS", evidence.signals),
        (SESSIONS_CONSUMER, "SESSIONS", evidence.saves),
    ):
        ids = evidence.inbox.get(consumer, [])
        positions = [one for one in ids if one.startswith(f"{stream}:")]
        asked = {row for row in ids if row not in positions} - {one["id"] for one in came}
        yield from _listed(f"not in the inbox of {consumer}", {one["id"] for one in came} - set(ids))
        if consumer == CONSUMER:
            yield from _listed("in the inbox, and not in the stream", asked)
        unreadable = [one for one in evidence.unreadable if one[0] == stream]
        if len(positions) != len(unreadable):
            yield f"inbox of {consumer}: {len(positions)} unreadable messages, {len(unreadable)} in the stream"


def each_unreadable_message_is_one_letter(evidence: Evidence, _: Trader) -> Iterator[str]:
    """One row, and one message on the `.dlq` subject, for each; none for another."""
    yield from _unequal("dead letters", sorted(evidence.unreadable), sorted(evidence.letters))
    positions = [message["key"] for message in evidence.published_letters]
    expected = [f"{stream}:{seq}" for stream, seq in evidence.unreadable if stream == "PAPER_SIGNALS"]
    yield from _unequal("published dead letters", sorted(expected), sorted(positions))


def the_newest_session_is_stored(evidence: Evidence, trader: Trader) -> Iterator[str]:
    """Of the saves in the stream the last one; of requests the last one answered, or one after it."""
    newest = {one["data"]["user_id"]: one["data"]["access_token"] for one in evidence.saves}
    for user, token in newest.items():
        if evidence.tokens.get(user) != token:
            yield f"sessions: {user} has {evidence.tokens.get(user)} and not {token}, the newest"
    for user, asked in trader.answers.items():
        answered = [place for place, (_, answer) in enumerate(asked) if answer is not None and "error" not in answer]
        possible = [token for token, _ in asked[answered[-1] if answered else 0 :]]
        if answered and evidence.tokens.get(user) not in possible:
            yield f"sessions: {user} has {evidence.tokens.get(user)} and none of {possible}"


def the_outbox_is_empty(evidence: Evidence, _: Trader) -> Iterator[str]:
    if evidence.outbox:
        yield f"outbox: {evidence.outbox} rows are left"


CHECKS: tuple[Check, ...] = (
    acknowledged_are_kept,
    each_signal_is_counted_once,
    each_event_is_published_once,
    the_books_equal_the_fills,
    rows_are_in_order,
    publications_are_in_order,
    the_inbox_holds_exactly_what_came,
    each_unreadable_message_is_one_letter,
    the_newest_session_is_stored,
    the_outbox_is_empty,
)


def _consumers() -> tuple[tuple[str, str], ...]:
    return (("PAPER_SIGNALS", CONSUMER), ("SESSIONS", SESSIONS_CONSUMER))


def _ids(rows: Iterable[Any]) -> Counter[str]:
    return Counter(row.event_id for row in rows)


def _listed(what: str, found: Iterable[str]) -> Iterator[str]:
    several = list(found)
    if several:
        yield f"{what}: {len(several)}, as {several[:3]}"


def _unequal(what: str, expected: list[Any], found: list[Any]) -> Iterator[str]:
    if expected != found:
        missing = list((Counter(expected) - Counter(found)).elements())
        extra = list((Counter(found) - Counter(expected)).elements())
        yield f"{what}: {len(missing)} missing as {missing[:3]}, {len(extra)} too much as {extra[:3]}"
