"""TradingActor: one broker's signals in, units of work out; its memory is a projection of committed rows."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from actors.brokers.protocol import Broker
from actors.dead_letter import is_replay
from actors.errors import AskTimeout, NotDelivered, StartRefused
from actors.messages import (
    BooksHeld,
    BooksInvalidated,
    BooksOpened,
    BrokerClosed,
    BrokerOpened,
    CatalogueLoaded,
    CommitUnit,
    CrashedOn,
    Delivery,
    ExecuteSignal,
    GetTicks,
    OpenBooks,
    ReopenBooks,
    Ticks,
    UnitsCommitted,
)
from actors.runtime.actor import ServiceActor, describe
from actors.runtime.cell import Context
from actors.runtime.correlation import ids_of
from actors.runtime.letter import Admission, Letter
from actors.runtime.metric import Metric, gauge
from actors.trading.events import record_execution
from actors.trading.money import exact, wire
from actors.trading.portfolio import (
    Portfolio,
    apply,
    mark,
    open_portfolio,
)
from actors.trading.records import Snapshot, readable
from settings import program

STANDBY_EVERY_S = 3.0
REMEMBERED = 20_000
CRASHES_ALLOWED = 1
STRATEGIES_MEASURED = 200


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """The broker's part of the status, except its session; of books that are not open here no amount is known."""

    state: str
    owner: str | None
    epoch: int | None
    mine: bool
    portfolios: tuple[Portfolio, ...]
    signal_at: float | None
    pending: int

    def as_status(self, now: float, /) -> dict[str, Any]:
        return {
            "state": self.state,
            "lease": {"owner": self.owner, "epoch": self.epoch, "mine": self.mine},
            "realized_pnl": self._sum(one.realized_pnl for one in self.portfolios),
            "unrealized_pnl": self._sum(one.unrealized_pnl for one in self.portfolios),
            "last_signal_age_s": None if self.signal_at is None else round(now - self.signal_at, 3),
            "pending": self.pending,
        }

    def _sum(self, amounts: Iterable[Decimal]) -> str | None:
        return wire(sum(amounts, Decimal())) if self.mine else None

    def as_metrics(self) -> Iterator[Metric]:
        """The money of each strategy, of no more than can be looked at."""
        shown = [
            ({"strategy_id": one.strategy_id, "broker": one.broker}, one)
            for one in self.portfolios[:STRATEGIES_MEASURED]
        ]
        pnl = [(labels, float(one.total_pnl)) for labels, one in shown]
        cash = [(labels, float(one.cash)) for labels, one in shown if one.broker == "paper"]
        yield gauge("strategy_pnl_current", "Profit of the strategy, realized and not.", *pnl)
        yield gauge("paper_cash_balance", "Cash of the strategy at the paper broker.", *cash)


