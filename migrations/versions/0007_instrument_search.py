"""The catalogue is searched by the beginning of a symbol or name, and remembers its loads.

Reason: a search of 150,000 instruments reads them all without an index; with these it reads what it shows. A running
daemon learns of a load by the newest row of `instrument_loads`, and shows from it when and what was loaded.
Lock: SHARE on `instruments` while the two indexes are built, about a second for 150,000 rows: readers go on.
Way back: `downgrade` drops both indexes and the table.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

PREFIXES = {"idx_instruments_symbol_prefix": "tradingsymbol", "idx_instruments_name_prefix": "name"}


def upgrade() -> None:
    for index, column in PREFIXES.items():
        op.create_index(index, "instruments", [sa.text(f"upper({column}) text_pattern_ops")], if_not_exists=True)
    op.create_table(
        "instrument_loads",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("source_file", sa.String(255), nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("listed", "inserted", "changed", "deactivated", "active", "total")
        ),
    )


def downgrade() -> None:
    op.drop_table("instrument_loads")
    for index in PREFIXES:
        op.drop_index(index, "instruments")
