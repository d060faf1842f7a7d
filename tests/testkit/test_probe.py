"""What a probe expects, and what it says when something else comes."""

from __future__ import annotations

import threading

import pytest

from actors.testkit import Probe

SOON_S = 0.01


def probe(*events: object) -> Probe:
    one = Probe("ear")
    for event in events:
        one.put(event)
    return one


def test_events_are_expected_in_the_order_in_which_they_came() -> None:
    ear = probe("first", 2, "third")

    assert ear.expect(str) == "first"
    ear.expect_all(2, "third")
    ear.expect_nothing()


def test_it_waits_for_what_another_thread_puts() -> None:
    ear = probe()
    thread = threading.Timer(SOON_S, ear.put, args=("late",))
    thread.start()

    assert ear.expect(str) == "late"
    thread.join()


def test_another_type_is_shown_and_stays() -> None:
    ear = probe("word")

    with pytest.raises(AssertionError, match=r"^ear: 'word' came instead of int$"):
        ear.expect(int)
    assert ear.pending() == ["word"]


def test_what_does_not_come_is_named_with_the_last_that_did() -> None:
    with pytest.raises(AssertionError, match=r"^ear: int did not come within 0.01 s$"):
        probe().expect(int, SOON_S)

    ear = probe("word")
    ear.expect(str)
    with pytest.raises(AssertionError, match=r"^ear: 7 did not come within 0.01 s; the last before it was 'word'$"):
        ear.expect_all(7, timeout_s=SOON_S)


def test_one_that_does_not_wait_says_no_time() -> None:
    with pytest.raises(AssertionError, match=r"^ear: int did not come$"):
        Probe("ear", wait_s=0).expect(int)


def test_the_first_that_differs_from_a_list_is_named_with_its_place() -> None:
    ear = probe("a", "x", "c")

    with pytest.raises(AssertionError, match=r"^ear: 'x' came instead of 'b', 2 of 3$"):
        ear.expect_all("a", "b", "c")
    assert ear.pending() == ["x", "c"]


def test_an_equal_value_of_another_type_is_another_event() -> None:
    with pytest.raises(AssertionError, match="True came instead of 1"):
        probe(True).expect_all(1)


def test_a_set_comes_in_any_order_each_as_often_as_named() -> None:
    probe(["b"], "a", ["b"]).expect_set("a", ["b"], ["b"])

    with pytest.raises(AssertionError, match=r"^ear: 'a' came instead of any of \['b'\]$"):
        probe("a", "a").expect_set("a", "b")
    with pytest.raises(AssertionError, match=r"^ear: any of \['b'\] did not come"):
        probe("a").expect_set("a", "b", timeout_s=SOON_S)


def test_nothing_means_nothing() -> None:
    with pytest.raises(AssertionError, match=r"^ear: nothing was expected, and there came \['a', 'b'\]$"):
        probe("a", "b").expect_nothing()
