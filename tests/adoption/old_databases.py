"""Databases as Alpha Panda's `create_all` and its one revision made them, in frozen SQL."""

from __future__ import annotations

from dataclasses import dataclass

from tests.persistence.databases import connected

_BEFORE = """
    CREATE TABLE users (
        id SERIAL NOT NULL, username VARCHAR NOT NULL, hashed_password VARCHAR NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now(), PRIMARY KEY (id));
    CREATE TABLE trading_sessions (
        session_id VARCHAR NOT NULL, user_id VARCHAR NOT NULL,
        start_time TIMESTAMP WITH TIME ZONE DEFAULT now(), end_time TIMESTAMP WITH TIME ZONE,
        is_active BOOLEAN NOT NULL, session_data {json}, created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now(), PRIMARY KEY (session_id));
    CREATE TABLE strategy_configurations (
        id VARCHAR NOT NULL, strategy_type VARCHAR NOT NULL, instruments JSON NOT NULL, parameters JSON NOT NULL,
        is_active BOOLEAN NOT NULL, {live} BOOLEAN NOT NULL, {composition}
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now(), updated_at TIMESTAMP WITH TIME ZONE, PRIMARY KEY (id));
    CREATE TABLE portfolio_snapshots (
        id SERIAL NOT NULL, portfolio_id VARCHAR NOT NULL, broker_namespace VARCHAR NOT NULL,
        strategy_id VARCHAR NOT NULL, positions {json} NOT NULL, total_realized_pnl FLOAT NOT NULL,
        total_unrealized_pnl FLOAT NOT NULL, total_pnl FLOAT NOT NULL, cash FLOAT NOT NULL,
        snapshot_time TIMESTAMP WITH TIME ZONE DEFAULT now(), created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
        PRIMARY KEY (id));
    CREATE TABLE trading_events (
        id SERIAL NOT NULL, event_id VARCHAR NOT NULL, event_type VARCHAR NOT NULL,
        broker_namespace VARCHAR NOT NULL, strategy_id VARCHAR NOT NULL, instrument_token INTEGER NOT NULL,
        event_data {json} NOT NULL, correlation_id VARCHAR, event_timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now(), PRIMARY KEY (id));
    CREATE TABLE instruments (
        instrument_token {token} NOT NULL, exchange_token INTEGER NOT NULL, tradingsymbol VARCHAR(50) NOT NULL,
        name VARCHAR(200) NOT NULL, exchange VARCHAR(10) NOT NULL, segment VARCHAR(20), instrument_type VARCHAR(10),
        last_price NUMERIC(15, 4), tick_size NUMERIC(10, 4), lot_size INTEGER, expiry TIMESTAMP WITHOUT TIME ZONE,
        strike NUMERIC(15, 4), is_active BOOLEAN, created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now(), source_file VARCHAR(255), PRIMARY KEY (instrument_token));
    CREATE TABLE instrument_registry (
        id SERIAL NOT NULL, instrument_token INTEGER NOT NULL, tradingsymbol VARCHAR(50) {null},
        exchange VARCHAR(10) {null}, is_subscribed BOOLEAN, priority INTEGER,
        added_at TIMESTAMP WITH TIME ZONE DEFAULT now(), added_by VARCHAR(100), notes VARCHAR(500),
        PRIMARY KEY (id), UNIQUE (instrument_token){link});
    CREATE INDEX ix_users_id ON users (id);
    CREATE UNIQUE INDEX ix_users_username ON users (username);
    CREATE INDEX ix_trading_sessions_session_id ON trading_sessions (session_id);
    CREATE {unique} INDEX ix_trading_sessions_user_id ON trading_sessions (user_id);
    CREATE INDEX ix_strategy_configurations_id ON strategy_configurations (id);
    CREATE INDEX ix_portfolio_snapshots_id ON portfolio_snapshots (id);
    CREATE {unique} INDEX ix_portfolio_snapshots_portfolio_id ON portfolio_snapshots (portfolio_id);
    CREATE INDEX ix_portfolio_snapshots_broker_namespace ON portfolio_snapshots (broker_namespace);
    CREATE INDEX ix_portfolio_snapshots_strategy_id ON portfolio_snapshots (strategy_id);
    CREATE INDEX ix_trading_events_id ON trading_events (id);
    CREATE UNIQUE INDEX ix_trading_events_event_id ON trading_events (event_id);
    CREATE INDEX ix_trading_events_broker_namespace ON trading_events (broker_namespace);
    CREATE INDEX ix_trading_events_strategy_id ON trading_events (strategy_id);
    CREATE INDEX ix_trading_events_instrument_token ON trading_events (instrument_token);
    CREATE INDEX ix_trading_events_correlation_id ON trading_events (correlation_id);
    CREATE INDEX ix_instruments_tradingsymbol ON instruments (tradingsymbol);
    CREATE INDEX ix_instruments_exchange ON instruments (exchange);
"""
_AFTER = """
    CREATE INDEX idx_trading_sessions_updated_at ON trading_sessions (updated_at);
    CREATE INDEX idx_trading_sessions_is_active ON trading_sessions (is_active);
    CREATE INDEX idx_trading_sessions_active_user ON trading_sessions (user_id, is_active);
    CREATE INDEX idx_portfolio_snapshots_broker_time ON portfolio_snapshots (broker_namespace, snapshot_time);
    CREATE INDEX idx_portfolio_snapshots_strategy ON portfolio_snapshots (strategy_id);
    CREATE INDEX idx_portfolio_snapshots_time_desc ON portfolio_snapshots (snapshot_time DESC);
    CREATE INDEX idx_trading_events_broker_time ON trading_events (broker_namespace, event_timestamp);
    CREATE INDEX idx_trading_events_correlation ON trading_events (correlation_id);
    CREATE INDEX idx_trading_events_strategy_time ON trading_events (strategy_id, event_timestamp);
    CREATE INDEX idx_trading_events_instrument_time ON trading_events (instrument_token, event_timestamp);
    CREATE INDEX idx_instruments_symbol_exchange ON instruments (tradingsymbol, exchange);
    CREATE INDEX idx_instruments_exchange_type ON instruments (exchange, instrument_type);
    CREATE INDEX idx_instruments_expiry ON instruments (expiry);
    CREATE INDEX idx_instruments_active ON instruments (is_active);
    CREATE INDEX idx_instruments_updated ON instruments (updated_at);
    CREATE INDEX idx_registry_subscribed ON instrument_registry (is_subscribed);
    CREATE INDEX idx_registry_priority ON instrument_registry (priority);
    CREATE INDEX idx_registry_symbol ON instrument_registry (tradingsymbol);
    CREATE INDEX idx_registry_added ON instrument_registry (added_at);
"""
_COMPOSITION = """
    ALTER TABLE strategy_configurations ADD COLUMN use_composition BOOLEAN DEFAULT true NOT NULL;
    CREATE INDEX idx_strategy_configurations_composition ON strategy_configurations (use_composition);
"""
_STAMP = """
    CREATE TABLE alembic_version (
        version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
    INSERT INTO alembic_version VALUES ('{stamp}');
"""
_LINK = ", FOREIGN KEY(instrument_token) REFERENCES instruments (instrument_token) ON DELETE CASCADE"


