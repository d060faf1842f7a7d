"""Brokers are found by name, among installed packages and built-in ones."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from actors.brokers.registry import UnknownBroker, find_broker
from settings import PaperTradingSettings, Settings
from settings.brokers import known_brokers
from tests.trading.samples import NOW, signal


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the import path, as site-packages is."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(packages: Path, package: str, entry_point: str) -> None:
    """What an installer leaves behind of a package with one broker."""
    metadata = packages / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[alpha_panda.brokers]\n{entry_point}\n")


def test_the_paper_broker_is_made_from_the_settings(tmp_path: Path) -> None:
    settings = Settings(
        paper_trading=PaperTradingSettings(slippage_percent=Decimal(10)), state_dir=tmp_path, _env_file=None
    )

    broker = find_broker("paper")(settings)

    assert broker.name == "paper"
    assert broker.execute(signal(price="100"), None, NOW).fills[0].price == Decimal(110)


def test_an_unknown_broker_is_refused_with_the_names_that_are_known() -> None:
    with pytest.raises(UnknownBroker, match=r"unknown broker 'robinhood' \(known: .*paper.*\): correct ACTIVE_BROKERS"):
        find_broker("robinhood")


def test_a_misspelt_broker_is_told_with_the_one_that_is_meant() -> None:
    with pytest.raises(UnknownBroker, match=r"correct ACTIVE_BROKERS \(did you mean paper\?\)"):
        find_broker("papr")


def test_a_wrong_broker_name_is_a_configuration_error() -> None:
    with pytest.raises(UnknownBroker) as caught:
        find_broker("robinhood")
    assert caught.value.exit_code == 78


def test_a_broker_of_an_installed_package_is_found_by_its_entry_point(packages: Path) -> None:
    (packages / "pandatest_acme.py").write_text("def create(settings):\n    return 'the acme broker'\n")
    install(packages, "pandatest_acme", "acme = pandatest_acme:create")

    assert find_broker("acme").__module__ == "pandatest_acme"
    assert {"acme", "paper"} <= set(known_brokers())


def test_a_broker_whose_package_is_broken_is_refused_with_the_cause(packages: Path) -> None:
    install(packages, "pandatest_broken", "broken = pandatest_no_such_module:create")

    with pytest.raises(UnknownBroker, match=r"broker 'broken': cannot load .*pandatest_no_such_module"):
        find_broker("broken")


def test_two_packages_that_provide_the_same_broker_are_refused(packages: Path) -> None:
    install(packages, "pandatest_one", "twice = pandatest_one:create")
    install(packages, "pandatest_two", "twice = pandatest_two:create")

    with pytest.raises(
        UnknownBroker, match=r"'twice' has several adapters \(pandatest_one:create, pandatest_two:create\)"
    ):
        find_broker("twice")
