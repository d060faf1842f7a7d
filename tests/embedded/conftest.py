"""Directories for real servers: each test gets its own copy of one database made once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from persistence.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("postgres") / "p"
    with EmbeddedPostgres(directory):
        pass
    return directory


@pytest.fixture
def copy_of_database(made_once: Path) -> Callable[[Path], Path]:
    """Copies the database made once to a place, owners and modes included."""

    def copy(place: Path) -> Path:
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", made_once, place], check=True)
        return place

    return copy


@pytest.fixture
def database(copy_of_database: Callable[[Path], Path], tmp_path: Path) -> Path:
    return copy_of_database(tmp_path / "p")