@dataclass(frozen=True, slots=True)
class OldDatabase:
    """One way in which Alpha Panda has made its database."""

    name: str
    kind: str
    fixed: bool
    composition: str = ""
    live: str = "zerodha_trading_enabled"
    token: str = "SERIAL"
    null: str = "NOT NULL"
    stamp: str = ""

    @property
    def statements(self) -> str:
        """What makes it."""
        words = {
            "json": "JSONB" if self.fixed else "JSON",
            "unique": "UNIQUE" if self.fixed else "",
            "link": _LINK if self.fixed else "",
            "live": self.live,
            "composition": self.composition,
            "token": self.token,
            "null": self.null,
        }
        stamp = _STAMP.format(stamp=self.stamp) if self.stamp else ""
        composition = _COMPOSITION if self.stamp == "cc6a84f0b6f1" else ""
        return _BEFORE.format(**words) + (_AFTER if self.fixed else "") + stamp + composition

    def make(self, url: str) -> None:
        """Make it in an empty database."""
        with connected(url) as connection:
            connection.exec_driver_sql(self.statements)


L0 = OldDatabase("L0", "L0", fixed=False)
L0_OLDEST = OldDatabase("L0 oldest", "L0", fixed=False, live="live_trading_enabled", token="INTEGER", null="")
L0_STAMPED = OldDatabase("L0 at 0001", "L0", fixed=False, stamp="0001")
"""What the way back leaves."""
L1 = OldDatabase("L1 older", "L1", fixed=True)
L1_NEWER = OldDatabase("L1 newer", "L1", fixed=True, composition="use_composition BOOLEAN NOT NULL,")
L2 = OldDatabase("L2", "L2", fixed=True, stamp="cc6a84f0b6f1")
OLD_DATABASES = (L0, L0_OLDEST, L1, L1_NEWER, L2)
