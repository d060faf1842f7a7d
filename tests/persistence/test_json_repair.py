from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistence.json_repair import repaired


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        (r'"a\u0000b"', r'"a\ufffdb"'),
        (r'"\u0000\u0000"', r'"\ufffd\ufffd"'),
        (r'"\\u0000"', r'"\\u0000"'),
        (r'"\\\u0000"', r'"\\\ufffd"'),
        (r'"\ud83d\ude00"', r'"\ud83d\ude00"'),
        (r'"\ud83d"', r'"\ufffd"'),
        (r'"\ud83d\u0041\ude00"', r'"\ufffd\u0041\ufffd"'),
        (r'"\ud83d\ud83d\ude00"', r'"\ufffd\ud83d\ude00"'),
        ('{"a": 1e999999, "b": -2.50}', '{"a": "1e999999", "b": -2.50}'),
        ("1e99999999999999999999999", '"1e99999999999999999999999"'),
        ("1e-20000", '"1e-20000"'),
        ('"1e999999"', '"1e999999"'),
    ],
)
def test_only_what_jsonb_refuses_is_changed(bad: str, good: str) -> None:
    assert repaired(bad) == good


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_acceptable_json_keeps_its_meaning(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        if "\\u0000" not in text and "\\ud" not in text:
            assert repaired(text) == text
