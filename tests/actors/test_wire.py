"""Frames in the bytes of a NATS connection, however they are cut, and frames as they are written."""

from __future__ import annotations

import asyncio
import itertools

import nats.errors
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nats.aio.client import Client

from actors.gateway.wire import Frame, FrameParser, check, headers_of, hpub, pub, pubs, status_of

SID = 7
HEADER = b"NATS/1.0\r\nNats-Msg-Id: one\r\n\r\n"


def msg(data: bytes, reply: bytes = b"") -> bytes:
    return b"MSG a.b %d%s %d\r\n%s\r\n" % (SID, b" " + reply if reply else b"", len(data), data)


def hmsg(header: bytes, data: bytes, reply: bytes = b"") -> bytes:
    sizes = b"%d %d" % (len(header), len(header) + len(data))
    return b"HMSG a.b %d%s %s\r\n%s%s\r\n" % (SID, b" " + reply if reply else b"", sizes, header, data)


def parsed(*pieces: bytes) -> list[Frame]:
    """The frames that the sink gets of the pieces, read one after the other."""

    async def run() -> list[Frame]:
        found: list[Frame] = []
        parser = FrameParser(Client())
        parser.sinks[SID] = found.append
        for piece in pieces:
            await parser.parse(piece)
        return found

    return asyncio.run(run())


FRAMES = st.builds(msg, st.binary(max_size=50), st.sampled_from([b"", b"reply.1"])) | st.builds(
    hmsg, st.just(HEADER), st.binary(max_size=50), st.sampled_from([b"", b"reply.1"])
)


def test_a_message_is_its_subject_reply_header_and_data() -> None:
    assert parsed(msg(b"x"), msg(b"", b"r"), hmsg(HEADER, b"y"), hmsg(HEADER, b"", b"r")) == [
        Frame(b"a.b", b"", b"", b"x"),
        Frame(b"a.b", b"r", b"", b""),
        Frame(b"a.b", b"", HEADER, b"y"),
        Frame(b"a.b", b"r", HEADER, b""),
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 400), max_size=12))
def test_where_the_bytes_are_cut_makes_no_difference(frames: list[bytes], cuts: list[int]) -> None:
    whole = b"+OK\r\n".join(frames)
    at = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[begin:end] for begin, end in itertools.pairwise(at)]

    assert parsed(*pieces) == parsed(whole)
    assert len(parsed(whole)) == len(frames)


def test_a_large_message_comes_in_many_pieces_and_what_follows_is_not_lost() -> None:
    large = msg(b"\r\nMSG a.b 7 1\r\n" * 100_000)
    stream = large + msg(b"after")

    frames = parsed(*(stream[at : at + 32_768] for at in range(0, len(stream), 32_768)))

    assert [len(frame.data) for frame in frames] == [1_500_000, 5]


def test_half_a_message_of_a_lost_connection_is_forgotten() -> None:
    async def run() -> list[Frame]:
        found: list[Frame] = []
        parser = FrameParser(Client())
        parser.sinks[SID] = found.append
        await parser.parse(msg(b"half a message")[:-5])
        parser.reset()
        await parser.parse(msg(b"whole"))
        return found

    assert [frame.data for frame in asyncio.run(run())] == [b"whole"]


@pytest.mark.parametrize("nonsense", [b"MSG a.b x 1\r\n1\r\n", b"HMSG a.b 7 1\r\n", b"MSG \r\n", b"x" * 70_000])
def test_what_is_not_nats_is_an_error_of_the_protocol(nonsense: bytes) -> None:
    with pytest.raises(nats.errors.ProtocolError):
        parsed(nonsense)


def test_a_sink_that_fails_is_told_to_the_loop_and_the_next_frame_is_read() -> None:
    async def run() -> tuple[list[Frame], list[object]]:
        found: list[Frame] = []
        errors: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, details: errors.append(details["exception"]))

        def sink(frame: Frame) -> None:
            if frame.data == b"bad":
                raise ZeroDivisionError
            found.append(frame)

        parser = FrameParser(Client())
        parser.sinks[SID] = sink
        await parser.parse(msg(b"bad") + msg(b"good"))
        return found, errors

    found, errors = asyncio.run(run())
    assert [frame.data for frame in found] == [b"good"]
    assert [type(error) for error in errors] == [ZeroDivisionError]


def test_frames_are_written_as_the_protocol_has_them() -> None:
    assert pub("a", b"xy", "r") == b"PUB a r 2\r\nxy\r\n"
    assert pubs(["a", "b"], b"+ACK") == b"PUB a 4\r\n+ACK\r\nPUB b 4\r\n+ACK\r\n"
    assert hpub("a", b"xy", "r", "one") == b"HPUB a r 30 32\r\n" + HEADER + b"xy\r\n"


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (HEADER, {"Nats-Msg-Id": "one"}),
        (b"NATS/1.0\r\nA: 1\r\nB:  two \r\n\r\n", {"A": "1", "B": "two"}),
        (b"NATS/1.0\r\nno field\r\nA: b:c\r\n\r\n", {"A": "b:c"}),
        (b"NATS/1.0\r\nNats-Msg-Id: \xff\r\n\r\n", {"Nats-Msg-Id": "\ufffd"}),
        (b"nonsense", {}),
    ],
)
def test_fields_of_a_header_are_read_and_what_is_none_is_left_out(header: bytes, fields: dict[str, str]) -> None:
    assert headers_of(header) == fields


def test_a_status_stands_in_the_first_line() -> None:
    assert status_of(b"NATS/1.0 409 Consumer Deleted\r\n\r\n") == ("409", "Consumer Deleted")
    assert status_of(b"NATS/1.0 100\r\n\r\n") == ("100", "")
    assert status_of(HEADER) == ("", "")


def test_the_installed_nats_py_has_what_is_used_of_its_inside() -> None:
    check(Client())
    client = Client()
    del client._flush_queue

    with pytest.raises(AttributeError, match=r"lacks Client\._flush_queue"):
        check(client)
