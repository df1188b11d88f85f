"""The soak notices what is left behind. That nothing is, `dev.py soak` itself shows in CI."""

import os
import re
import subprocess
import sys

import pytest

from .servers import ROOT

pytestmark = pytest.mark.server

SECONDS = 300
"""It takes a tenth of that; but a machine that does much else takes its time to clean up."""


def soaked(leaks):
    """Returns a soak's exit code, and what each row of its table ends with, by the row's name."""
    options = "--seconds 4 --clients 20 --patience 15"
    soak = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *options.split()],
        cwd=ROOT,
        env={**os.environ, "SOAK_LEAKS": leaks},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    print(soak.stdout, soak.stderr)  # noqa: T201 - Shown if the test fails.
    assert "SURPRISE" not in soak.stdout
    rows = re.findall(r"^(\w+) +\d.* (\S+)$", soak.stdout, re.MULTILINE)
    return soak.returncode, dict(rows)


def test_what_is_left_behind_fails_the_soak():
    code, rows = soaked("tasks threads files objects memory")
    assert code == 1
    assert rows.pop("streams") != "LEAKED"
    assert set(rows) == {"tasks", "threads", "files", "objects", "memory"}
    assert set(rows.values()) == {"LEAKED"}
