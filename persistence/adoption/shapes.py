"""The seven tables as they must be when they are taken over, and what they may have been before.

Frozen: this is revision 0002 without the indexes that later revisions drop, with the columns in the order in which a
walk from an empty database makes them, and with the ids of events as wide as revision 0008 makes them, so that they are
copied once. A later change of the schema is a later revision, and changes nothing here.
"""

from __future__ import annotations

from persistence.adoption.shape import REVISION, Column, ForeignKey, Index, Shape

ALPHA_PANDAS_REVISION = "cc6a84f0b6f1"
MONEY = ("total_realized_pnl", "total_unrealized_pnl", "total_pnl", "cash")
OLD_KINDS_OF_STRATEGY = ("SimpleMomentumStrategy", "MomentumStrategy", "MeanReversionStrategy")


def _serial(table: str, name: str = "id", kind: str = "integer", *before: str) -> Column:
    return Column(name, kind, not_null=True, default=f"nextval('{table}_{name}_seq'::regclass)", before=before)


def _text(name: str, limit: int = 0, *, not_null: bool = False) -> Column:
    return Column(name, f"character varying({limit})" if limit else "character varying", not_null)


def _flag(name: str, *, not_null: bool = True) -> Column:
    return Column(name, "boolean", not_null)


def _instant(name: str, *, default: str = "now()", not_null: bool = False) -> Column:
    return Column(name, "timestamp with time zone", not_null, default)


def _document(name: str, *, not_null: bool = True) -> Column:
    # SQLAlchemy stores None as the JSON null.
    return Column(name, "jsonb", not_null, before=("json",), nothing="" if not_null else "null")


def _money(name: str) -> Column:
    return Column(name, "numeric", not_null=True, before=("double precision",))


def _price(name: str, digits: int) -> Column:
    return Column(name, f"numeric({digits},4)", nothing="NaN")


def _key(table: str, column: str) -> Index:
    return Index(f"{table}_pkey", f"btree ({column})", unique=True, constraint="p")


def _unique(table: str, column: str) -> Index:
    return Index(f"ix_{table}_{column}", f"btree ({column})", unique=True)


def _index(name: str, columns: str) -> Index:
    return Index(name, f"btree ({columns})")


USERS = Shape(
    "users",
    "id",
    (
        _serial("users"),
        _text("username", not_null=True),
        _text("hashed_password", not_null=True),
        _instant("created_at"),
    ),
    (_key("users", "id"), _unique("users", "username")),
)

# The index on `updated_at` is made by revision 0006.
TRADING_SESSIONS = Shape(
    "trading_sessions",
    "session_id",
    (
        _text("session_id", not_null=True),
        _text("user_id", not_null=True),
        _instant("start_time"),
        _instant("end_time", default=""),
        _flag("is_active"),
        _document("session_data", not_null=False),
        _instant("created_at"),
        _instant("updated_at"),
    ),
    (
        _key("trading_sessions", "session_id"),
        _unique("trading_sessions", "user_id"),
        _index("idx_trading_sessions_is_active", "is_active"),
        _index("idx_trading_sessions_active_user", "user_id, is_active"),
    ),
    group="user_id",
    best_first="is_active DESC, COALESCE(updated_at, created_at, start_time) DESC NULLS LAST, session_id DESC",
)

STRATEGY_CONFIGURATIONS = Shape(
    "strategy_configurations",
    "id",
    (
        _text("id", not_null=True),
        _text("strategy_type", not_null=True),
        _document("instruments"),
        _document("parameters"),
        _flag("is_active"),
        Column("zerodha_trading_enabled", "boolean", not_null=True, named_before="live_trading_enabled"),
        _instant("created_at"),
        _instant("updated_at", default=""),
        Column(
            "use_composition",
            "boolean",
            not_null=True,
            default="true",
            made_of=f"t.strategy_type NOT IN {OLD_KINDS_OF_STRATEGY}",
        ),
    ),
    (
        _key("strategy_configurations", "id"),
        _index("idx_strategy_configurations_composition", "use_composition"),
    ),
)

PORTFOLIO_SNAPSHOTS = Shape(
    "portfolio_snapshots",
    "id",
    (
        _serial("portfolio_snapshots"),
        _text("portfolio_id", not_null=True),
        _text("broker_namespace", not_null=True),
        _text("strategy_id", not_null=True),
        _document("positions"),
        *(_money(name) for name in MONEY),
        _instant("snapshot_time"),
        _instant("created_at"),
    ),
    (
        _key("portfolio_snapshots", "id"),
        _unique("portfolio_snapshots", "portfolio_id"),
        _index("idx_portfolio_snapshots_broker_time", "broker_namespace, snapshot_time"),
        _index("idx_portfolio_snapshots_strategy", "strategy_id"),
        _index("idx_portfolio_snapshots_time_desc", "snapshot_time DESC"),
    ),
    group="portfolio_id",
    best_first="COALESCE(snapshot_time, created_at) DESC NULLS LAST, id DESC",
    unfit=" OR ".join(f"t.{name} IN ('NaN', 'Infinity', '-Infinity')" for name in MONEY),
)

