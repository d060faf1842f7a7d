"""The benchmarks run, write what they measured, and show a missed target as missed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.__main__ import BENCHMARKS, FAILED, USAGE, main
from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Sample, Side, Target
from benchmarks.report import Report, show, write

ROOT = Path(__file__).parents[1]
TWICE = Target(Side.AT_LEAST, 2.0, of_ratio=True)
SLOW = Measurement("slow", "messages/s", Sample((100.0, 120.0, 90.0)), Sample((100.0, 100.0, 100.0)), TWICE)
FAST = Measurement("fast", "ms", Sample((3.0,)), None, Target(Side.UNDER, 5.0))


def shown(*found: Measurement) -> str:
    out = io.StringIO()
    show(Report("sample", ("all",), Options(), {"cores": 2}, found), Console(file=out, width=200))
    return out.getvalue()


def written(path: Path, *found: Measurement) -> list[dict[str, Any]]:
    write(Report("sample", ("all",), Options(), {"cores": 2}, found), path)
    measurements: list[dict[str, Any]] = json.loads(path.read_text())["measurements"]
    return measurements


class TestTheCommand:
    @pytest.mark.parametrize("name", ["actors", "service"])
    def test_every_part_is_measured_and_written_as_json(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / "new" / "figures.json"
        command = [sys.executable, "-m", "benchmarks", name, "--quick", "--rounds", "1", "--json", str(path)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
        assert ended.returncode == 0, ended.stderr
        document = json.loads(path.read_text())
        assert document["benchmark"] == name
        assert document["options"] == {"rounds": 1, "quick": True}
        assert [f"{name}: measuring {part}" for part in document["parts"]] == ended.stderr.splitlines()
        assert document["machine"]["cores"] >= 1
        assert all(one["ours"]["median"] > 0 for one in document["measurements"])
        assert len({one["what"] for one in document["measurements"]}) == len(document["measurements"])
        assert "the figures mean nothing" in ended.stdout

    def test_every_part_of_the_database_is_measured_beside_a_peer(self, tmp_path: Path) -> None:
        path = tmp_path / "figures.json"
        command = [sys.executable, "-m", "benchmarks", "database", "--quick", "--rounds", "1", "--json", str(path)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
        assert ended.returncode == 0, ended.stderr
        document = json.loads(path.read_text())
        measured = document["measurements"]
        assert {"snapshots", "events", "queries"} <= set(document["parts"])
        assert [one["what"] for one in measured if one["peer"] is None and not one["what"].endswith("p99")] == []
        assert len({one["what"] for one in measured}) == len(measured)

    @pytest.mark.parametrize("part", ["poison", "flood", "large", "backlog", "soak", "outage"])
    def test_a_part_on_bad_input_or_memory_is_measured(self, part: str, tmp_path: Path) -> None:
        path = tmp_path / "figures.json"
        command = [sys.executable, "-m", "benchmarks", "path", "--part", part, "--quick", "--rounds", "1"]
        ended = subprocess.run(
            [*command, "--json", str(path)], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
        )
        assert ended.returncode == 0, ended.stderr
        measured = json.loads(path.read_text())["measurements"]
        assert any(one["target"] for one in measured)
        assert len({one["what"] for one in measured}) == len(measured)

    def test_a_part_that_takes_long_runs_only_when_it_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        parts = {"short": lambda _options: [FAST], "long": lambda _options: [SLOW]}
        monkeypatch.setattr("benchmarks.actors.parts.PARTS", parts)
        monkeypatch.setattr("benchmarks.actors.parts.SLOW", frozenset({"long"}), raising=False)
        path = tmp_path / "figures.json"

        assert main(["--list"]) == 0
        assert capsys.readouterr().out.splitlines()[0] == "actors: short; when named with --part: long"
        assert main(["actors", "--json", str(path)]) == 0
        assert json.loads(path.read_text())["parts"] == ["short"]
        assert main(["actors", "--part", "long", "--json", str(path)]) == 0
        assert json.loads(path.read_text())["parts"] == ["long"]

    def test_the_benchmarks_and_their_parts_are_listed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--list"]) == 0
        assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == list(BENCHMARKS)

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["nonsense"], "no benchmark is named nonsense"),
            (["actors", "--part", "nonsense"], "actors has no part nonsense"),
            (["actors", "--rounds", "0"], "--rounds must be at least 1"),
            (["actors", "--rounds", "many"], "invalid int value"),
            (["path", "--backlog", "0"], "--backlog"),
            (["path", "--soak", "0"], "--soak"),
            (["path", "--outage", "nan"], "--outage"),
            (["database", "--rows", "0"], "--rows"),
            (["actors", "--json", str(ROOT / "setup.cfg" / "figures.json")], "cannot write to"),
        ],
    )
    def test_a_wrong_command_line_is_one_line(
        self, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == USAGE
        (line,) = capsys.readouterr().err.splitlines()
        assert why in line

    def test_what_could_not_be_measured_is_one_line(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail(_options: Options) -> list[Measurement]:
            raise BenchmarkFailed("the start of the tree did not happen")

        monkeypatch.setattr("benchmarks.actors.parts.PARTS", {"start": fail})
        path = tmp_path / "figures.json"
        assert main(["actors", "--json", str(path)]) == FAILED
        assert capsys.readouterr().err.splitlines()[-1] == "panda bench: the start of the tree did not happen"
        assert not path.exists()

    def test_missed_targets_are_no_failure(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("benchmarks.actors.parts.PARTS", {"slow": lambda _options: [SLOW]})
        assert main(["actors", "--json", str(tmp_path / "figures.json")]) == 0
        assert "missed" in capsys.readouterr().out


class TestTheReport:
    def test_a_missed_target_is_shown_as_missed(self, tmp_path: Path) -> None:
        (line,) = [line for line in shown(SLOW, FAST).splitlines() if "slow" in line]
        assert line.split()[-1] == "missed"
        assert "at least 2 x peer" in line
        assert "1 of 2 targets met" in shown(SLOW, FAST)
        assert [one["met"] for one in written(tmp_path / "figures.json", SLOW, FAST)] == [False, True]

    def test_the_ratio_is_taken_round_by_round(self, tmp_path: Path) -> None:
        noisy = Measurement("noisy", "messages/s", Sample((10.0, 100.0, 30.0)), Sample((2.0, 50.0, 10.0)))
        (one,) = written(tmp_path / "figures.json", noisy)
        assert one["ratio"] == {"median": 3.0, "low": 2.0, "high": 5.0, "rounds": [5.0, 2.0, 3.0]}

    def test_a_figure_without_peer_or_target_is_neither_met_nor_missed(self, tmp_path: Path) -> None:
        alone = Measurement("alone", "ms", Sample((1.5,)))
        (one,) = written(tmp_path / "figures.json", alone)
        assert (one["peer"], one["ratio"], one["target"], one["met"]) == (None, None, None, None)
        assert "0 of 0 targets met" in shown(alone)

    @pytest.mark.parametrize(
        ("side", "met"),
        [(Side.AT_LEAST, (False, True, True)), (Side.AT_MOST, (True, True, False)), (Side.UNDER, (True, False, False))],
    )
    def test_a_bound_itself_is_met_unless_the_figure_must_be_under_it(
        self, side: Side, met: tuple[bool, bool, bool]
    ) -> None:
        assert tuple(Target(side, 5.0).met_by(value) for value in (4.9, 5.0, 5.1)) == met
