"""The root of a Debian and the wheels that the service needs on it, made once and kept."""

from __future__ import annotations

import configparser
import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
RELEASES = ("bookworm", "trixie")
"""Of Debian; the first is the one to use when none is named."""
MIRROR = "http://deb.debian.org/debian"
BOOTABLE = ("systemd", "systemd-sysv", "dbus", "procps", "ca-certificates")
DOCUMENTED = ("python3", "python3-venv", "libnss-systemd")
"""What `docs/operating.md` asks for."""
SERVERS = ("postgresql", "pgbouncer")
PROMTOOL = ("promtool", "prometheus")
"""What has it, newer releases first. It is taken out: all of Prometheus would make the image a quarter larger."""
TOOLS = {"systemd-nspawn": "systemd-container", "debootstrap": "debootstrap"}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""By which debootstrap knows Debian; the package has the same name."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
DEADLINE_S = 900.0


class NoMachine(Exception):
    """There can be no container here; the text says why, and the cure if there is one."""


@dataclass(frozen=True, slots=True)
class Image:
    """Directories that are only read: the root to copy, and the wheels."""

    root: Path
    wheels: Path


def prepare(release: str, *, install: bool) -> Image:
    """Make what is missing for that release of Debian.

    Raises:
        NoMachine: it cannot be made, or not be booted.
    """
    if os.geteuid() != 0:
        raise NoMachine("it boots a container, which needs root: sudo ./panda test --systemd")
    _check_tools(install=install)
    mount = "mount -t cgroup2 none /sys/fs/cgroup"
    _run(["unshare", "-m", "--propagation", "private", "sh", "-c", mount], "control groups cannot be mounted here")
    cache = cache_directory() / release
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made_of = repr((release, MIRROR, BOOTABLE, DOCUMENTED, SERVERS, PROMTOOL))
        root = _made(cache, "root", made_of, lambda place: _make_root(place, release))
        wheels = _made(cache, "wheels", "\n".join(requirements()), lambda place: _make_wheels(place, root))
    return Image(root, wheels)


def say(text: str) -> None:
    """One line for whoever waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def cache_directory() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return Path(home) / "alpha-panda" / "systemd" if home else Path("/var/cache/alpha-panda-systemd")


def requirements() -> list[str]:
    """What the service needs, with its own servers, and what builds its wheel."""
    setup = configparser.ConfigParser()
    setup.read(CHECKOUT / "setup.cfg")
    wanted = setup["options"]["install_requires"] + setup["options.extras_require"]["embedded"]
    return [line for line in wanted.splitlines() if line] + ["setuptools>=77", "wheel"]


def _check_tools(*, install: bool) -> None:
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    missing += [] if KEYRING.exists() else [KEYRING.stem]
    if not missing:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if not install:
        raise NoMachine(f"this machine lacks {' and '.join(missing)}: run {' '.join(command)}, or add --install")
    if shutil.which("apt-get") is None:
        raise NoMachine(f"this machine lacks {' and '.join(missing)}, and has no apt-get to install them")
    say(f"+ {shlex.join(command)}")
    _run(["apt-get", "update", "-qq"], "apt-get update failed")
    _run(command, "they could not be installed", DEBIAN_FRONTEND="noninteractive")


def _made(cache: Path, kind: str, made_of: str, make: Callable[[Path], None]) -> Path:
    """The directory of that kind; made anew when what it is made of has changed, and older ones are removed."""
    place = cache / f"{kind}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    if place.exists():
        return place
    for old in cache.glob(f"{kind}-*"):
        shutil.rmtree(old)
    unfinished = cache / f"{kind}-unfinished"
    unfinished.mkdir()
    say(f"making {place} (once)")
    make(unfinished)
    return unfinished.rename(place)


def _make_root(place: Path, release: str) -> None:
    included = ",".join(BOOTABLE + DOCUMENTED)
    base = ["debootstrap", "--variant=minbase", f"--include={included}", release, str(place), MIRROR]
    _run(base, "debootstrap failed")
    refuse = place / "usr/sbin/policy-rc.d"
    refuse.write_text("#!/bin/sh\nexit 101\n")
    refuse.chmod(0o755)
    servers = ["apt-get", "install", "--yes", "--no-install-recommends", *SERVERS]
    _run(["chroot", str(place), *servers], "the servers could not be installed", DEBIAN_FRONTEND="noninteractive")
    refuse.unlink()
    _run(["chroot", str(place), "systemctl", "disable", "--quiet", "pgbouncer.service"], "PgBouncer starts by itself")
    download = " || ".join(f"apt-get download --quiet {package}" for package in PROMTOOL)
    extract = "dpkg-deb --extract *.deb . && mv usr/bin/promtool /usr/local/bin/ && cd .. && rm -r package"
    script = f"mkdir /var/tmp/package && cd /var/tmp/package && {{ {download}; }} && {extract}"
    _run(["chroot", str(place), "sh", "-c", script], "promtool could not be installed")
    _run(["chroot", str(place), "apt-get", "clean"], "apt-get clean failed")


def _make_wheels(place: Path, root: Path) -> None:
    """By the image's own Python, so that they fit it; over this machine's network and with its trust."""
    work = root / "var/tmp/wheels"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        if CERTIFICATES.exists():
            shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
        (work / "requirements.txt").write_text("\n".join(requirements()))
        script = "cd /var/tmp/wheels && python3 -m venv pip && pip/bin/pip wheel --quiet -w made -r requirements.txt"
        _run(["chroot", str(root), "sh", "-c", script], "the wheels could not be made")
        for wheel in (work / "made").iterdir():
            shutil.copy(wheel, place)
    finally:
        shutil.rmtree(work)


def _run(command: Sequence[str], failure: str, **environment: str) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=DEADLINE_S,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-4000:])
        raise NoMachine(f"{failure}: see above")
