"""Answers to requests: where they go, what they tell, and that the server takes them."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import NotDelivered, SessionNotFound, TryAgain
from actors.gateway.codec import BadMessage
from actors.gateway.replies import MAX_ERROR, counted, encoded, may_be_answered, told
from actors.gateway.subjects import REQUESTS, streams

TOKEN = "s3cr3t-t0ken"
TAKEN = [subject for spec in streams(["paper", "zerodha", "run-elsewhere"]) for subject in spec.subjects]


@pytest.mark.parametrize("subject", TAKEN)
def test_no_answer_goes_into_a_stream_of_any_broker(subject: str) -> None:
    assert not may_be_answered(subject.encode())


@pytest.mark.parametrize("subject", REQUESTS)
def test_no_answer_is_a_request(subject: str) -> None:
    assert not may_be_answered(subject.encode())


@pytest.mark.parametrize(
    "subject",
    [
        b"$JS.API.STREAM.PURGE.PAPER_ORDERS",
        b"$JS.ACK.1",
        b"$SYS.REQ.SERVER.PING",
        b"$SRV.PING",
        b"$KV.bucket.key",
        b"$",
    ],
)
def test_no_answer_goes_to_the_servers_own_subjects(subject: str) -> None:
    assert not may_be_answered(subject)


@pytest.mark.parametrize("subject", [b"*", b">", b"paper.orders.*", b"paper.>", b"*.orders.filled", b"_INBOX.*"])
def test_no_answer_goes_to_a_wildcard(subject: bytes) -> None:
    assert not may_be_answered(subject)


@pytest.mark.parametrize(
    "subject",
    [
        *(b"", b"_INBOX.a", b"_INBOX.abc.def", b"_INBOX.panda-bench", b"_INBOX_alice.nuid.1", b"inbox", b"\xff\xfe"),
        *(b"panda.inbox.1", b"paper.inbox.1", b"team.a$b.answers.7", b"auth.inbox.x", b"market", b"paper.orders"),
    ],
)
def test_answers_go_to_any_inbox(subject: bytes) -> None:
    assert may_be_answered(subject)


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), st.sampled_from(["_INBOX", "mine"]))
def test_answers_go_to_whatever_a_client_makes_up_below_its_prefix(name: str, prefix: str) -> None:
    assert may_be_answered(f"{prefix}.{name}".encode())


def test_what_is_told_of_an_error_is_short_and_has_no_secret() -> None:
    quoted = SessionNotFound(f'no session is stored for {{"access_token": "{TOKEN}", }}')

    assert TOKEN not in told(quoted)
    assert told(SessionNotFound("no session is stored for bob")) == "no session is stored for bob"
    assert len(told(BadMessage("x" * 600_000))) <= MAX_ERROR + len("...")


def test_of_an_error_that_quotes_what_was_sent_only_its_kind_is_counted() -> None:
    assert counted(SessionNotFound(f"no session is stored for {TOKEN}")) == "SessionNotFound"
    assert counted(ValueError(TOKEN)) == "ValueError"


@pytest.mark.parametrize("kind", [BadMessage, NotDelivered, TryAgain])
def test_an_error_that_quotes_nothing_is_counted_with_its_text(kind: type[Exception]) -> None:
    assert counted(kind("user_id: missing")) == "user_id: missing"


@given(st.text(max_size=300), st.integers(0, 300))
def test_no_answer_is_larger_than_the_server_takes(text: str, limit: int) -> None:
    answer = encoded({"user_name": text}, limit)

    assert len(answer) <= limit
    assert (
        answer == b"" or orjson.loads(answer) == {"user_name": text} or "max_payload" in orjson.loads(answer)["error"]
    )


def test_an_answer_that_is_as_large_as_the_server_takes_is_whole() -> None:
    answer = {"user_name": '"' * 500}
    size = len(orjson.dumps(answer))

    assert orjson.loads(encoded(answer, size)) == answer
    assert orjson.loads(encoded(answer, size - 1)) == {
        "error": f"the answer has {size} bytes, and the server's max_payload is {size - 1}"
    }
