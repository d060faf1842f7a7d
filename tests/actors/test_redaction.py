"""What is shown of a message never holds a token, however the message is spoilt."""

from __future__ import annotations

import orjson
import pytest

from actors.redaction import MASK, harmless_of, shown, shown_headers, substitute

TOKEN = "s3cr3t-t0k3n"
SAVE = {"id": "7", "data": {"user_id": "alice", "access_token": TOKEN, "broker": "paper"}}
HARMLESS = frozenset({"id", "user_id", "broker"})


@pytest.mark.parametrize(
    "data",
    [
        orjson.dumps(SAVE),
        orjson.dumps({"data": [{"Request_Token": TOKEN}, 1]}),
        orjson.dumps({"secret": {"deep": [TOKEN]}}),
        orjson.dumps({"original": orjson.dumps(SAVE).decode()}),
        b'{"access_token": "%s", "access_token": null}' % TOKEN.encode(),
        b'{"a": {"access_token": "%s"}, "a": 1}' % TOKEN.encode(),
        b'{"access\\u005ftoken": "%s"}' % TOKEN.encode(),
        b'{"access\\u005ftoken": "%s"' % TOKEN.encode(),
        orjson.dumps(SAVE)[:-2],
        b"access_token=%s" % TOKEN.encode(),
        b"\xff\xfeaccess_token=%s" % TOKEN.encode(),
        f'"access_token={TOKEN}"'.encode("utf-16"),
    ],
)
def test_a_token_is_not_shown(data: bytes) -> None:
    found = shown(data)

    assert TOKEN not in str(found)
    assert TOKEN.encode().hex() not in str(found)


@pytest.mark.parametrize(
    "data",
    [
        orjson.dumps({**SAVE, "acces_tok": TOKEN}),
        orjson.dumps({"data": [TOKEN, {"x": {"y": TOKEN}}]}),
        orjson.dumps(TOKEN),
        orjson.dumps({"broker": {"x": TOKEN}}),
        TOKEN.encode(),
        b"\xff" + TOKEN.encode(),
    ],
)
def test_of_what_carries_tokens_only_the_harmless_is_shown(data: bytes) -> None:
    found = shown(data, HARMLESS)

    assert TOKEN not in str(found)
    assert TOKEN.encode().hex() not in str(found)
    assert found.masked


def test_the_rest_of_a_message_with_a_token_is_shown() -> None:
    expected = {"id": "7", "data": {"user_id": "alice", "access_token": MASK, "broker": "paper"}}

    for harmless in (None, HARMLESS):
        found = shown(orjson.dumps(SAVE), harmless)
        assert found.text is not None
        assert (orjson.loads(found.text), found.masked) == (expected, True)


@pytest.mark.parametrize(
    "data",
    [
        b"{not json",
        b"",
        b'{ "instrument_token" :  1001,\n "price": "1.50" }',
        b'{"instrument_token": 1001',
        "{заявка".encode(),
        b"[" * 2000,
    ],
)
def test_a_text_without_secrets_is_shown_as_it_is(data: bytes) -> None:
    found = shown(data)

    assert (found.text, found.hex, found.masked) == (data.decode(), None, False)


def test_other_bytes_are_shown_in_hex() -> None:
    assert shown(b"\xff\x00{") == shown(b"\xff\x00{")
    assert shown(b"\xff\x00{").hex == "ff007b"


def test_json_nested_deeply_is_masked_without_recursion() -> None:
    data = b'{"a":' * 900 + b'{"access_token": "%s"}' % TOKEN.encode() + b"}" * 900

    found = shown(data)

    assert found.masked
    assert TOKEN not in str(found)


def test_headers_are_masked_by_their_names() -> None:
    assert shown_headers({"Nats-Msg-Id": "1", "Authorization": TOKEN}) == {"Nats-Msg-Id": "1", "Authorization": MASK}
    assert shown_headers(None) == {}


SAVES, SIGNALS = "auth.sessions.save", "paper.signals.validated"


@pytest.mark.parametrize(
    ("subject", "data"),
    [
        (SAVES, orjson.dumps(SAVE)),
        (SAVES, orjson.dumps({"data": {"access_tokn": TOKEN}})),
        (SAVES, orjson.dumps({"data": {TOKEN: 1}})),
        (SAVES, orjson.dumps({"data": {"user_id": [TOKEN], "user_name": TOKEN}})),
        (SAVES, orjson.dumps(TOKEN)),
        (SAVES, orjson.dumps(SAVE)[:-2]),
        (SAVES, TOKEN.encode("utf-16")),
        (SAVES, b'{"user_id": "%s", "user_id": "alice"}' % TOKEN.encode()),
        (SAVES, b"[" * 2000 + TOKEN.encode()),
        (SIGNALS, orjson.dumps(SAVE)),
        (SIGNALS, orjson.dumps(SAVE)[:-2]),
        (SIGNALS, orjson.dumps(SAVE).decode().encode("utf-16-le")),
        (SIGNALS, b'{"access\\u005ftoken": "%s"}' % TOKEN.encode()),
        (SIGNALS, b'{"a": {"access_token": "%s"}, "a": 1}' % TOKEN.encode()),
        (SIGNALS, orjson.dumps({"instrument_token": 1, "metadata": {"API_KEY": TOKEN}})),
        (SIGNALS, b'{"access_token": "%s", "padding": "%s"}' % (TOKEN.encode(), b"x" * (1 << 20))),
    ],
)
def test_what_is_kept_of_a_message_with_a_token_has_it_not(subject: str, data: bytes) -> None:
    kept = substitute(subject, data)

    assert kept is not None
    assert TOKEN.encode() not in kept


@pytest.mark.parametrize(
    ("subject", "data"),
    [
        (SIGNALS, b""),
        (SIGNALS, b"{bad"),
        (SIGNALS, b"\xff\x00\xfe"),
        (SIGNALS, b'{"instrument_token": 1, "exchange_token": 2, "strategy_id": "\\u0939"}'),
        (SIGNALS, b'{"strategy_id": "tokens", "instrument_token": 1}'),
        ("market.ticks", b'{"instrument_token": 1,'),
        (SAVES, b""),
        (
            "auth.sessions.invalidate",
            b'{"id": "1", "key": "k", "source": "s", "version": 1, "data": {"user_id": "alice", "reason": "logout"}}',
        ),
    ],
)
def test_a_message_without_a_secret_is_kept_as_it_is(subject: str, data: bytes) -> None:
    assert substitute(subject, data) is None


def test_of_the_headers_of_what_carries_tokens_only_the_harmless_are_kept() -> None:
    headers = {"Nats-Msg-Id": "1", "X-Note": TOKEN}

    assert shown_headers(headers, harmless_of(SAVES)) == {"Nats-Msg-Id": "1", "X-Note": MASK}
    assert shown_headers(headers, harmless_of(SIGNALS)) == headers
