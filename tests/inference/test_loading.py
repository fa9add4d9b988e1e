"""The folder of a finished run gives what predictions need."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING

from models import build_temporal_cnn
from src.inference.loading import load_run
from src.inputs import read_clips
from src.store import manifest_digest
from src.training import start_run


@pytest.fixture
def run(two_stream, tiny_store, tmp_path):
    clips, store, _ = read_clips(tiny_store[0])
    run = start_run("fitted", tiny_store[0], manifest_digest(clips), store.config, TINY_TRAINING, tmp_path)
    two_stream.save(run.folder / "two_stream.keras")
    return run


def test_a_run_is_loaded_as_it_was_trained(run, two_stream):
    loaded, names, clip_config, config = load_run(run.folder)
    assert (names, clip_config, config) == (TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    for stream in ("spatial", "temporal"):
        inputs = np.random.default_rng(0).integers(0, 256, (2, *loaded.get_layer(stream).input_shape[1:]), np.uint8)
        expected, found = (model.get_layer(stream).predict_on_batch(inputs) for model in (two_stream, loaded))
        np.testing.assert_array_equal(found, expected)


def test_a_run_from_before_flip_map_was_renamed_is_loaded(run):
    path = run.folder / "config.json"
    path.write_text(path.read_text().replace("flip_map", "mirror_map"))
    assert load_run(run.folder)[3] == TINY_TRAINING


def test_a_run_of_another_subset_or_without_a_file_is_refused(run):
    path = run.folder / "config.json"
    record = path.read_text()
    path.write_text(record.replace(run.record["manifest_digest"], "0123456789ab"))
    with pytest.raises(ValueError, match="trained on the subset 0123456789ab of .* prepared there now is"):
        load_run(run.folder)
    (run.folder / "two_stream.keras").unlink()
    with pytest.raises(FileNotFoundError, match="two_stream.keras: missing. Finish the run"):
        load_run(run.folder)
    with pytest.raises(FileNotFoundError, match="config.json: missing. Give the folder of a run"):
        load_run(run.folder / "elsewhere")


@pytest.mark.slow
def test_a_network_that_computes_flow_is_loaded_by_a_process_that_did_not_build_it(tmp_path):
    build_temporal_cnn(3, 64, 3, frames_bound=20.0).save(tmp_path / "temporal.keras")
    code = "import sys, keras, src.inference; print(keras.models.load_model(sys.argv[1]).name)"
    command = [sys.executable, "-c", code, str(tmp_path / "temporal.keras")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout == "temporal\n", done.stderr
