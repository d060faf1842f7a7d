"""The demo proves what it claims, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def test_the_demo_proves_everything_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from console.app import main; main()", "demo"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "80", "ACTIVE_BROKERS": "nonsense"}

    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "FAIL" not in done.stdout
    assert done.stdout.count("\nok  ") >= 9
    assert list(tmp_path.iterdir()) == []
