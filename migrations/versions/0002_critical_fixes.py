"""The critical fixes: unique keys, no orphans, JSONB, exact money, indexes.

Reason: upserts need unique keys, the catalogue needs its foreign key, money must not be binary floats, and
queries of the hot paths need their indexes. Dirty data is cleaned on the way: of duplicate sessions the
newest active one stays, of duplicate snapshots the newest, registry rows without an instrument and snapshots
whose money is no number go, prices that are no number and sessions that are the JSON null become NULL, and
JSON that `jsonb` refuses is repaired. What is removed or repaired is kept in tables whose names begin with
`_dup_`, `_orphan_`, `_nan_` and `_json_`.
Lock: all tables named here exclusively, while they are rewritten: about a second for 100 000 rows. Stop
writers before.
Way back: `downgrade` restores types and indexes and puts the removed rows back.
"""

# ruff: noqa: S608 - every name in these statements is a constant of this file

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from persistence.json_repair import repaired

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = (
    "instruments",
    "instrument_registry",
    "portfolio_snapshots",
    "strategy_configurations",
    "trading_events",
    "trading_sessions",
)
_DUPLICATES = (
    (
        "trading_sessions",
        "session_id",
        "user_id",
        "is_active DESC, COALESCE(updated_at, created_at, start_time) DESC NULLS LAST, session_id DESC",
    ),
    (
        "portfolio_snapshots",
        "id",
        "portfolio_id",
        "COALESCE(snapshot_time, created_at) DESC NULLS LAST, id DESC",
    ),
)
_JSON = (
    ("trading_sessions", "session_id", "session_data"),
    ("strategy_configurations", "id", "instruments"),
    ("strategy_configurations", "id", "parameters"),
    ("portfolio_snapshots", "id", "positions"),
    ("trading_events", "id", "event_data"),
)
_MONEY = ("total_realized_pnl", "total_unrealized_pnl", "total_pnl", "cash")
_PRICES = ("last_price", "tick_size", "strike")
_UNFIT = "_nan_portfolio_snapshots_0002"
_INDEXES = (
    ("idx_trading_sessions_updated_at", "trading_sessions", "updated_at"),
    ("idx_trading_sessions_is_active", "trading_sessions", "is_active"),
    ("idx_trading_sessions_active_user", "trading_sessions", "user_id, is_active"),
    ("idx_strategy_configurations_composition", "strategy_configurations", "use_composition"),
    ("idx_portfolio_snapshots_broker_time", "portfolio_snapshots", "broker_namespace, snapshot_time"),
    ("idx_portfolio_snapshots_strategy", "portfolio_snapshots", "strategy_id"),
    ("idx_portfolio_snapshots_time_desc", "portfolio_snapshots", "snapshot_time DESC"),
    ("idx_trading_events_broker_time", "trading_events", "broker_namespace, event_timestamp"),
    ("idx_trading_events_correlation", "trading_events", "correlation_id"),
    ("idx_trading_events_strategy_time", "trading_events", "strategy_id, event_timestamp"),
    ("idx_trading_events_instrument_time", "trading_events", "instrument_token, event_timestamp"),
    ("idx_instruments_symbol_exchange", "instruments", "tradingsymbol, exchange"),
    ("idx_instruments_exchange_type", "instruments", "exchange, instrument_type"),
    ("idx_instruments_expiry", "instruments", "expiry"),
    ("idx_instruments_active", "instruments", "is_active"),
    ("idx_instruments_updated", "instruments", "updated_at"),
    ("idx_registry_subscribed", "instrument_registry", "is_subscribed"),
    ("idx_registry_priority", "instrument_registry", "priority"),
    ("idx_registry_symbol", "instrument_registry", "tradingsymbol"),
    ("idx_registry_added", "instrument_registry", "added_at"),
)


def upgrade() -> None:
    op.execute(f"LOCK TABLE {', '.join(_TABLES)} IN ACCESS EXCLUSIVE MODE")
    infinite = " OR ".join(f"{column} IN ('NaN', 'Infinity', '-Infinity')" for column in _MONEY)
    _set_aside(_UNFIT, "portfolio_snapshots", "id", f"SELECT id FROM portfolio_snapshots WHERE {infinite}")
    for table, key, unique, best_first in _DUPLICATES:
        place = f"row_number() OVER (PARTITION BY {unique} ORDER BY {best_first})"
        worse = f"SELECT {key} FROM (SELECT {key}, {place} AS place FROM {table}) AS ranked WHERE place > 1"
        _set_aside(f"_dup_{table}_0002", table, key, worse)
        op.execute(f"DROP INDEX IF EXISTS ix_{table}_{unique}")
        op.execute(f"CREATE UNIQUE INDEX ix_{table}_{unique} ON {table} ({unique})")
    _upgrade_registry()
    _upgrade_types()
    _upgrade_strategies()
    for name, table, columns in _INDEXES:
        op.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({columns})")


