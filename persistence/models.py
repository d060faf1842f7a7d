"""The tables at the newest revision, named as PostgreSQL itself would name their parts.

The first seven belong to Alpha Panda and keep its columns and index names; the last five are the runtime's
own. The migrations lead here step by step, and a test holds the two equal.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    column,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import TextClause

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def compared(name: str | None, kind: str, _parents: object = None) -> bool:
    """Whether a comparison with a live database looks at this name: tables that begin with `_` hold set-aside
    rows.
    """
    return not (kind == "table" and name is not None and name.startswith("_"))


def _now() -> TextClause:
    return text("now()")


_instant = DateTime(timezone=True)

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("username", String, nullable=False, unique=True, index=True),
    Column("hashed_password", String, nullable=False),
    Column("created_at", _instant, server_default=_now()),
)

trading_sessions = Table(
    "trading_sessions",
    metadata,
    Column("session_id", String, primary_key=True),
    Column("user_id", String, nullable=False, unique=True, index=True),
    Column("start_time", _instant, server_default=_now()),
    Column("end_time", _instant),
    Column("is_active", Boolean, nullable=False),
    Column("session_data", JSONB),
    Column("created_at", _instant, server_default=_now()),
    Column("updated_at", _instant, server_default=_now()),
    Index("idx_trading_sessions_updated_at", "updated_at", postgresql_using="brin"),
    Index("idx_trading_sessions_is_active", "is_active"),
    Index("idx_trading_sessions_active_user", "user_id", "is_active"),
)

strategy_configurations = Table(
    "strategy_configurations",
    metadata,
    Column("id", String, primary_key=True),
    Column("strategy_type", String, nullable=False),
    Column("instruments", JSONB, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("zerodha_trading_enabled", Boolean, nullable=False),
    Column("use_composition", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", _instant, server_default=_now()),
    Column("updated_at", _instant),
    Index("idx_strategy_configurations_composition", "use_composition"),
)

portfolio_snapshots = Table(
    "portfolio_snapshots",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("portfolio_id", String, nullable=False, unique=True, index=True),
    Column("broker_namespace", String, nullable=False),
    Column("strategy_id", String, nullable=False),
    Column("positions", JSONB, nullable=False),
    Column("total_realized_pnl", Numeric, nullable=False),
    Column("total_unrealized_pnl", Numeric, nullable=False),
    Column("total_pnl", Numeric, nullable=False),
    Column("cash", Numeric, nullable=False),
    Column("snapshot_time", _instant, server_default=_now()),
    Column("created_at", _instant, server_default=_now()),
    Index("idx_portfolio_snapshots_broker_time", "broker_namespace", "snapshot_time"),
    Index("idx_portfolio_snapshots_strategy", "strategy_id"),
    Index("idx_portfolio_snapshots_time_desc", text("snapshot_time DESC")),
)

trading_events = Table(
    "trading_events",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("event_id", String, nullable=False, unique=True, index=True),
    Column("event_type", String, nullable=False),
    Column("broker_namespace", String, nullable=False),
    Column("strategy_id", String, nullable=False),
    Column("instrument_token", Integer, nullable=False),
    Column("event_data", JSONB, nullable=False),
    Column("correlation_id", String),
    Column("event_timestamp", _instant, nullable=False),
    Column("created_at", _instant, server_default=_now()),
    Index("idx_trading_events_broker_time", "broker_namespace", "event_timestamp"),
    Index("idx_trading_events_correlation", "correlation_id"),
    Index("idx_trading_events_strategy_time", "strategy_id", "event_timestamp"),
    Index("idx_trading_events_instrument_time", "instrument_token", "event_timestamp"),
)

instruments = Table(
    "instruments",
    metadata,
    Column("instrument_token", Integer, primary_key=True),
    Column("exchange_token", Integer, nullable=False),
    Column("tradingsymbol", String(50), nullable=False),
    Column("name", String(200), nullable=False),
    Column("exchange", String(10), nullable=False),
    Column("segment", String(20)),
    Column("instrument_type", String(10)),
    Column("last_price", Numeric(15, 4)),
    Column("tick_size", Numeric(10, 4)),
    Column("lot_size", Integer),
    Column("expiry", DateTime),
    Column("strike", Numeric(15, 4)),
    Column("is_active", Boolean),
    Column("created_at", _instant, server_default=_now()),
    Column("updated_at", _instant, server_default=_now()),
    Column("source_file", String(255)),
    Index("idx_instruments_symbol_exchange", "tradingsymbol", "exchange"),
    Index("idx_instruments_exchange_type", "exchange", "instrument_type"),
    Index("idx_instruments_expiry", "expiry"),
    Index("idx_instruments_active", "is_active"),
    Index("idx_instruments_updated", "updated_at"),
    Index(
        "idx_instruments_symbol_prefix",
        func.upper(column("tradingsymbol", String)).label("symbol"),
        postgresql_ops={"symbol": "text_pattern_ops"},
    ),
    Index(
        "idx_instruments_name_prefix",
        func.upper(column("name", String)).label("title"),
        postgresql_ops={"title": "text_pattern_ops"},
    ),
)

instrument_registry = Table(
    "instrument_registry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "instrument_token",
        Integer,
        ForeignKey("instruments.instrument_token", ondelete="CASCADE"),
        nullable=False,
        unique=True,
    ),
    Column("tradingsymbol", String(50), nullable=False),
    Column("exchange", String(10), nullable=False),
    Column("is_subscribed", Boolean),
    Column("priority", Integer),
    Column("added_at", _instant, server_default=_now()),
    Column("added_by", String(100)),
    Column("notes", String(500)),
    Index("idx_registry_subscribed", "is_subscribed"),
    Index("idx_registry_priority", "priority"),
    Index("idx_registry_symbol", "tradingsymbol"),
    Index("idx_registry_added", "added_at"),
)

instrument_loads = Table(
    "instrument_loads",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("loaded_at", _instant, nullable=False, server_default=_now()),
    Column("source_file", String(255), nullable=False),
    Column("listed", Integer, nullable=False),
    Column("inserted", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("deactivated", Integer, nullable=False),
    Column("active", Integer, nullable=False),
    Column("total", Integer, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("stream_seq", BigInteger),
    Column("received_at", _instant, nullable=False, server_default=_now()),
    Index("idx_inbox_received_at", "received_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("messages", LargeBinary, nullable=False),
    Column("created_at", _instant, nullable=False, server_default=_now()),
    Index("idx_outbox_created_at", "created_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error_class", Text),
    Column("broker", Text),
    Column("consumer", Text, nullable=False),
    Column("message_id", Text),
    Column("stream", Text),
    Column("stream_seq", BigInteger),
    Column("payload", LargeBinary, nullable=False),
    Column("headers", JSONB),
    Column("created_at", _instant, nullable=False, server_default=_now()),
    Column("stored_at", _instant),
    Column("replays", Integer, nullable=False, server_default=text("0")),
    Column("replayed_at", _instant),
    Index("idx_dead_letters_created_at", "created_at"),
)

broker_leases = Table(
    "broker_leases",
    metadata,
    Column("broker", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", _instant, nullable=False),
)
