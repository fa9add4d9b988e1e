"""The benchmarks start: each explains itself, which imports all that it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PROGRAMS = sorted(path.name for path in BENCHMARKS.glob("*.py") if path.name != "fits.py")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_benchmark_says_how_to_use_it(name):
    command = [sys.executable, str(BENCHMARKS / name), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=BENCHMARKS.parent)
    assert done.returncode == 0, done.stderr
    assert f"benchmarks/{name}" in done.stdout
