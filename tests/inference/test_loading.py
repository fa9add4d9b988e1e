"""The folder of a finished run gives what predictions need."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING
from keras import layers

from models import build_temporal_cnn
from models.fusion_layer import Fused
from src.inference.loading import load_run, read_spacing, read_threshold
from src.inputs import read_clips
from src.store import manifest_digest
from src.training import start_run


@pytest.fixture
def run(two_stream, tiny_store, tmp_path):
    clips, store, names = read_clips(tiny_store[0])
    digest = manifest_digest(clips)
    run = start_run("fitted", "prepared", digest, store.config, TINY_TRAINING, names, root=tmp_path)
    two_stream.save(run.folder / "two_stream.keras")
    return run


def edit(run, **changes):
    """Changes entries of a run's config.json; None removes one."""
    record = {name: value for name, value in (run.record | changes).items() if value is not None}
    (run.folder / "config.json").write_text(json.dumps(record))


def test_a_run_is_loaded_as_it_was_trained(run, two_stream):
    loaded, names, clip_config, config = load_run(run.folder)
    assert (names, clip_config, config) == (TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    for stream in ("spatial", "temporal"):
        inputs = np.random.default_rng(0).integers(0, 256, (2, 4, *loaded.get_layer(stream).input_shape[2:]), np.uint8)
        expected, found = (model.get_layer(stream).predict_on_batch(inputs) for model in (two_stream, loaded))
        np.testing.assert_array_equal(found, expected)


def test_a_run_from_before_flip_map_was_renamed_is_loaded(run):
    path = run.folder / "config.json"
    path.write_text(path.read_text().replace("flip_map", "mirror_map"))
    assert load_run(run.folder)[3] == TINY_TRAINING


def test_a_run_of_an_older_version_reads_its_class_names_from_its_data(run, tiny_store):
    edit(run, class_names=None, data=str(tiny_store[0]))
    assert load_run(run.folder)[1] == TINY_NAMES
    edit(run, class_names=None, data=str(tiny_store[0]), manifest_digest="0123456789ab")
    with pytest.raises(ValueError, match="trained on the subset 0123456789ab of .* prepared there now is"):
        load_run(run.folder)


@pytest.mark.parametrize("fused", [layers.Average(name="fused"), None])
def test_streams_of_an_older_version_which_take_one_segment_are_converted(run, two_stream, fused):
    """With its fusion: in the first versions an average, later a fusion that was learned."""
    bodies = [two_stream.get_layer(stream).get_layer("body") for stream in ("spatial", "temporal")]
    heads = [two_stream.get_layer(stream).get_layer("head").get_layer("scores") for stream in ("spatial", "temporal")]
    streams = [
        keras.Model(body.input, head(layers.Dropout(0.5, name="dropout")(body.output)), name=name)
        for body, head, name in zip(bodies, heads, ("spatial", "temporal"), strict=True)
    ]
    inputs = [keras.Input(stream.input_shape[1:], dtype="uint8") for stream in streams]
    fused = fused or Fused(features="log scores", weights=(0.2, 2.0), name="fused")
    older = keras.Model(inputs, fused([stream(x) for stream, x in zip(streams, inputs, strict=True)]))
    older.save(run.folder / "two_stream.keras")
    loaded = load_run(run.folder)[0]
    clips = [np.random.default_rng(0).integers(0, 256, (3, 2, *x.shape[1:]), np.uint8) for x in inputs]
    scores = [
        np.mean([stream.predict_on_batch(clip[:, segment]) for segment in range(2)], axis=0)
        for stream, clip in zip(streams, clips, strict=True)
    ]
    expected = keras.ops.convert_to_numpy(fused(scores))
    np.testing.assert_allclose(
        loaded.predict_on_batch(dict(zip(("frame", "flow"), clips, strict=True))), expected, atol=1e-6
    )


def test_the_spacing_of_a_run_is_what_it_recorded(run):
    assert read_spacing(run.folder) is None  # a run of an older version
    run.record_facts(segment_spacing=7)
    assert read_spacing(run.folder) == 7


def test_a_folder_that_is_no_finished_run_is_refused(run):
    path = run.folder / "two_stream.keras"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="two_stream.keras: cannot be read as a model"):
        load_run(run.folder)
    edit(run, class_names=["a", "b"])
    path.unlink()
    with pytest.raises(FileNotFoundError, match="two_stream.keras: missing. Finish the run"):
        load_run(run.folder)
    (run.folder / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="config.json: must be the record of a run"):
        load_run(run.folder)
    (run.folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="must be the folder of a run.*it has no config.json"):
        load_run(run.folder)
    with pytest.raises(FileNotFoundError, match="must be the folder of a run.*there is no such folder"):
        load_run(run.folder / "elsewhere")


def test_networks_and_class_names_must_fit(run):
    edit(run, class_names=["a", "b"])
    with pytest.raises(ValueError, match="must score the 2 classes of config.json. Found: 3 classes"):
        load_run(run.folder)


@pytest.mark.slow
def test_a_network_that_computes_flow_is_loaded_by_a_process_that_did_not_build_it(tmp_path):
    build_temporal_cnn(3, 64, 3, frames_bound=20.0).save(tmp_path / "temporal.keras")
    code = "import sys, keras, src.inference; print(keras.models.load_model(sys.argv[1]).name)"
    command = [sys.executable, "-c", code, str(tmp_path / "temporal.keras")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout == "temporal\n", done.stderr


def test_the_threshold_of_a_run_is_read_and_one_that_has_none_says_why(run, capsys):
    run.record_facts(none_threshold=0.25)
    assert read_threshold(run.folder) == 0.25 and capsys.readouterr().err == ""
    run.record_facts(none_threshold=None)
    assert read_threshold(run.folder) is None
    few = capsys.readouterr().err
    edit(run, notes=None)
    assert read_threshold(run.folder) is None
    older = capsys.readouterr().err
    for error in (few, older):
        assert error.startswith(f"{run.folder}: has no threshold") and error.count("\n") == 1
    assert "too few right answers" in few and "older version" in older


def test_a_run_that_is_not_there_is_answered_with_those_that_are(run, monkeypatch):
    other = start_run("2026-01-01", "x", "0123456789ab", TINY_CONFIG, TINY_TRAINING, TINY_NAMES, root=run.folder.parent)
    with pytest.raises(FileNotFoundError, match=f"fited: must be the folder.*Similar: {run.folder} \\(2 in all\\)"):
        load_run(run.folder.parent / "fited")
    with pytest.raises(FileNotFoundError, match=f"The newest: {other.folder}, {run.folder} "):
        read_spacing(run.folder.parent / "elsewhere")
    monkeypatch.chdir(run.folder.parent.parent)
    with pytest.raises(FileNotFoundError, match="There are no runs beside it, nor in runs/"):
        load_run(run.folder / "nothing" / "here")
