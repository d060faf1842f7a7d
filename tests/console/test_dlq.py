"""Dead letters through the commands: seen without their tokens, published again, purged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from console.dlq import seconds
from console.failure import Failure
from tests.console.conftest import Command
from tests.system.daemon import Daemon, eventually

SIGNALS = "paper.signals.validated"
TOKEN = "a-token-that-nobody-may-see"


def letters(command: Command, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(command("dlq", "list", "--json", *more).out)
    return found


@pytest.fixture
def dead(command: Command, daemon: Daemon) -> Any:
    """Publishes a message that cannot be handled; returns its dead letter."""

    def make(subject: str, text: bytes) -> dict[str, Any]:
        known = {one["id"] for one in letters(command)}
        assert command("inject", subject, given=text).code == 0
        (new,) = eventually(lambda: [one for one in letters(command) if one["id"] not in known])
        made: dict[str, Any] = new
        return made

    return make


def test_letters_are_listed_newest_first_with_their_reasons(command: Command, daemon: Daemon, dead: Any) -> None:
    older, newer = dead(SIGNALS, b'{"n": 1}'), dead(SIGNALS, b"[2]")

    listed = command("dlq", "list")

    heads, first, second, *_ = listed.out.splitlines()
    assert heads.split() == ["id", "time", "age", "subject", "replayed", "reason"]
    assert first.startswith(newer["id"])
    assert second.startswith(older["id"])
    assert first.rstrip().endswith("not a JSON object")
    assert SIGNALS in first


def test_a_list_is_limited_and_chosen_by_reason(command: Command, daemon: Daemon, dead: Any) -> None:
    older, newer = dead(SIGNALS, b"[1]"), dead(SIGNALS, b'{"n": 1}')

    assert [one["id"] for one in letters(command, "--limit", "1")] == [newer["id"]]
    assert [one["id"] for one in letters(command, "--limit", "1", "--reason", "not a json OBJECT")] == [older["id"]]
    assert command("dlq", "list", "--reason", "no such reason").out == "no dead letters for 'no such reason'\n"


def test_a_letter_is_shown_by_the_beginning_of_its_id(command: Command, daemon: Daemon, dead: Any) -> None:
    made = dead(SIGNALS, b'{"marker": "this one"}')

    shown = command("dlq", "show", made["id"][:12])
    document = json.loads(command("dlq", "show", made["id"], "--json").out)

    assert shown.code == 0
    assert shown.out.endswith('\n\n{"marker": "this one"}\n')
    assert "correlation_id: Field required" in shown.out
    assert "BadMessage" in shown.out
    assert "header Nats-Msg-Id" in shown.out
    assert (document["id"], document["payload"]) == (made["id"], '{"marker": "this one"}')


def test_a_token_in_a_letter_is_not_shown(command: Command, daemon: Daemon, dead: Any) -> None:
    save = {"type": "session_save", "data": {"user_id": "bob", "access_token": TOKEN, "login_method": "magic"}}
    made = dead("auth.sessions.save", json.dumps(save).encode())

    printed = [command("dlq", "show", made["id"], *more).out for more in ((), ("--json",))]
    printed.append(command("dlq", "list").out)

    assert "bob" in printed[0]
    assert "********" in printed[0]
    assert TOKEN not in "".join(printed)
    assert TOKEN not in daemon.log_path.read_text()


def test_a_replayed_letter_is_marked_and_refused_unless_again(command: Command, daemon: Daemon, dead: Any) -> None:
    made = dead(SIGNALS, b'{"n": 3}')

    first = command("dlq", "replay", made["id"])
    second = command("dlq", "replay", made["id"])
    third = command("dlq", "replay", made["id"], "--again")

    assert [result.code for result in (first, second, third)] == [0, 1, 0]
    assert first.out.startswith(f"{made['id']}  to {SIGNALS} as replay:{made['id']}:1:")
    assert second.err.count("\n") == 1
    assert "--again" in second.err
    assert f"as replay:{made['id']}:2:" in third.out
    (line,) = [line for line in command("dlq", "list").out.splitlines() if line.startswith(made["id"])]
    assert " ago 2x " in line


def test_of_several_replays_the_possible_are_done_and_the_others_told(
    command: Command, daemon: Daemon, dead: Any
) -> None:
    made, tick = dead(SIGNALS, b'{"n": 4}'), dead("market.ticks", b'"no tick"')

    result = command("dlq", "replay", "ffffffff", tick["id"], made["id"])

    assert result.code == 1
    assert result.out.startswith(made["id"])
    nothing, past, summary = result.err.splitlines()
    assert "no dead letter has the id ffffffff" in nothing
    assert "price of the past" in past
    assert "2 of 3 were not replayed" in summary


def test_an_unknown_id_is_one_line(command: Command, daemon: Daemon) -> None:
    for words in (["show"], ["replay"]):
        result = command("dlq", *words, "ffffffff")
        assert result.code == 1
        assert result.err.count("\n") == 1
    assert command("dlq", "show", "what").code == 64


def test_a_purge_asks_and_deletes_on_a_yes(command: Command, daemon: Daemon, dead: Any) -> None:
    dead(SIGNALS, b'{"n": 5}')
    before = daemon.status()["dead_letters"]

    young = command("dlq", "purge", "--older-than", "30d")
    no = command("dlq", "purge", "--all", given=b"n\n")
    nobody = command("dlq", "purge", "--all")
    assert daemon.status()["dead_letters"] == before
    yes = command("dlq", "purge", "--all", given=b"y\n")
    none = command("dlq", "purge", "--all", "--yes")

    assert [result.code for result in (young, no, nobody, yes, none)] == [0, 1, 64, 0, 0]
    assert (young.out, no.out, none.out) == ("0 deleted\n", "nothing was deleted\n", "0 deleted\n")
    assert "for good? [y/N]" in no.err
    assert "--yes" in nobody.err
    assert int(yes.out.split()[0]) >= 1
    assert command("dlq", "list").out == "no dead letters\n"
    assert letters(command) == []
    assert daemon.status()["dead_letters"] < before


@pytest.mark.parametrize(
    "words",
    [
        ["purge"],
        ["purge", "--all", "--older-than", "1d"],
        ["purge", "--older-than", "soon"],
        ["purge", "--older-than", "-1d"],
        ["list", "--limit", "0"],
        ["replay"],
        ["show"],
    ],
)
def test_wrong_usage_is_refused_before_anything_is_done(command: Command, words: list[str]) -> None:
    result = command("dlq", *words)

    assert result.code == 64
    assert result.err.count("\n") == 1


def test_without_a_daemon_it_is_said_where_one_was_looked_for(command: Command) -> None:
    result = command("dlq", "list")

    assert result.code == 69
    assert "no daemon runs at" in result.err


@pytest.mark.parametrize(
    ("age", "expected"),
    [("45s", 45), ("90m", 5400), ("12H", 43_200), ("30d", 2_592_000), ("1.5d", 129_600), ("2w", 1_209_600)],
)
def test_an_age_is_read(age: str, expected: float) -> None:
    assert seconds(age) == expected


@pytest.mark.parametrize("age", ["", "30", "d", "1 d", "1d2h", "1y", "9999999d"])
def test_what_is_no_age_is_refused(age: str) -> None:
    with pytest.raises(Failure, match="30d"):
        seconds(age)