class TradingActor(ServiceActor):
    """One broker.

    Owns: its portfolios and last prices, and the signals it has decided that are not yet durable.
    Receives: `ExecuteSignal`, `Ticks`, `BooksOpened`, `BooksHeld`, `BooksInvalidated`, `UnitsCommitted`,
    `CatalogueLoaded`.
    Sends: `CommitUnit` and `OpenBooks` to the database, `BrokerOpened` and `BrokerClosed` to the gateway.
    On failure: parked where the stored books cannot be read, else restarted from the database. Units it had sent are
    committed before its successor reads, as both go through the writer's mailbox; a signal that crashed it is the first
    that its successor handles, and given up if that crashes too.
    """

    def __init__(
        self,
        context: Context,
        broker: Broker,
        starting_cash: Decimal,
        forget_instruments: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(context)
        self._forget_instruments = forget_instruments or (lambda: None)
        self.log = self.log.bind(broker=broker.name)
        self._broker = broker
        self._starting_cash = starting_cash
        self._portfolios: dict[str, Portfolio] = {}
        self._prices: dict[int, Decimal] = {}
        self._stored_prices: dict[int, Decimal] = {}
        self._pending: OrderedDict[str, ExecuteSignal] = OrderedDict()
        self._again: dict[str, list[Delivery]] = {}
        self._committed: OrderedDict[str, None] = OrderedDict()
        self._token: int | None = None
        self._reign: int | None = None
        self._state = "opening"
        self._owner: str | None = None
        self._epoch: int | None = None
        self._signal_at: float | None = None
        self._changed = False
        self._crasher: ExecuteSignal | None = None
        self.handles(
            {
                ExecuteSignal: self._execute,
                Ticks: self._ticks,
                BooksOpened: self._opened,
                BooksHeld: self._held,
                BooksInvalidated: self._invalidated,
                UnitsCommitted: self._settled,
                ReopenBooks: lambda _: self._open_books(),
                CatalogueLoaded: lambda _: self._forget_instruments(),
            }
        )

    def on_letters(self, letters: deque[Letter]) -> bool:
        try:
            return super().on_letters(letters)
        except BaseException:
            if self._crasher is not None:
                letters.appendleft(Letter(self._crasher))
            raise
        finally:
            self._show()

    def on_start(self) -> None:
        if self.context.generation > 1:
            self._ask_for_ticks()
        self._open_books()
        self._show()

    def on_stop(self) -> None:
        self._state = "stopped"
        self._changed = True
        self._show()

    def on_crash(self, message: Any, error: BaseException) -> None:
        if isinstance(message, ExecuteSignal) and not isinstance(error, NotDelivered):
            if message.crashes < CRASHES_ALLOWED:
                self._crasher = replace(message, crashes=message.crashes + 1)
            else:
                crashed = CrashedOn(message.delivery, self.context.name, describe(error))
                self.context.directory["gateway"].tell_control(crashed)
        else:
            super().on_crash(message, error)

    def _ask_for_ticks(self) -> None:
        try:
            self._ticks(self.context.directory["gateway"].ask(GetTicks(), timeout_s=2.0))
        except (AskTimeout, NotDelivered):
            self.log.warning("no ticks from the gateway; prices are known again from the next ones")

    # Books

    def _open_books(self) -> None:
        """Ask for the books; until they come only the control lane is served."""
        self.context.suspend()
        self._token = None
        if not self.context.directory["database"].tell(OpenBooks(self._broker.name, self.context.name)):
            raise StartRefused("the database's mailbox is full", retryable=True)
        self._changed = True

    def _opened(self, message: BooksOpened) -> None:
        books = self._read(message)
        if message.left_out:
            self.log.warning(
                "snapshots left out, as another is the books of their strategy",
                count=message.left_out,
                some=list(message.left_out_names),
            )
        self._portfolios = {portfolio.strategy_id: mark(portfolio, self._prices) for portfolio in books}
        self._stored_prices = {
            token: position.last_price
            for portfolio in books
            for token, position in portfolio.positions.items()
            if position.last_price is not None
        }
        self._token, self._owner, self._epoch = message.token, message.owner, message.epoch
        self._state = "trading"
        self.context.resume()
        if self._reign is not None and self._reign != message.reign:
            self._forget_signals()
        self._reign = message.reign
        for waiting in self._pending.values():
            self._decide(waiting)
        self.context.directory["gateway"].tell_control(BrokerOpened(self._broker.name, message.reign))
        self._changed = True

    def _read(self, message: BooksOpened) -> list[Portfolio]:
        """The books as they are stored.

        Raises:
            StartRefused: one of them cannot be read, which no repetition cures.
        """
        books, problems = readable(self._broker.name, message.portfolios)
        if problems:
            more = f", and {len(problems) - 1} more" if problems[1:] else ""
            raise StartRefused(
                f"{problems[0]}{more}: correct what `{program()} db verify` lists, then "
                f"`{program()} restart {self.context.name}`"
            )
        return books

    def _held(self, message: BooksHeld) -> None:
        """Stand by: what was not yet durable is the other process's to handle, and comes to it again.

        It is not given back: the consumer has been made anew, and bears the name of the one it came from.
        """
        if self._state != "standby":
            self.log.warning("standing by", holder=message.owner)
            self.context.directory["gateway"].tell_control(BrokerClosed(self._broker.name))
        self._state, self._owner, self._epoch = "standby", message.owner, message.epoch
        self._pending.clear()
        self._again.clear()
        self.context.after(STANDBY_EVERY_S, ReopenBooks())
        self._changed = True

    def _forget_signals(self) -> None:
        """Drop what came before somebody else acted for the broker: all that is unsettled comes again, in order."""
        self._pending.clear()
        self._again.clear()
        mailbox, generation = self.context.mailbox, self.context.generation
        kept: list[Letter] = []
        while letters := mailbox.take(1000, generation, timeout_s=0):
            kept += [letter for letter in letters if not isinstance(letter.message, ExecuteSignal)]
        mailbox.push_back(kept, generation)

    def _invalidated(self, message: BooksInvalidated) -> None:
        if message.token not in {0, self._token}:
            return
        self.log.warning("books opened again", reason=message.reason, pending=len(self._pending))
        self._state = "opening"
        self._open_books()

    # Signals

    def _execute(self, message: ExecuteSignal) -> None:
        signal_id = message.signal.signal_id
        if signal_id in self._committed and not is_replay(message.delivery):
            self._tell(CommitUnit(message.delivery.consumer, signal_id, message.delivery))
        elif signal_id in self._pending:
            self._again.setdefault(signal_id, []).append(message.delivery)
        else:
            self._signal_at = self.context.clock.monotonic()
            self._decide(message)
            self._pending[signal_id] = message
            self._changed = True

    def _decide(self, message: ExecuteSignal) -> None:
        """Execute the signal on the books in memory and send what it leaves behind to the writer."""
        signal, delivery = message.signal, message.delivery
        now = self.context.clock.now()
        with exact():
            execution = self._broker.execute(signal, self._last_price(signal.instrument_token), now)
            portfolio = self._portfolio(signal.strategy_id)
            for fill in execution.fills:
                portfolio = apply(portfolio, fill)
            events = record_execution(signal, execution, portfolio, now)
        if execution.rejection is not None:
            self.log.warning("order failed", reason=execution.rejection.reason, **ids_of(message))
        unit = CommitUnit(
            consumer=delivery.consumer,
            message_id=signal.signal_id,
            delivery=delivery,
            broker=self._broker.name,
            books_token=self._token,
            events=tuple([event.row for event in events]),
            portfolio=Snapshot(portfolio, now) if execution.fills else None,
            outbound=tuple([event.message for event in events]),
        )
        self._tell(unit)
        self._portfolios[signal.strategy_id] = portfolio

    def _last_price(self, token: int) -> Decimal | None:
        """That of the newest tick, else of the last fill that is stored."""
        return self._prices.get(token, self._stored_prices.get(token))

    def _portfolio(self, strategy_id: str) -> Portfolio:
        known = self._portfolios.get(strategy_id)
        return known or open_portfolio(self._broker.name, strategy_id, self._starting_cash)

    def _tell(self, unit: CommitUnit) -> None:
        if self.context.directory["database"].mailbox.offer(Letter(unit)) is not Admission.ACCEPTED:
            raise NotDelivered("the database's mailbox is full")

    def _settled(self, message: UnitsCommitted) -> None:
        for signal_id in message.message_ids:
            self._pending.pop(signal_id, None)
            self._committed[signal_id] = None
            for delivery in self._again.pop(signal_id, ()):
                self._tell(CommitUnit(delivery.consumer, signal_id, delivery))
        while len(self._committed) > REMEMBERED:
            self._committed.popitem(last=False)
        self._changed = True

    def _ticks(self, message: Ticks) -> None:
        prices = {tick.instrument_token: tick.last_price for tick in message.ticks}
        self._prices.update(prices)
        for strategy_id, portfolio in self._portfolios.items():
            if not prices.keys().isdisjoint(portfolio.positions):
                self._portfolios[strategy_id] = mark(portfolio, prices)
        self._changed = True

    def _show(self) -> None:
        if not self._changed:
            return
        self._changed = False
        mine = self._token is not None
        self.context.publish(
            BrokerSnapshot(
                self._state,
                self._owner,
                self._epoch,
                mine,
                tuple(self._portfolios.values()) if mine else (),
                self._signal_at,
                len(self._pending),
            )
        )
