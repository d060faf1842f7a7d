"""Machines for the proofs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systemd.image import RELEASES, Image, prepare
from tests.systemd.machine import Machine
from tests.systemd.service import Service


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--release", choices=RELEASES, default=RELEASES[0], help="the Debian that is booted")


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> Image:
    """The Debian that was asked for."""
    return prepare(request.config.getoption("--release"), install=False)


@pytest.fixture
def bare(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which nothing is installed."""
    with Machine(image, tmp_path_factory.mktemp("bare")) as machine:
        yield machine


@pytest.fixture(scope="session")
def installed(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on a machine with servers of its own."""
    with Machine(image, tmp_path_factory.mktemp("machine")) as machine:
        service = Service(machine)
        service.set_up()
        yield service


@pytest.fixture
def service(installed: Service) -> Iterator[Service]:
    """The service, ready, and put back in order afterwards."""
    installed.wait_until_ready()
    yield installed
    installed.restore()
