"""The edge: bytes, ticks and sessions; whatever is not good is refused and never a crash."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.gateway.codec import (
    MAX_BYTES,
    BadMessage,
    decode_envelope,
    decode_session,
    decode_session_request,
    decode_signal,
    decode_tick,
    message_id_of,
)
from actors.gateway.subjects import SESSION_INVALIDATE
from actors.messages import InvalidateSession, SaveSession, Tick
from tests.actors.messages import (
    NOW,
    NOW_TEXT,
    changed,
    delivery,
    envelope,
    session,
    session_delivery,
    signal,
    tick,
    wire,
)
from tests.actors.test_codec_signals import refusal_of_signal

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


JSON_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
)


class TestBytes:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b" ",
            b"{",
            b"not json",
            b"{'id': 1}",
            b'{"id": NaN}',
            b'{"id": Infinity}',
            b'{"id": 1e400}',
            b'{"id": "\xff"}',
            b'{"id": "\x00"}',
            b'{"id": "\\ud800"}',
            b"\x00\x01\x02",
            b"\xef\xbb\xbf{}",
            b"{}{}",
            b'{"a":' * 2000,
            b"[" * 100_000,
        ],
    )
    def test_what_is_not_json_is_refused_with_the_position(self, data: bytes) -> None:
        assert re.match(r"^not JSON: .+ at character \d+$", refusal_of_signal(data))

    @pytest.mark.parametrize("data", [b"null", b"1", b'"text"', b"[]", b"true"])
    def test_what_is_no_object_is_refused(self, data: bytes) -> None:
        assert refusal_of_signal(data) == "not a JSON object"

    def test_a_mebibyte_is_allowed_and_not_one_byte_more(self) -> None:
        usual = wire(signal())
        largest = usual + b" " * (MAX_BYTES - len(usual))

        assert decode_signal(delivery(largest), "paper").signal.quantity == 8
        assert refusal_of_signal(largest + b" ") == "larger than 1048576 bytes"

    @pytest.mark.parametrize(
        "message",
        [
            changed(signal(), "id", "a\0b"),
            changed(signal(), "data.original_signal.strategy_id", "\0"),
            changed(signal(), "data.original_signal.metadata", {"a": [{"b": ["x\0"]}]}),
            changed(signal(), "data.original_signal.metadata", {"a\0": 1}),
            changed(signal(), "unknown", "\0"),
        ],
    )
    def test_a_nul_character_is_refused_wherever_it_is(self, message: dict[str, Any]) -> None:
        assert refusal_of_signal(message) == "contains a NUL character"

    @pytest.mark.parametrize("depth", [100, 990, 1010, 1022])
    def test_however_deep_it_is(self, depth: int) -> None:
        data = b'{"a":' * depth + b'"\\u0000"' + b"}" * depth

        assert refusal_of_signal(data) == "contains a NUL character"

    def test_a_backslash_before_u0000_is_no_nul(self) -> None:
        message = changed(signal(), "key", "\\u0000")

        assert decode_signal(delivery(wire(message)), "paper").signal.quantity == 8

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes_are_refused_and_never_a_crash(self, data: bytes) -> None:
        with pytest.raises(BadMessage):
            decode_envelope(data, "market_tick")

    @pytest.mark.parametrize(
        "path",
        ["id", "ts", "version", "data", "data.original_signal", "data.validated_quantity", "data.validated_price"],
    )
    @settings(max_examples=40, deadline=None)
    @given(value=st.recursive(JSON_SCALARS, lambda one: st.lists(one) | st.dictionaries(TEXTS, one), max_leaves=5))
    def test_any_value_in_any_field_is_taken_or_refused_and_never_a_crash(self, path: str, value: Any) -> None:
        with contextlib.suppress(BadMessage):
            decode_signal(delivery(wire(changed(signal(), path, value))), "paper")


class TestSecrets:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("data.access_token", "topsecret" * 1000),
            ("data.user_id", {"token": "topsecret"}),
            ("data.login_method", "topsecret"),
            ("data.expires_at", "topsecret"),
            ("ts", "topsecret"),
            ("version", "topsecret"),
        ],
    )
    def test_a_refusal_never_quotes_a_value(self, path: str, value: Any) -> None:
        with pytest.raises(BadMessage) as caught:
            decode_session(session_delivery(changed(session(), path, value)))

        assert "topsecret" not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_a_command_never_shows_the_token(self) -> None:
        assert "secret" not in repr(decode_session(session_delivery(session())))


class TestTick:
    def test_a_good_one_comes_in_typed(self) -> None:
        assert decode_tick(wire(tick())) == Tick(256265, Decimal("100.50"), NOW)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("data.last_price", "0"),
            ("data.last_price", -5),
            ("data.last_price", "NaN"),
            ("data.last_price", None),
            ("data.last_price", ...),
            ("data.instrument_token", ...),
            ("data.instrument_token", -1),
            ("data.timestamp", ...),
            ("data.timestamp", "soon"),
            ("type", "order_filled"),
        ],
    )
    def test_a_bad_one_is_refused_by_the_name_of_its_field(self, path: str, value: Any) -> None:
        with pytest.raises(BadMessage, match=f"^{re.escape(path)}: "):
            decode_tick(wire(changed(tick(), path, value)))


class TestSession:
    def test_a_login_comes_in_typed(self) -> None:
        message = session()
        message["data"] |= {"expires_at": NOW_TEXT, "login_method": "oauth", "broker": "zerodha", "email": None}
        one = session_delivery(message)

        assert decode_session(one) == SaveSession(
            message_id=message["id"],
            user_id="AB1234",
            access_token="secret",
            saved_at=NOW,
            correlation_id="correlation 1",
            expires_at=NOW,
            login_method="oauth",
            broker="zerodha",
            delivery=one,
        )

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("data.user_id", ...),
            ("data.user_id", ""),
            ("data.access_token", ...),
            ("data.access_token", ""),
            ("data.access_token", None),
            ("data.login_method", "password"),
            ("data.expires_at", "2026-01-05T04:00:00"),
            ("data.expires_at", "9999-12-31T23:59:59-01:00"),
            ("data.user_agent", "x" * 1025),
            ("type", "session_invalidate"),
        ],
    )
    def test_a_bad_login_is_refused_by_the_name_of_its_field(self, path: str, value: Any) -> None:
        with pytest.raises(BadMessage, match=f"^{re.escape(path)}: "):
            decode_session(session_delivery(changed(session(), path, value)))

    def test_an_end_comes_in_typed(self) -> None:
        message = envelope("session_invalidate", {"user_id": "AB1234", "reason": "logout"})
        one = session_delivery(message, SESSION_INVALIDATE)

        assert decode_session(one) == InvalidateSession(message["id"], "AB1234", "logout", NOW, one)

    def test_an_end_without_a_reason_has_the_usual_one(self) -> None:
        message = envelope("session_invalidate", {"user_id": "AB1234"})

        assert decode_session(session_delivery(message, SESSION_INVALIDATE)) == InvalidateSession(
            message["id"], "AB1234", "manual_invalidation", NOW, session_delivery(message, SESSION_INVALIDATE)
        )

    def test_a_request_may_be_an_envelope_or_its_bare_data(self) -> None:
        whole = decode_session_request(wire(session()), "request 1", NOW)
        bare = decode_session_request(wire(session()["data"]), "request 1", NOW)

        assert (whole.message_id, bare.message_id) == (session()["id"], "request 1")
        assert (whole.user_id, whole.access_token) == (bare.user_id, bare.access_token) == ("AB1234", "secret")
        assert whole.delivery is bare.delivery is None

    def test_a_bare_request_names_the_field_without_a_prefix(self) -> None:
        with pytest.raises(BadMessage, match=r"^access_token: Field required$"):
            decode_session_request(wire({"user_id": "AB1234"}), "request 1", NOW)


class TestIdentity:
    def test_a_usable_id_is_found_even_in_a_bad_message(self) -> None:
        assert message_id_of(wire({"id": "x" * 64, "type": 5})) == "x" * 64

    @pytest.mark.parametrize(
        "data",
        [b"{", b"[]", b"5", b"{}", wire({"id": 5}), wire({"id": ""}), wire({"id": "x" * 65}), wire({"id": "\0"})],
    )
    def test_an_unusable_one_is_none(self, data: bytes) -> None:
        assert message_id_of(data) is None
