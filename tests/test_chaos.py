"""`./panda test --chaos`: what it draws, what it reads, what it writes."""

from __future__ import annotations

import re
import shlex
from itertools import islice
from pathlib import Path

import pytest

from tests.chaos import parse
from tests.faults import report
from tests.faults.catalogue import catalogue
from tests.faults.launcher import find
from tests.faults.points import POINTS
from tests.faults.storm import Outcome, Tally, schedule

PAGE = Path(__file__).parents[1] / "docs" / "faults.md"


def drawn(seed: int, number: int) -> list[tuple[str, float]]:
    return [(fault.name, random.random()) for fault, random in islice(schedule(seed, catalogue()), number)]


def test_the_seed_decides_the_faults_and_their_numbers() -> None:
    assert drawn(7, 100) == drawn(7, 100)
    assert drawn(7, 100) != drawn(8, 100)


def test_every_fault_comes_once_before_any_comes_again() -> None:
    number = len(catalogue())

    names = [name for name, _ in drawn(1, 2 * number)]

    assert set(names[:number]) == set(names[number:]) == {fault.name for fault in catalogue()}


def test_each_fault_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in catalogue()]

    assert len(set(names)) == len(names)


def test_the_command_that_repeats_a_run_is_read_as_the_same_run() -> None:
    words = ["--chaos", "2.5", "--seed", "3", "--only", "kill at", "--without", "marked", "--but", "rows_are_in_order"]

    order = parse(words)

    assert shlex.split(order.command) == ["./panda", "test", *words]
    assert {fault.name for fault in order.faults} == {f"kill at {one.name}" for one in POINTS if one.name != "marked"}


@pytest.mark.parametrize("target", [target for point in POINTS for target in (point.target, *point.without)])
def test_a_point_names_a_function_of_the_daemon(target: str) -> None:
    owner, name = find(target)

    assert callable(getattr(owner, name))


def test_a_seed_is_drawn_when_none_is_given() -> None:
    assert parse(["--chaos", "1"]).seed != parse(["--chaos", "1"]).seed


@pytest.mark.parametrize("words", [["--only", "flood"], ["--but", "nothing"], ["--seed", "x"], ["--chaos", "soon"]])
def test_a_wrong_command_line_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--chaos", "1", *words])

    assert ended.value.code == 2
    assert "error" in capsys.readouterr().err


def test_the_table_is_put_between_the_marks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n")
    faults = catalogue()
    outcome = Outcome(5, {fault.name: Tally(2, 2, 1.25, 30) for fault in faults}, signals=99, duration_s=60.0)

    report.write(page, report.markdown(outcome, faults, "./panda test --chaos 1 --seed 5"))

    text = page.read_text()
    assert text.startswith(f"above\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\nbelow\n")
    assert "old" not in text
    assert f"| {faults[0].name} | 2 | 2 | 1.2 s | 30 |" in text
    assert f"| all, and between them | {2 * len(faults)} | {2 * len(faults)} | 1.2 s | 99 |" in text


def test_the_page_names_every_fault_and_every_point() -> None:
    text = PAGE.read_text()
    named = set(re.findall(r"`([^`]+)`", text))

    assert {point.name for point in POINTS} <= named
    assert {fault.name for fault in catalogue() if not fault.name.startswith("kill at ")} <= named
