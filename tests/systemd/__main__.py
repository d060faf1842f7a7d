"""The service proven on a real systemd: `./panda test --systemd [--install] [PYTEST ARGUMENTS]`, as root.

Debian is booted in a container, and the wheel of this checkout installed on it as `docs/operating.md` says. The first
run makes the image and the wheels, which are kept in `$XDG_CACHE_HOME`, else in `/var/cache/alpha-panda-systemd`;
later ones need no network. `--install` installs what this machine lacks. The exit code is pytest's, or 69 when there
can be no container here, with the cure.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.systemd.image import NoMachine, prepare, say

UNAVAILABLE = 69


def main(arguments: list[str]) -> int:
    """Run the proofs and return the exit code."""
    install = "--install" in arguments
    rest = [argument for argument in arguments if argument != "--install"]
    try:
        image = prepare(install=install)
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
    ]
    paths = [] if any("proof_" in argument for argument in rest) else [str(Path(__file__).parent)]
    return int(pytest.main([*proofs, *rest, *paths]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
