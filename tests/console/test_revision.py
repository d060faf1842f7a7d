"""`db revision` in a copy of the source, so that nothing is written into this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from persistence.migration import heads
from tests.conftest import execute

ROOT = Path(__file__).parents[2]
NEXT = f"{int(heads()) + 1:04d}"
COLUMN = '    Column("username", String, nullable=False, unique=True, index=True),\n'
PLACEHOLDERS = ("Reason: what needs", "Lock: which tables", "Way back: what `downgrade`")


class Checkout:
    """A copy of the source that the command is run in."""

    def __init__(self, path: Path, database_url: str) -> None:
        self.path = path
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(path),
            "STATE_DIR": str(path / "state"),
            "DATABASE__POSTGRES_URL": database_url,
            "COLUMNS": "80",
        }
        for name in ("actors", "console", "migrations", "persistence", "settings"):
            shutil.copytree(ROOT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("supervisor.py", "panda"):
            shutil.copy(ROOT / name, path / name)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "supervisor", "db", *arguments]
        return subprocess.run(
            argv, cwd=self.path, env=self._environment, capture_output=True, text=True, timeout=300, check=False
        )

    def add_a_column(self) -> None:
        models = self.path / "persistence" / "models.py"
        source = models.read_text()
        models.write_text(source.replace(COLUMN, COLUMN + '    Column("phone", String),\n'))
        assert models.read_text() != source

    def written(self) -> list[Path]:
        return sorted((self.path / "migrations" / "versions").glob(f"{NEXT}_*.py"))


@pytest.fixture
def checkout(tmp_path: Path, database_url: str) -> Checkout:
    return Checkout(tmp_path / "source", database_url)


def test_what_the_models_have_and_the_database_lacks_becomes_the_next_revision(checkout: Checkout) -> None:
    checkout.add_a_column()

    result = checkout.run("revision", "-m", "Users have a phone.")

    assert (result.returncode, result.stderr) == (0, "")
    (path,) = checkout.written()
    assert result.stdout.splitlines()[0] == f"written to {path}"
    assert path.name == f"{NEXT}_users_have_a_phone.py"
    source = path.read_text()
    assert source.startswith('"""Users have a phone.\n')
    assert all(words in source for words in PLACEHOLDERS)
    assert f"revision = '{NEXT}'\ndown_revision = '{heads()}'" in source
    assert "op.add_column('users', sa.Column('phone'" in source
    assert "op.drop_column('users', 'phone')" in source


def test_the_revision_leads_to_the_models_and_then_nothing_is_left_to_write(checkout: Checkout) -> None:
    checkout.add_a_column()
    checkout.run("revision", "-m", "Users have a phone")

    refused, upgraded = checkout.run("revision", "-m", "More"), checkout.run("upgrade")
    verified, nothing = checkout.run("verify"), checkout.run("revision", "-m", "More")

    assert refused.returncode == 78
    assert "db upgrade" in refused.stderr
    assert upgraded.stdout == f"the schema is at head: {NEXT}\n"
    assert verified.returncode == 0
    assert nothing.returncode == 0
    assert nothing.stdout.startswith("nothing to write")
    assert len(checkout.written()) == 1


def test_an_empty_one_asks_no_database(checkout: Checkout, database_url: str) -> None:
    execute(database_url, "DROP TABLE alembic_version")

    result = checkout.run("revision", "-m", "Move the phones", "--empty")

    assert result.returncode == 0
    (path,) = checkout.written()
    assert path.read_text().count("    pass\n") == 2


def test_where_there_is_no_database_one_is_made_for_the_moment(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "source", "")
    checkout.add_a_column()

    result = checkout.run("revision", "-m", "Users have a phone")

    assert (result.returncode, result.stderr) == (0, "")
    assert len(checkout.written()) == 1
    assert not (checkout.path / "state").exists()


def test_an_installed_program_has_no_place_for_it(checkout: Checkout) -> None:
    (checkout.path / "panda").unlink()

    result = checkout.run("revision", "-m", "More", "--empty")

    assert result.returncode == 1
    assert "in a checkout" in result.stderr
    assert checkout.written() == []


@pytest.mark.parametrize("message", ["", " . ", 'a "word"', "a\nline", "a\\b"])
def test_a_message_that_is_no_plain_line_is_a_wrong_command_line(checkout: Checkout, message: str) -> None:
    result = checkout.run("revision", "-m", message, "--empty")

    assert result.returncode == 64
    assert result.stderr.count("\n") == 1
    assert checkout.written() == []
