"""The `panda` script: sets up what is missing, once, and becomes the command.

Each test runs it on a small project of its own, with real virtual environments and installations.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PANDA = Path(__file__).parents[1] / "panda"
DEADLINE_S = 180.0

PROJECT = {
    "README.md": "small\n",
    "LICENSE": "free\n",
    "examples/bars.csv": "a,b\n",
    "pyproject.toml": "[build-system]\nrequires = ['setuptools>=77']\n",
    "setup.cfg": """\
[metadata]
name = alpha-panda
version = 0.1.0
[options]
py_modules = supervisor
[options.entry_points]
console_scripts = alpha-panda = small_app:main
[options.extras_require]
embedded =
dev = pytest
""",
    "small_app.py": """\
import os, sys
def main():
    if sys.argv[1:] == ["name"]:
        print(os.environ["ALPHA_PANDA_PROGRAM"])
        return 0
    print(os.getpid(), os.getcwd(), *sys.argv[1:], sep="|")
    return int(os.environ.get("EXIT", "0"))
""",
    "test_small.py": "def test_small():\n    assert True\n",
}


def make_project(directory: Path) -> Path:
    for name, text in PROJECT.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy2(PANDA, directory / "panda")
    return directory


def start(panda: Path, *words: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PANDA_VENV"}
    return subprocess.Popen(
        [panda, *words],
        cwd=cwd or panda.parent,
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(panda: Path, *words: str, cwd: Path | None = None, **environment: str) -> tuple[int, str, str]:
    with start(panda, *words, cwd=cwd, **environment) as process:
        output, errors = process.communicate(timeout=DEADLINE_S)
    return process.returncode, output, errors


@pytest.fixture(scope="module")
def panda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script in a project whose path has a space, already set up for every command."""
    project = make_project(tmp_path_factory.mktemp("a checkout"))
    status, output, errors = run(project / "panda", "test", "-q")
    assert (status, "1 passed" in output) == (0, True), errors
    return project / "panda"


def test_it_passes_its_words_on_from_any_folder(panda: Path, tmp_path: Path) -> None:
    status, output, errors = run(panda, "status", "two words", "", "--json", cwd=tmp_path)
    assert (status, errors) == (0, "")
    assert output.strip().split("|")[1:] == [str(tmp_path), "status", "two words", "", "--json"]


def test_it_works_through_symlinks(panda: Path, tmp_path: Path) -> None:
    (tmp_path / "first").symlink_to(panda)
    (tmp_path / "second").symlink_to("first")
    status, output, errors = run(tmp_path / "second", "status")
    assert (status, errors) == (0, "")
    assert output.endswith("|status\n")


def test_it_becomes_the_command(panda: Path) -> None:
    with start(panda, "run") as process:
        output, _ = process.communicate(timeout=DEADLINE_S)
    assert output.split("|")[0] == str(process.pid)


def test_it_tells_the_command_how_it_was_called(panda: Path) -> None:
    assert run(panda, "name") == (0, f"{panda}\n", "")


def test_it_gives_the_exit_code_of_the_command(panda: Path) -> None:
    assert run(panda, "run", EXIT="75")[0] == 75


def test_it_hands_arguments_to_the_tests_from_any_folder(panda: Path, tmp_path: Path) -> None:
    status, output, _ = run(panda, "test", "--collect-only", "-q", cwd=tmp_path)
    assert status == 0
    assert "test_small.py::test_small" in output


def test_its_help_tells_of_what_only_a_checkout_has(panda: Path) -> None:
    code, out, _ = run(panda, "--help")
    assert code == 0
    assert "|--help" in out, "the command's own comes first"
    assert "./panda test --chaos MINUTES" in out
    assert "./panda bench" in out


def test_the_help_of_the_tests_needs_no_set_up(tmp_path: Path) -> None:
    code, out, _ = run(make_project(tmp_path) / "panda", "test", "--help")
    assert (code, (tmp_path / ".venv").exists()) == (0, False)
    assert "./panda test --systemd" in out
    assert "the whole test suite" in out


def test_edits_count_without_a_set_up(panda: Path) -> None:
    source = panda.parent / "small_app.py"
    before = source.read_text()
    source.write_text("def main():\n    print('edited')\n")
    try:
        assert run(panda, "run") == (0, "edited\n", "")
    finally:
        source.write_text(before)


def test_modules_of_the_folder_it_is_called_from_do_not_count(panda: Path, tmp_path: Path) -> None:
    (tmp_path / "small_app.py").write_text("raise SystemExit('wrong module')\n")
    assert run(panda, "run", cwd=tmp_path, PYTHONPATH=str(tmp_path))[0] == 0


def test_a_changed_project_file_brings_the_environment_up_to_date_once(panda: Path) -> None:
    with (panda.parent / "setup.cfg").open("a") as file:
        file.write("# changed\n")
    assert "setting up" in run(panda, "run")[2]
    assert run(panda, "run")[2] == ""


def test_two_first_runs_at_once_after_an_interrupted_one_both_work_even_in_another_place(
    tmp_path: Path,
) -> None:
    project = make_project(tmp_path / "checkout")
    place = tmp_path / "there"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").write_text("half written")
    (place / "unfinished").touch()
    around = {
        "PANDA_VENV": "there",
        "PIP_USER": "1",
        "PIP_TARGET": "elsewhere",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with (
        start(project / "panda", "run", cwd=tmp_path, **around) as first,
        start(project / "panda", "run", cwd=tmp_path, **around) as second,
    ):
        results = [process.communicate(timeout=DEADLINE_S) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), results
    assert sum("setting up" in errors for _, errors in results) == 1
    assert not (tmp_path / "elsewhere").exists()
    assert not (project / ".venv").exists()


def test_a_directory_that_is_no_environment_is_left_alone(panda: Path, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    status, _, errors = run(panda, "run", PANDA_VENV=str(tmp_path))
    assert status == 78
    assert "something else than a virtual environment" in errors
    assert (tmp_path / "letter").read_text() == "dear"


def test_a_place_that_cannot_be_written_is_named(panda: Path) -> None:
    status, _, errors = run(panda, "run", PANDA_VENV="/proc/nowhere/venv")
    assert status == 78
    assert "you cannot write /proc/nowhere/venv: set PANDA_VENV" in errors


@pytest.mark.parametrize(
    ("python", "cure"),
    [
        ('case "$*" in *version_info*) exit 1 ;; *) echo Python 3.9.2 ;; esac', "only found: Python 3.9.2"),
        ('case "$*" in *ensurepip*) exit 1 ;; esac', "apt install python3-venv"),
        (None, "there is no python3 on PATH"),
    ],
)
def test_a_python_that_will_not_do_is_named_with_the_cure(tmp_path: Path, python: str | None, cure: str) -> None:
    project = make_project(tmp_path / "checkout")
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("sh", "cat", "cksum", "readlink"):
        (commands / name).symlink_to(shutil.which(name) or name)
    if python is not None:
        (commands / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (commands / "python3").chmod(0o755)
    status, _, errors = run(project / "panda", "run", PATH=str(commands))
    assert status == 69
    assert errors.count("\n") == 1
    assert cure in errors
    assert not (project / ".venv").exists()
