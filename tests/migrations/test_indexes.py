"""Every index pays for itself: none is the beginning of another one."""

from __future__ import annotations

from persistence.migration import upgrade
from tests.conftest import execute

_COLUMNS = """
    SELECT indrelid::regclass::text, indexrelid::regclass::text, indkey::int[], indisunique
      FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
     WHERE amname = 'btree' AND indrelid::regclass::text !~ '^pg_|information_schema' AND indexprs IS NULL
"""


def test_no_index_is_covered_by_another_of_its_table(empty_url: str) -> None:
    upgrade(empty_url)

    indexes = execute(empty_url, _COLUMNS)

    assert len(indexes) > 20
    assert [
        name
        for table, name, columns, unique in indexes
        for other_table, other, other_columns, _ in indexes
        if table == other_table and name != other and not unique and other_columns[: len(columns)] == columns
    ] == []