TRADING_EVENTS = Shape(
    "trading_events",
    "id",
    (
        _serial("trading_events", "id", "bigint", "integer"),
        _text("event_id", not_null=True),
        _text("event_type", not_null=True),
        _text("broker_namespace", not_null=True),
        _text("strategy_id", not_null=True),
        Column("instrument_token", "integer", not_null=True),
        _document("event_data"),
        _text("correlation_id"),
        _instant("event_timestamp", default="", not_null=True),
        _instant("created_at"),
    ),
    (
        _key("trading_events", "id"),
        _unique("trading_events", "event_id"),
        _index("idx_trading_events_broker_time", "broker_namespace, event_timestamp"),
        _index("idx_trading_events_correlation", "correlation_id"),
        _index("idx_trading_events_strategy_time", "strategy_id, event_timestamp"),
        _index("idx_trading_events_instrument_time", "instrument_token, event_timestamp"),
    ),
)

INSTRUMENTS = Shape(
    "instruments",
    "instrument_token",
    (
        _serial("instruments", "instrument_token"),
        Column("exchange_token", "integer", not_null=True),
        _text("tradingsymbol", 50, not_null=True),
        _text("name", 200, not_null=True),
        _text("exchange", 10, not_null=True),
        _text("segment", 20),
        _text("instrument_type", 10),
        _price("last_price", 15),
        _price("tick_size", 10),
        Column("lot_size", "integer"),
        Column("expiry", "timestamp without time zone"),
        _price("strike", 15),
        _flag("is_active", not_null=False),
        _instant("created_at"),
        _instant("updated_at"),
        _text("source_file", 255),
    ),
    (
        _key("instruments", "instrument_token"),
        _index("idx_instruments_symbol_exchange", "tradingsymbol, exchange"),
        _index("idx_instruments_exchange_type", "exchange, instrument_type"),
        _index("idx_instruments_expiry", "expiry"),
        _index("idx_instruments_active", "is_active"),
        _index("idx_instruments_updated", "updated_at"),
        # Revision 0007 would build these under a lock; it leaves those alone that are there.
        _index("idx_instruments_symbol_prefix", "upper((tradingsymbol)::text) text_pattern_ops"),
        _index("idx_instruments_name_prefix", "upper((name)::text) text_pattern_ops"),
    ),
)

INSTRUMENT_REGISTRY = Shape(
    "instrument_registry",
    "id",
    (
        _serial("instrument_registry"),
        Column("instrument_token", "integer", not_null=True),
        _text("tradingsymbol", 50, not_null=True),
        _text("exchange", 10, not_null=True),
        _flag("is_subscribed", not_null=False),
        Column("priority", "integer"),
        _instant("added_at"),
        _text("added_by", 100),
        _text("notes", 500),
    ),
    (
        _key("instrument_registry", "id"),
        Index("instrument_registry_instrument_token_key", "btree (instrument_token)", unique=True, constraint="u"),
        _index("idx_registry_subscribed", "is_subscribed"),
        _index("idx_registry_priority", "priority"),
        _index("idx_registry_symbol", "tradingsymbol"),
        _index("idx_registry_added", "added_at"),
    ),
)

SHAPES = (
    USERS,
    INSTRUMENTS,
    INSTRUMENT_REGISTRY,
    STRATEGY_CONFIGURATIONS,
    TRADING_SESSIONS,
    PORTFOLIO_SNAPSHOTS,
    TRADING_EVENTS,
)
REWRITABLE = (STRATEGY_CONFIGURATIONS, TRADING_SESSIONS, PORTFOLIO_SNAPSHOTS, TRADING_EVENTS)
FOREIGN_KEY = ForeignKey(
    "instrument_registry_instrument_token_fkey",
    "instrument_registry",
    "instrument_token",
    "instruments",
    "FOREIGN KEY (instrument_token) REFERENCES instruments(instrument_token) ON DELETE CASCADE",
    f"_orphan_instrument_registry_{REVISION}",
)
LATER_INDEXES = ("idx_trading_sessions_updated_at",)
"""Indexes that a later revision replaces, whatever they are."""
