"""The files that make a service of it, read as systemd and the shell read them."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from actors.process import SERVERS_STOP_S, STOP_DEADLINE_S
from settings import load
from tests.systemd.image import DOCUMENTED

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SERVICE, MIGRATE = DEPLOY / "alpha-panda.service", DEPLOY / "alpha-panda-migrate.service"
FROM_HARDENING_ON = "NoNewPrivileges"
EXPOSURE_LIMIT = 1.5


class Unit(configparser.RawConfigParser):
    """A unit file; of a name that stands several times, the last line counts, as no test needs the others."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",))
        self.optionxform = str  # type: ignore[assignment,method-assign]
        self.read_string(path.read_text())


def hardening(path: Path) -> list[str]:
    lines = path.read_text().partition("\n[Install]")[0].rstrip().splitlines()
    return lines[next(number for number, line in enumerate(lines) if line.startswith(FROM_HARDENING_ON)) :]


def test_the_exit_codes_that_a_restart_cannot_mend_are_not_restarted() -> None:
    service = Unit(SERVICE)["Service"]
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"].split() == ["64", "78"]


def test_the_unit_leaves_the_service_the_time_that_it_takes_to_stop() -> None:
    assert float(Unit(SERVICE)["Service"]["TimeoutStopSec"]) > STOP_DEADLINE_S + SERVERS_STOP_S


def test_the_migration_comes_first_and_its_failure_does_not_keep_the_service_down() -> None:
    service = Unit(SERVICE)["Unit"]
    assert MIGRATE.name in service["After"].split()
    assert MIGRATE.name in service["Wants"].split()
    assert "Requires" not in service


@pytest.mark.parametrize("unit", [SERVICE, MIGRATE], ids=lambda unit: unit.name)
def test_no_secret_comes_by_the_environment(unit: Path) -> None:
    service = Unit(unit)["Service"]
    assert "EnvironmentFile" not in service
    assert service["LoadCredential"] == "alpha-panda:/etc/alpha-panda/credentials"
    assert all(word.startswith("PYTHON") for word in service["Environment"].split())


def test_the_command_on_the_machine_knows_the_service_that_it_belongs_to() -> None:
    lines = (DEPLOY / "alpha-panda").read_text().splitlines()
    assert f"export ALPHA_PANDA_SERVICE={SERVICE.stem}" in lines


def test_a_group_of_its_own_gets_at_the_socket_and_at_no_state() -> None:
    service, migrate = Unit(SERVICE)["Service"], Unit(MIGRATE)["Service"]
    assert service["Group"] == migrate["Group"] != service["User"]
    assert (service["RuntimeDirectoryMode"], service["StateDirectoryMode"]) == ("0750", "0700")


def test_both_units_are_hardened_alike() -> None:
    assert hardening(SERVICE) == hardening(MIGRATE)


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="judged on a real systemd by ./panda test --systemd"
)
@pytest.mark.parametrize("unit", [SERVICE, MIGRATE], ids=lambda unit: unit.name)
def test_systemd_finds_little_exposure(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    verdict = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout.splitlines()[-1]
    assert float(verdict.partition(": ")[2].split()[0]) <= EXPOSURE_LIMIT


def test_the_settings_that_are_put_on_a_machine_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIR")

    settings = load(DEPLOY / "alpha-panda.env")

    assert settings.state_dir == Path("/var/lib/alpha-panda")
    assert settings.socket_path == Path("/run/alpha-panda/alpha-panda.sock")


def test_each_setting_that_is_left_out_there_can_be_used_too(tmp_path: Path) -> None:
    file = tmp_path / "all.env"
    lines = (DEPLOY / "alpha-panda.env").read_text().splitlines()
    file.write_text("\n".join(line.removeprefix("#") for line in lines if "=" in line))

    settings = load(file)

    assert not settings.database.embedded
    assert not settings.nats.embedded


def test_the_packages_that_the_page_asks_for_are_those_that_the_proofs_use() -> None:
    page = (DEPLOY.parent / "docs" / "operating.md").read_text()
    asked = next(line for line in page.splitlines() if line.startswith("# apt install ")).split()[3:]

    assert {"python3", *asked} == set(DOCUMENTED)


def run_install(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(DEPLOY / "install.sh"), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=180, check=False)


def test_a_dry_run_prints_every_step_from_any_folder_and_does_none(tmp_path: Path) -> None:
    done = run_install("--dry-run", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    steps = [shlex.split(line.removeprefix("+ ")) for line in done.stdout.splitlines() if line.startswith("+ ")]
    assert ["systemctl", "enable", "--quiet", "alpha-panda.service"] in steps
    assert steps[-1] == ["systemctl", "restart", "alpha-panda-migrate.service", "alpha-panda.service"]
    assert list(tmp_path.iterdir()) == []


def test_every_module_goes_into_the_wheel_that_a_checkout_is_installed_from() -> None:
    setup = configparser.ConfigParser()
    setup.read(DEPLOY.parent / "setup.cfg")
    modules = {f"{name}.py" for name in setup["options"]["py_modules"].split()}
    packages = {name.rstrip("*") for name in setup["options.packages.find"]["include"].split()}

    assert modules | packages <= set((DEPLOY / "install.sh").read_text().split())


def test_a_dry_run_names_the_release_that_a_run_makes_from_the_same_files(tmp_path: Path) -> None:
    first, second = (run_install("--dry-run", cwd=tmp_path).stdout for _ in range(2))

    releases = set(re.findall(r"/opt/alpha-panda/release-[\d-]+", first + second))
    assert len(releases) == 1


def test_a_folder_that_lacks_a_file_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "install.sh", tmp_path)
    (tmp_path / "some.whl").touch()
    command = ["sh", "install.sh", "--dry-run", "some.whl"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False)

    assert (done.returncode, done.stdout) == (66, "")
    reason = f"{tmp_path}/alpha-panda is missing: copy the whole folder deploy, and run install.sh in it"
    assert done.stderr == f"install.sh: {reason}\n"


def test_its_help_is_the_head_of_the_script(tmp_path: Path) -> None:
    done = run_install("--help", cwd=tmp_path)

    assert done.returncode == 0
    assert "--uninstall [--purge]" in done.stdout
    assert "#" not in done.stdout


def test_taking_it_off_keeps_settings_and_state_unless_told(tmp_path: Path) -> None:
    kept, purged = (run_install("--dry-run", "--uninstall", *words, cwd=tmp_path) for words in ((), ("--purge",)))

    assert "kept: /etc/alpha-panda, /var/lib/alpha-panda" in kept.stdout
    assert "rm -rf -- /etc/alpha-panda" not in kept.stdout
    assert "rm -rf -- /etc/alpha-panda /var/lib/private/alpha-panda /var/lib/alpha-panda" in purged.stdout


@pytest.mark.parametrize(
    ("words", "problem"),
    [(["--sideways"], "unknown option --sideways"), (["--purge"], "--purge goes with --uninstall")],
)
def test_wrong_words_are_refused_in_one_line(tmp_path: Path, words: list[str], problem: str) -> None:
    done = run_install(*words, cwd=tmp_path)

    assert done.returncode == 64
    assert done.stderr.count("\n") == 1
    assert problem in done.stderr
