"""Shared by all benchmarks: import path, quiet TensorFlow, command line, and the origin of a result.

Import this module before Keras: TensorFlow reads its log level when it is loaded.
"""

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
LOAD = os.getloadavg()[0]  # of the machine before the benchmark works

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(ROOT))


def make_parser(description: str, writes_table: bool = True) -> argparse.ArgumentParser:
    """A parser that shows the benchmark's docstring as it is written, with the option --table."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if writes_table:
        parser.add_argument("--table", metavar="NAME", help="write docs/results/NAME.csv; without it, only print")
    return parser


def describe_origin() -> dict[str, str]:
    """Where a result is from: the command, the date, the machine and the commit of the code."""
    return {
        "command": describe_command(sys.argv),
        "date": date.today().isoformat(),
        "machine": describe_machine(),
        "commit": describe_commit(),
    }


def describe_command(argv: list[str]) -> str:
    """The command line, with `KERAS_BACKEND` where it is set, and without absolute paths.

    A path inside the project becomes relative to it; of any other absolute path only the last part is kept.
    """
    arguments = ["python", f"benchmarks/{Path(argv[0]).name}", *(_without_root(argument) for argument in argv[1:])]
    backend = os.environ.get("KERAS_BACKEND")
    return (f"KERAS_BACKEND={backend} " if backend else "") + shlex.join(arguments)


def _without_root(argument):
    name, equals, value = argument.rpartition("=")
    path = Path(value)
    if path.is_absolute():
        value = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    return name + equals + value


def describe_machine() -> str:
    """Cores, memory, processor, accelerator and load, without the name of the host."""
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    devices = f"{describe_processor()}, {describe_accelerator() or 'no accelerator'}"
    return f"{os.cpu_count()} cores, {memory}, {devices}, load {LOAD:.1f} at the start"


def describe_processor() -> str:
    """The name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_accelerator() -> str:
    """The names of NVIDIA's devices; empty if there is none."""
    if not shutil.which("nvidia-smi"):
        return ""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    names = subprocess.run(query, capture_output=True, text=True).stdout.split("\n")
    return " + ".join(name for name in names if name)


def describe_commit() -> str:
    """The commit, with "and changes" where the code differs from it; unlike `src.training`, without loading Keras."""
    commit = _git("rev-parse", "--short=7", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "src", "models", "benchmarks")
    return f"{commit or 'unknown'}{' and changes' if changed else ''}"


def _git(*arguments):
    if not shutil.which("git"):
        return ""
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True).stdout.strip()
