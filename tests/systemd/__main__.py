"""The service on a real systemd: `./panda test --systemd [--install] [--release NAME] [PYTEST ARGUMENTS]`, as root.

Debian is booted in a container, and the wheel of this checkout installed on it as `docs/operating.md` says. The first
run of a release makes its image and wheels, which are kept in `$XDG_CACHE_HOME`, else in
`/var/cache/alpha-panda-systemd`; later ones need no network. `--install` installs what this machine lacks. The exit
code is pytest's, or 69 when there can be no container here, with the cure.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from tests.systemd.image import RELEASES, NoMachine, prepare, say

UNAVAILABLE = 69


def main(arguments: list[str]) -> int:
    """Run the proofs and return the exit code."""
    parser = argparse.ArgumentParser(prog="./panda test --systemd", allow_abbrev=False, add_help=False)
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--release", choices=RELEASES, default=RELEASES[0])
    options, rest = parser.parse_known_args(arguments)
    try:
        image = prepare(options.release, install=options.install)
    except NoMachine as reason:
        sys.stderr.write(f"panda test --systemd: {reason}\n")
        return UNAVAILABLE
    say(f"image {image.root}\nwheels {image.wheels}")
    proofs = [
        "-n",
        "0",
        "-s",
        "-v",
        "-o",
        "python_files=proof_*.py",
        "-o",
        "faulthandler_timeout=400",
        "-p",
        "no:cacheprovider",
        f"--release={options.release}",
    ]
    paths = [] if any("proof_" in argument for argument in rest) else [str(Path(__file__).parent)]
    return int(pytest.main([*proofs, *rest, *paths]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
