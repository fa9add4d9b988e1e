"""All that an accelerator has to show, in minutes: the flow layer, training, the one-file model, the extraction.

    python benchmarks/accelerator.py --csv FILE [--minutes 8] [--backends jax torch] [--tiny]

Each section is a process of its own. Rows are printed, and appended to the CSV file, as they are measured, the most
valuable first; a row starts only while time is left. A second call measures what the file lacks. The first backend
gives all rows; the second one those of the flow layer and of training, and RAFT-small beside them. --tiny takes sizes
that any processor is fast enough for, to try the program. TensorFlow is needed only as a backend. With
--csv docs/results/accelerator.csv the page is written next: python benchmarks/pages.py.
"""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import command
import tables

BACKENDS = ("jax", "torch", "tensorflow")  # by preference
# Section → (module, function, which backend, share of the time that has passed at its end).
SECTIONS = {
    "flow": ("accelerator_flow", "measure", 0, 0.28),
    "networks": ("accelerator_networks", "measure", 0, 0.58),
    "data": ("accelerator_data", "measure", 0, 0.80),
    "other flow": ("accelerator_flow", "measure_others", 1, 0.94),
    "other networks": ("accelerator_networks", "measure_others", 1, 1.0),
}
BESIDE = {"head": ("accelerator_data", "measure_heads", 0, 1.0)}  # on one core, while the sections run
GRACE = 30  # seconds that a row may take when the time is over


def main():
    """Runs the sections, or the one that a process was started for."""
    parser = command.make_parser(__doc__, writes_table=False)
    parser.add_argument("--csv", type=Path, required=True, help="the file; rows that it has are not measured again")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=find_backends())
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--section", choices=[*SECTIONS, *BESIDE], help="one section, in this process")
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

    module, function, *_ = (SECTIONS | BESIDE)[arguments.section]
    rows = Rows(arguments.csv, time.time() + 60 * arguments.minutes)
    getattr(importlib.import_module(module), function)(rows, TINY if arguments.tiny else FULL)


def run_all(arguments) -> None:
    """Starts the sections, one after another, and the one beside them; ends what outlasts the time."""
    print(f"{command.describe_machine()}; commit {command.describe_commit()}; {' and '.join(arguments.backends)}")
    if not arguments.csv.exists():
        arguments.csv.write_text(tables.make_comments(), encoding="utf-8")
    start, seconds = time.time(), 60 * arguments.minutes
    beside = [start_section(name, section, arguments, seconds) for name, section in BESIDE.items()]
    for name, section in SECTIONS.items():
        left = start + section[3] * seconds - time.time()
        if section[2] < len(arguments.backends) and left > 0:
            print(f"[{name}, {time.time() - start:.0f} s]", flush=True)
            finish(start_section(name, section, arguments, left), name, start + seconds + GRACE)
    for process, name in zip(beside, BESIDE, strict=True):
        finish(process, name, start + seconds + GRACE)
    print(f"{arguments.csv.name}: {time.time() - start:.0f} s", flush=True)


def start_section(name, section, arguments, seconds) -> subprocess.Popen:
    """A process that measures a section; its memory on the device grows as it is needed."""
    backend = arguments.backends[section[2]]
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
