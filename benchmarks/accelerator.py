"""All that an accelerator has to show, in minutes: the flow layer, training, the one-file model, the extraction.

    python benchmarks/accelerator.py --csv FILE [--minutes 7.5] [--sections data flow …] [--backends jax torch] [--tiny]

Each section is a process of its own, which gets a share of the time. Rows are printed, and appended to the CSV file, as
they are measured, the most valuable first; a row starts only while time is left. A second call measures what the file
lacks. The first backend gives all rows; the second one those of the flow layer and of training, and RAFT-small beside
them. --tiny takes sizes that any processor is fast enough for, to try the program. TensorFlow is needed only as a
backend. With --csv docs/results/accelerator.csv the page is written next: python benchmarks/pages.py.
"""

import importlib.util
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import command
import tables

BACKENDS = ("jax", "torch", "tensorflow")  # by preference


@dataclass(frozen=True)
class Section:
    """A function of (rows, sizes) in a module, which backend it runs under, and its share of the time.

    `beside` are sections that run at the same time, on a few cores of a large machine.
    """

    module: str
    function: str
    backend: int = 0
    share: int = 0
    beside: tuple[str, ...] = ()


SECTIONS = {
    "data": Section("accelerator_data", "measure", share=135),
    "flow": Section("accelerator_flow", "measure", share=80),
    "networks": Section("accelerator_networks", "measure", share=180, beside=("few-workers", "head")),
    "other-flow": Section("accelerator_flow", "measure_others", backend=1, share=80),
    "other-networks": Section("accelerator_networks", "measure_others", backend=1, share=60),
}
BESIDE = {
    "few-workers": Section("accelerator_data", "measure_few_workers"),
    "head": Section("accelerator_data", "measure_heads"),
}
GRACE = 30  # seconds that a row may take when the time is over


def main():
    """Runs the sections, or the one that a process was started for."""
    parser = command.make_parser(__doc__, writes_table=False)
    parser.add_argument("--csv", type=Path, required=True, help="the file; rows that it has are not measured again")
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="by default all")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=find_backends())
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--section", choices=[*SECTIONS, *BESIDE], help="only this one, in this process")
    arguments = parser.parse_args()
    if arguments.section:
        run_section(arguments)
    else:
        run_all(arguments)


def find_backends() -> list[str]:
    """The installed backends that are measured: two at most."""
    return [name for name in BACKENDS if importlib.util.find_spec(name)][:2]


def run_section(arguments) -> None:
    """Measures a section, in `arguments.minutes`, under the backend of KERAS_BACKEND."""
    from accelerator_rows import FULL, TINY, Rows  # here, because it loads Keras

    section = (SECTIONS | BESIDE)[arguments.section]
    rows = Rows(arguments.csv, time.time() + 60 * arguments.minutes)
    getattr(importlib.import_module(section.module), section.function)(rows, TINY if arguments.tiny else FULL)


def run_all(arguments) -> None:
    """Starts the sections, one after another, and those beside them; ends what outlasts the time."""
    print(f"{command.describe_machine()}; commit {command.describe_commit()}; {' and '.join(arguments.backends)}")
    if not arguments.csv.exists():
        arguments.csv.write_text(tables.make_comments(), encoding="utf-8")
    chosen = [name for name in arguments.sections if SECTIONS[name].backend < len(arguments.backends)]
    start, seconds = time.time(), 60 * arguments.minutes
    shares, passed = sum(SECTIONS[name].share for name in chosen), 0
    for name in chosen:
        passed += SECTIONS[name].share
        left = start + seconds * passed / shares - time.time()
        if left > 0:
            print(f"[{name}, {time.time() - start:.0f} s]", flush=True)
            names = [name, *SECTIONS[name].beside]
            for each, process in [(each, start_section(each, arguments, left)) for each in names]:
                finish(process, each, start + seconds + GRACE)
    print(f"{arguments.csv.name}: {time.time() - start:.0f} s", flush=True)


def start_section(name, arguments, seconds) -> subprocess.Popen:
    """A process that measures a section; its memory on the device grows as it is needed."""
    backend = arguments.backends[(SECTIONS | BESIDE)[name].backend]
    environment = {"KERAS_BACKEND": backend, "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONUNBUFFERED": "1"}
    line = [sys.executable, __file__, "--csv", str(arguments.csv), "--minutes", str(seconds / 60), "--section", name]
    return subprocess.Popen(line + ["--tiny"] * arguments.tiny, env=os.environ | environment)


def finish(process, name, until) -> None:
    """Waits for a section, at most until the time `until`."""
    try:
        code = process.wait(max(1, until - time.time()))
        if code:
            print(f"[{name}: ended with code {code}]", flush=True)
    except subprocess.TimeoutExpired:
        process.kill()
        print(f"[{name}: ended, because the time is over]", flush=True)


if __name__ == "__main__":
    main()
