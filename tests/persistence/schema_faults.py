"""Ways to break a database, and what a proof has to find then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from persistence.schema_facts import Kind
from persistence.verification import Verdict

EVENT = (
    "INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data, "
    "event_timestamp) VALUES ('{}', 'order_filled', 'paper', 's', 1, '{}', now())"
)
SNAPSHOT = (
    "INSERT INTO portfolio_snapshots (portfolio_id, broker_namespace, strategy_id, positions, total_realized_pnl, "
    "total_unrealized_pnl, total_pnl, cash) VALUES ('{}', 'paper', 's', '{}', 1, 2, {}, '{}')"
)
SESSION = "INSERT INTO trading_sessions (session_id, user_id, is_active, session_data) VALUES ('{}', '{}', true, {})"
STRATEGY = (
    "INSERT INTO strategy_configurations (id, strategy_type, instruments, parameters, is_active, "
    "zerodha_trading_enabled) VALUES ('s', 't', '{}', '{}', true, false)"
)
INSTRUMENT = (
    "INSERT INTO instruments (instrument_token, exchange_token, tradingsymbol, name, exchange, is_active, last_price) "
    "VALUES ({}, 1, 'X', '', 'NSE', {}, {})"
)
REGISTERED = "INSERT INTO instrument_registry (instrument_token, tradingsymbol, exchange) VALUES ({}, 'X', 'NSE')"
FOREIGN_KEY = "instrument_registry_instrument_token_fkey"
DROP_FOREIGN_KEY = f"ALTER TABLE instrument_registry DROP CONSTRAINT {FOREIGN_KEY}"
ADD_FOREIGN_KEY = f"ALTER TABLE instrument_registry ADD CONSTRAINT {FOREIGN_KEY} FOREIGN KEY (instrument_token)"


@dataclass(frozen=True, slots=True)
class Fault:
    """Statements that break a database, and the findings that they lead to: (table, kind, name, words of it)."""

    statements: Sequence[str]
    found: Sequence[tuple[str, Kind, str, str]]
    verdict: Verdict = Verdict.FAILED


SCHEMA_FAULTS = {
    "a table is gone": Fault(["DROP TABLE outbox"], [("outbox", Kind.TABLE, "outbox", "is missing")]),
    "a table loses its rows in a crash": Fault(
        ["ALTER TABLE inbox SET UNLOGGED"], [("inbox", Kind.TABLE, "inbox", "is unlogged, has to be permanent")]
    ),
    "a unique index is gone": Fault(
        ["DROP INDEX ix_trading_events_event_id"],
        [("trading_events", Kind.INDEX, "ix_trading_events_event_id", "is missing, has to be unique btree (event_id)")],
    ),
    "an index is no longer unique": Fault(
        [
            "DROP INDEX ix_trading_sessions_user_id",
            "CREATE INDEX ix_trading_sessions_user_id ON trading_sessions (user_id)",
        ],
        [("trading_sessions", Kind.INDEX, "ix_trading_sessions_user_id", "is btree (user_id), has to be unique")],
    ),
    "an index has its columns the other way round": Fault(
        [
            "DROP INDEX idx_trading_events_broker_time",
            "CREATE INDEX idx_trading_events_broker_time ON trading_events (event_timestamp, broker_namespace)",
        ],
        [("trading_events", Kind.INDEX, "idx_trading_events_broker_time", "(event_timestamp, broker_namespace), has")],
    ),
    "an index sorts the other way": Fault(
        [
            "DROP INDEX idx_portfolio_snapshots_time_desc",
            "CREATE INDEX idx_portfolio_snapshots_time_desc ON portfolio_snapshots (snapshot_time)",
        ],
        [("portfolio_snapshots", Kind.INDEX, "idx_portfolio_snapshots_time_desc", "has to be btree (snapshot_time DE")],
    ),
    "an index is of another method": Fault(
        [
            "DROP INDEX idx_trading_sessions_updated_at",
            "CREATE INDEX idx_trading_sessions_updated_at ON trading_sessions (updated_at)",
        ],
        [("trading_sessions", Kind.INDEX, "idx_trading_sessions_updated_at", "is btree (updated_at), has to be brin")],
    ),
    "an index covers some rows only": Fault(
        [
            "DROP INDEX idx_trading_events_correlation",
            "CREATE INDEX idx_trading_events_correlation ON trading_events (correlation_id) WHERE id > 5",
        ],
        [("trading_events", Kind.INDEX, "idx_trading_events_correlation", "where (id > 5)")],
    ),
    "an index is invalid": Fault(
        ["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_portfolio_snapshots_portfolio_id'::regclass"],
        [("portfolio_snapshots", Kind.INDEX, "ix_portfolio_snapshots_portfolio_id", ", invalid, has to be")],
    ),
    "the foreign key is gone": Fault(
        [DROP_FOREIGN_KEY], [("instrument_registry", Kind.FOREIGN_KEY, FOREIGN_KEY, "is missing")]
    ),
    "the foreign key does not cascade": Fault(
        [DROP_FOREIGN_KEY, f"{ADD_FOREIGN_KEY} REFERENCES instruments ON DELETE SET NULL"],
        [("instrument_registry", Kind.FOREIGN_KEY, FOREIGN_KEY, "on delete set null, has to be")],
    ),
    "the foreign key was never validated": Fault(
        [DROP_FOREIGN_KEY, f"{ADD_FOREIGN_KEY} REFERENCES instruments ON DELETE CASCADE NOT VALID"],
        [("instrument_registry", Kind.FOREIGN_KEY, FOREIGN_KEY, "not validated")],
    ),
    "a unique constraint is gone": Fault(
        ["ALTER TABLE instrument_registry DROP CONSTRAINT instrument_registry_instrument_token_key"],
        [("instrument_registry", Kind.UNIQUE, "instrument_registry_instrument_token_key", "is missing")],
    ),
    "a primary key is gone": Fault(
        ["ALTER TABLE inbox DROP CONSTRAINT inbox_pkey"],
        # Its columns stay NOT NULL up to PostgreSQL 17, as they do in 18.
        [("inbox", Kind.PRIMARY_KEY, "inbox_pkey", "is missing, has to be (consumer, message_id)")],
    ),
    "JSON is no JSONB": Fault(
        ["ALTER TABLE trading_events ALTER COLUMN event_data TYPE json"],
        [("trading_events", Kind.COLUMN, "event_data", "is json, has to be jsonb")],
    ),
    "money is binary": Fault(
        ["ALTER TABLE portfolio_snapshots ALTER COLUMN cash TYPE double precision"],
        [("portfolio_snapshots", Kind.COLUMN, "cash", "is double precision, has to be numeric")],
    ),
    "a text is shorter": Fault(
        ["ALTER TABLE instruments ALTER COLUMN tradingsymbol TYPE varchar(20)"],
        [("instruments", Kind.COLUMN, "tradingsymbol", "is character varying(20), has to be character varying(50)")],
    ),
    "a time has lost its zone": Fault(
        ["ALTER TABLE dead_letters ALTER COLUMN stored_at TYPE timestamp"],
        [("dead_letters", Kind.COLUMN, "stored_at", "is timestamp without time zone")],
    ),
    "a column may be null": Fault(
        ["ALTER TABLE trading_sessions ALTER COLUMN user_id DROP NOT NULL"],
        [("trading_sessions", Kind.NULLS, "user_id", "is nullable, has to be not null")],
    ),
    "a column must not be null": Fault(
        ["ALTER TABLE trading_events ALTER COLUMN correlation_id SET NOT NULL"],
        [("trading_events", Kind.NULLS, "correlation_id", "is not null, has to be nullable")],
    ),
    "a column is gone": Fault(
        ["ALTER TABLE dead_letters DROP COLUMN replayed_at"],
        [("dead_letters", Kind.COLUMN, "replayed_at", "is missing")],
    ),
    "a default is gone": Fault(
        ["ALTER TABLE dead_letters ALTER COLUMN replays DROP DEFAULT"],
        [("dead_letters", Kind.DEFAULT, "replays", "is none, has to be 0")],
    ),
    "a default is another": Fault(
        ["ALTER TABLE strategy_configurations ALTER COLUMN use_composition SET DEFAULT false"],
        [("strategy_configurations", Kind.DEFAULT, "use_composition", "is false, has to be true")],
    ),
    "an id has no sequence": Fault(
        ["DROP SEQUENCE trading_events_id_seq CASCADE"],
        [("trading_events", Kind.DEFAULT, "id", "is none, has to be from its own sequence")],
    ),
    "an id has another's sequence": Fault(
        ["CREATE SEQUENCE own", "ALTER TABLE users ALTER COLUMN id SET DEFAULT nextval('own')"],
        [("users", Kind.DEFAULT, "id", "which the column does not own")],
    ),
    "a sequence ends before the ids do": Fault(
        ["ALTER SEQUENCE trading_events_id_seq AS integer"],
        [("trading_events", Kind.DEFAULT, "id", "from its own sequence, which ends at 2147483647")],
    ),
    "a check refuses rows": Fault(
        ["ALTER TABLE portfolio_snapshots ADD CONSTRAINT rich CHECK (cash > 0)"],
        [("portfolio_snapshots", Kind.CHECK, "rich", "not of this version: CHECK")],
    ),
    "a unique index refuses rows": Fault(
        ["CREATE UNIQUE INDEX once ON trading_events (correlation_id)"],
        [("trading_events", Kind.INDEX, "once", "not of this version: unique btree (correlation_id)")],
    ),
    "a column of another version refuses rows": Fault(
        ["ALTER TABLE outbox ADD COLUMN priority integer NOT NULL"],
        [("outbox", Kind.COLUMN, "priority", "not of this version: integer")],
    ),
}

ROW_FAULTS = {
    "a sequence is behind its ids": Fault(
        [EVENT.format("e", "{}"), "UPDATE trading_events SET id = 7"],
        [("trading_events", Kind.ROWS, "id beyond its sequence", "1 row")],
    ),
    "cash is no number": Fault(
        [SNAPSHOT.format("paper:s", "{}", 3, "NaN")],
        [("portfolio_snapshots", Kind.ROWS, "NaN or infinite cash", "1 row")],
    ),
    "profit is infinite": Fault(
        [SNAPSHOT.format("paper:s", "{}", "'-Infinity'", 1)],
        [("portfolio_snapshots", Kind.ROWS, "NaN or infinite total_pnl", "1 row")],
    ),
    "a price is no number": Fault(
        [INSTRUMENT.format(1, "true", "'NaN'")],
        [("instruments", Kind.ROWS, "NaN or infinite last_price", "1 row")],
    ),
    "events are there twice": Fault(
        ["DROP INDEX ix_trading_events_event_id", EVENT.format("e", "{}"), EVENT.format("e", "{}")],
        [
            ("trading_events", Kind.INDEX, "ix_trading_events_event_id", "is missing"),
            ("trading_events", Kind.ROWS, "duplicate event_id", "1 row"),
        ],
    ),
    "a registered instrument is gone": Fault(
        [DROP_FOREIGN_KEY, INSTRUMENT.format(1, "true", "1"), REGISTERED.format(1), REGISTERED.format(2)],
        [
            ("instrument_registry", Kind.FOREIGN_KEY, FOREIGN_KEY, "is missing"),
            ("instrument_registry", Kind.ROWS, "orphaned instrument_token", "1 row"),
        ],
    ),
}

NOTES = {
    "a session that is no object": Fault(
        [SESSION.format("1", "u", "'[]'"), SESSION.format("2", "v", "NULL"), SESSION.format("3", "w", "'{}'")],
        [("trading_sessions", Kind.ROWS, "session_data not a JSON object", "1 row")],
        Verdict.NOTE,
    ),
    "a session that is the JSON null": Fault(
        [SESSION.format("1", "u", "'null'")],
        [("trading_sessions", Kind.ROWS, "session_data not a JSON object", "1 row")],
        Verdict.NOTE,
    ),
    "positions that are no object": Fault(
        [SNAPSHOT.format("paper:s", '"five"', 3, 1)],
        [("portfolio_snapshots", Kind.ROWS, "positions not a JSON object", "1 row")],
        Verdict.NOTE,
    ),
    "a snapshot of another name than that of its books": Fault(
        [SNAPSHOT.format("paper:s", "{}", 3, 1), SNAPSHOT.format("p", "{}", 3, 1)],
        [("portfolio_snapshots", Kind.ROWS, "portfolio_id not broker:strategy_id", "1 row")],
        Verdict.NOTE,
    ),
    "a snapshot under the name of another strategy's books": Fault(
        [SNAPSHOT.format("paper:other", "{}", 3, 1)],
        [
            ("portfolio_snapshots", Kind.ROWS, "portfolio_id not broker:strategy_id", "1 row"),
            ("portfolio_snapshots", Kind.ROWS, "portfolio_id of another strategy", "1 row"),
        ],
        Verdict.NOTE,
    ),
    "instruments of a strategy that are no array": Fault(
        [STRATEGY.format("{}", "null")],
        [
            ("strategy_configurations", Kind.ROWS, "instruments not a JSON array", "1 row"),
            ("strategy_configurations", Kind.ROWS, "parameters not a JSON object", "1 row"),
        ],
        Verdict.NOTE,
    ),
    "an event that is no object": Fault(
        [EVENT.format("a", "1"), EVENT.format("b", "2")],
        [("trading_events", Kind.ROWS, "event_data not a JSON object", "2 rows")],
        Verdict.NOTE,
    ),
    "an index of the operator's own": Fault(
        ["CREATE INDEX own ON trading_events (event_type)"],
        [("trading_events", Kind.INDEX, "own", "not of this version: btree (event_type)")],
        Verdict.NOTE,
    ),
    "a column of the operator's own": Fault(
        ["ALTER TABLE users ADD COLUMN phone text"],
        [("users", Kind.COLUMN, "phone", "not of this version: text")],
        Verdict.NOTE,
    ),
}