def downgrade() -> None:
    op.execute(f"LOCK TABLE {', '.join(_TABLES)} IN ACCESS EXCLUSIVE MODE")
    for name, _table, _columns in _INDEXES:
        op.execute(f"DROP INDEX IF EXISTS {name}")
    op.execute("ALTER TABLE strategy_configurations DROP COLUMN use_composition")
    for table, key, column in _JSON:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE json USING {column}::json")
        _restore_json(table, key, column)
    for column in _MONEY:
        op.execute(f"ALTER TABLE portfolio_snapshots ALTER COLUMN {column} TYPE double precision")
    op.execute("ALTER TABLE instrument_registry DROP CONSTRAINT instrument_registry_instrument_token_fkey")
    _put_back("_orphan_instrument_registry_0002", "instrument_registry")
    for table, _key, unique, _best_first in _DUPLICATES:
        op.execute(f"DROP INDEX ix_{table}_{unique}")
        op.execute(f"CREATE INDEX ix_{table}_{unique} ON {table} ({unique})")
        _put_back(f"_dup_{table}_0002", table)
    _put_back(_UNFIT, "portfolio_snapshots")


def _upgrade_registry() -> None:
    orphans = "SELECT id FROM instrument_registry AS entry WHERE NOT EXISTS (SELECT FROM instruments AS one "
    _set_aside(
        "_orphan_instrument_registry_0002",
        "instrument_registry",
        "id",
        f"{orphans}WHERE one.instrument_token = entry.instrument_token)",
    )
    op.execute(
        "ALTER TABLE instrument_registry "
        "DROP CONSTRAINT IF EXISTS instrument_registry_instrument_token_fkey, "
        "ADD CONSTRAINT instrument_registry_instrument_token_fkey FOREIGN KEY (instrument_token) "
        "REFERENCES instruments (instrument_token) ON DELETE CASCADE"
    )


def _upgrade_types() -> None:
    for table, key, column in _JSON:
        if _type_of(table, column) == "json":
            _repair_json(table, key, column)
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE jsonb USING {column}::jsonb")
    op.execute("UPDATE trading_sessions SET session_data = NULL WHERE session_data = 'null'")
    for price in _PRICES:
        op.execute(f"UPDATE instruments SET {price} = NULL WHERE {price} = 'NaN'")
    # By way of text: the direct cast keeps 15 digits only.
    changes = ", ".join(f"ALTER COLUMN {column} TYPE numeric USING {column}::text::numeric" for column in _MONEY)
    op.execute(f"ALTER TABLE portfolio_snapshots {changes}")


def _upgrade_strategies() -> None:
    if _type_of("strategy_configurations", "zerodha_trading_enabled") is None:
        op.execute("ALTER TABLE strategy_configurations RENAME COLUMN live_trading_enabled TO zerodha_trading_enabled")
    if _type_of("strategy_configurations", "use_composition") is None:
        op.execute("ALTER TABLE strategy_configurations ADD COLUMN use_composition boolean NOT NULL DEFAULT true")
        op.execute(
            "UPDATE strategy_configurations SET use_composition = false "
            "WHERE strategy_type IN ('SimpleMomentumStrategy', 'MomentumStrategy', 'MeanReversionStrategy')"
        )
    op.execute("ALTER TABLE strategy_configurations ALTER COLUMN use_composition SET DEFAULT true")


def _set_aside(side: str, table: str, key: str, chosen: str) -> None:
    """Move the chosen rows to a side table, which is made only if there are any."""
    if not op.get_bind().execute(sa.text(f"SELECT EXISTS ({chosen})")).scalar_one():
        return
    op.execute(f"CREATE TABLE {side} AS SELECT * FROM {table} WHERE {key} IN ({chosen})")
    op.execute(f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {side})")


def _put_back(side: str, table: str) -> None:
    if not _exists(side):
        return
    columns = ", ".join(column["name"] for column in sa.inspect(op.get_bind()).get_columns(side))
    op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {side} ON CONFLICT DO NOTHING")
    op.execute(f"DROP TABLE {side}")


def _repair_json(table: str, key: str, column: str) -> None:
    """Repair the rows that cannot become `jsonb`, keeping each original."""
    op.execute(
        "CREATE OR REPLACE FUNCTION pg_temp.fits_jsonb(given json) RETURNS boolean LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM given::jsonb; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END $$"
    )
    bind = op.get_bind()
    unfit = sa.text(
        f"SELECT {key} AS key, {column}::text AS original FROM {table} "
        f"WHERE {column} IS NOT NULL AND NOT pg_temp.fits_jsonb({column})"
    )
    rows = [{**row, "repaired": repaired(row["original"])} for row in bind.execute(unfit).mappings()]
    if not rows:
        return
    side = f"_json_{table}_{column}_0002"
    op.execute(
        f"CREATE TABLE {side} AS SELECT {key} AS key, {column} AS original, {column} AS repaired FROM {table} LIMIT 0"
    )
    values = "(:key, CAST(:original AS json), CAST(:repaired AS json))"
    bind.execute(sa.text(f"INSERT INTO {side} VALUES {values}"), rows)
    op.execute(f"UPDATE {table} SET {column} = side.repaired FROM {side} AS side WHERE {table}.{key} = side.key")


def _restore_json(table: str, key: str, column: str) -> None:
    side = f"_json_{table}_{column}_0002"
    if not _exists(side):
        return
    op.execute(
        f"UPDATE {table} SET {column} = side.original FROM {side} AS side "
        f"WHERE {table}.{key} = side.key AND {table}.{column}::jsonb = side.repaired::jsonb"
    )
    op.execute(f"DROP TABLE {side}")


def _exists(table: str) -> bool:
    return bool(op.get_bind().execute(sa.text("SELECT to_regclass(:name) IS NOT NULL"), {"name": table}).scalar_one())


def _type_of(table: str, column: str) -> str | None:
    columns = sa.inspect(op.get_bind()).get_columns(table)
    return next((str(one["type"]).lower() for one in columns if one["name"] == column), None)
