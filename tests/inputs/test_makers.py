"""Batches that other processes make are those that this one would make."""

import contextlib
import gc
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import LIMIT, wait_for

from src.config import TrainConfig
from src.inputs import StreamInputs, TrainingBatches, read_clips

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="batches are made by threads alone on other systems"),
]


ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal
from types import SimpleNamespace
import numpy as np
from src.inputs.makers import Makers
class Batches:
    inputs = SimpleNamespace(limit_cache=abs)
    def make(self, epoch, positions):
        return np.zeros(3, np.uint8), np.zeros(1)
def main():
    makers = Makers(Batches(), 2)
    makers.make(0, range(1))
    print(*makers._pool._processes, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def data(tiny_store):
    return read_clips(tiny_store[0])


def make_training(data, stream, makers, monkeypatch):
    monkeypatch.setattr("src.inputs.batches.MAKERS", makers)
    clips, store, names = data
    config = TrainConfig(crop_size=32, temporal_crop_size=32, batch_size=5, seed=3)
    return TrainingBatches(clips, store, stream, names, config, steps=3)


def read_epochs(batches):
    found = []
    for batches.epoch in (0, 1, 4, 0):  # the next one, another one, and back
        found += [batches[index] for index in range(len(batches))]
    return found


def list_memory():
    """The memory of this process in which batches come back, and that is still used."""
    gc.collect()
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # it was closed in the meantime
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [path for path in found if path.startswith("/memfd:batch")]


def test_processes_make_the_same_batches_in_the_same_order_and_end_with_them(data, monkeypatch):
    for stream in ("spatial", "temporal"):
        expected = read_epochs(make_training(data, stream, 1, monkeypatch))
        before = set(psutil.Process().children(recursive=True))
        batches = make_training(data, stream, 2, monkeypatch)
        batches.inputs.read(batches.clips[0], 0)  # what is kept here stays here
        for (inputs, classes), (same, labels) in zip(read_epochs(batches), expected, strict=True):
            np.testing.assert_array_equal(inputs, same)
            np.testing.assert_array_equal(classes, labels)
        started = set(psutil.Process().children(recursive=True)) - before
        workers = [process for process in started if "resource_tracker" not in " ".join(process.cmdline())]
        assert len(workers) >= 2 and list_memory()
        with warnings.catch_warnings(record=True) as left_open:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", ResourceWarning)
            del batches
            wait_for(lambda: not list_memory(), "the memory of batches is freed, after those that were being made")
        assert not left_open
        assert not psutil.wait_procs(workers, timeout=LIMIT)[1]


def test_an_error_of_a_process_comes_back(data, monkeypatch, tmp_path):
    batches = make_training(data, "spatial", 2, monkeypatch)
    batches.clips = np.array(["lost" for _ in batches.clips])
    with pytest.raises(FileNotFoundError, match="lost"):
        batches[0]


def test_the_processes_end_when_theirs_is_killed(tmp_path):
    (tmp_path / "killed.py").write_text(KILLED)
    with open(tmp_path / "pids", "w") as pids:  # no pipe: what is left would hold it open
        command = [sys.executable, "-c", "import killed; killed.main()"]
        subprocess.run(command, cwd=tmp_path, stdout=pids, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=LIMIT)
    found = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    workers = [psutil.Process(pid) for pid in found if psutil.pid_exists(pid)]
    left = psutil.wait_procs(workers, timeout=LIMIT)[1]
    for process in left:
        process.kill()
    assert len(found) == 2 and not left


def test_each_process_keeps_a_part_of_what_one_would(data):
    inputs = StreamInputs(data[1], "spatial", TrainConfig(crop_size=32))
    free = inputs._free_bytes
    inputs.limit_cache(4)
    assert inputs._free_bytes == free / 4
