"""A killed command is run again and ends as the uninterrupted one; `scripts/kills` tries a hundred."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
KILLS = 11  # two of each command, one of a sweep


def test_killed_commands_go_on_and_nothing_is_lost():
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.killing", str(KILLS), "7"],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert f"{KILLS} commands, {KILLS} ended as the uninterrupted ones" in done.stdout
