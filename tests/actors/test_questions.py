"""Requests about sessions as bytes: what asks for one, and what is refused without being quoted."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.gateway.codec import BadMessage, decode_session_request
from actors.gateway.endpoints import QUESTION_BYTES, SAVE_BYTES
from actors.gateway.questions import decode_get, decode_use
from actors.messages import GetSession, UseSession
from tests.actors.messages import NOW

TOKEN = "s3cr3t-t0ken"
NAMES = st.sampled_from(["user_id", "broker"])
JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)
)


@pytest.mark.parametrize("data", [b"bob", b" bob\n", b'"bob"', b'{"user_id": "bob"}', b'{"user_id": "bob", "more": 1}'])
def test_a_user_is_asked_for_in_json_or_barely(data: bytes) -> None:
    assert decode_get(data) == GetSession("bob")


@pytest.mark.parametrize("data", [b"", b"{}", b'{"user_id": ""}', b'{"user_id": 7}', b"null", b"7", b"[]", b"a\0b"])
def test_without_a_user_nobody_is_asked_for(data: bytes) -> None:
    with pytest.raises(BadMessage, match="user_id: missing"):
        decode_get(data)


@pytest.mark.parametrize("body", ['{"user_id": "bob", "access_token": "%s", }', '["%s"', '"%s', '{"%s"'])
def test_what_begins_as_json_and_is_none_is_no_user(body: str) -> None:
    with pytest.raises(BadMessage, match="not JSON") as refused:
        decode_get((body % TOKEN).encode())

    assert TOKEN not in str(refused.value)


def test_a_session_to_use_is_asked_for_by_user_by_broker_or_both() -> None:
    assert decode_use(b'{"user_id": "bob"}') == UseSession("bob", None)
    assert decode_use(b'{"broker": "paper", "user_id": null}') == UseSession(None, "paper")
    assert decode_use(b'{"user_id": "bob", "broker": "paper"}') == UseSession("bob", "paper")


@pytest.mark.parametrize(
    "data", [b"", b"bob", b"{}", b"[]", b'{"broker": 7}', b'{"broker": null}', b'{"user_id":"\\u0000"}']
)
def test_a_session_to_use_needs_a_user_or_a_broker(data: bytes) -> None:
    with pytest.raises(BadMessage, match="user_id or broker: missing"):
        decode_use(data)


@pytest.mark.parametrize(
    ("decode", "field"), [(decode_get, "user_id"), (decode_use, "user_id"), (decode_use, "broker")]
)
def test_a_name_has_at_most_255_characters(decode: Callable[[bytes], Any], field: str) -> None:
    decode(json.dumps({field: "é" * 255}).encode())

    with pytest.raises(BadMessage, match=f"{field}: longer than 255 characters"):
        decode(json.dumps({field: "é" * 256}).encode())


def test_a_bare_user_has_at_most_255_characters() -> None:
    assert decode_get(b"x" * 255) == GetSession("x" * 255)
    with pytest.raises(BadMessage, match="user_id: longer"):
        decode_get(b"x" * 256)


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_whatever_comes_is_a_question_or_refused(data: bytes) -> None:
    for decode in (decode_get, decode_use):
        with contextlib.suppress(BadMessage):
            assert decode(data)


def test_the_largest_questions_and_saves_are_within_their_bounds() -> None:
    name, note = "\U0001f600" * 255, "x" * 1024
    question = json.dumps({"user_id": name, "broker": name}).encode()
    data = {
        "user_id": name,
        "access_token": "t" * 8192,
        "broker": name,
        "login_method": "external_token",
        **dict.fromkeys(("user_name", "user_shortname", "email", "ip_address", "user_agent"), note),
    }
    save = json.dumps(data).encode()

    assert decode_use(question).user_id == name
    assert decode_session_request(save, "id", NOW).access_token == "t" * 8192
    assert len(question) <= QUESTION_BYTES
    assert len(save) <= SAVE_BYTES
