"""Features of videos and of stored clips: the right numbers, in files that continue and never mix."""

import dataclasses
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING, moving_texture, open_files, write_video
from keras import layers

from models.consensus import build_clip_network
from models.temporal_shift import TemporalShift
from models.two_stream import build_two_stream
from src.evaluation import digest_weights
from src.inference import export_features, feature_export, feature_files, read_features
from src.inference import features as command
from src.inputs import StreamInputs
from src.sources import read_source
from src.store import ClipStore
from src.training import start_run

CONFIG = dataclasses.replace(TINY_TRAINING, temporal_shift=True, consensus="ordered")
SEGMENTS = TINY_CONFIG.num_segments
FEATURES = {"spatial": 9, "temporal": 10}  # numbers of features


def build_stream(name, shape, shift=True):
    """A stream of random weights; with a shift, a segment's features depend on its neighbours."""
    segment = keras.Input(shape, dtype="uint8", name="frame")
    x = layers.AveragePooling2D(8)(layers.Rescaling(1 / 127.5, -1)(segment))
    x = layers.Conv2D(8, 1, activation="relu")(x)
    x = TemporalShift(SEGMENTS)(x) if shift else x
    x = layers.Dense(FEATURES[name], name="features")(layers.Flatten()(x))
    return build_clip_network(keras.Model(segment, x, name="body"), 3, SEGMENTS, "ordered", 0, False, name)


def save_run(root, name, two_stream):
    run = start_run(name, "prepared", "0123456789ab", TINY_CONFIG, CONFIG, TINY_NAMES, root=root)
    two_stream.save(run.folder / "two_stream.keras")
    return run.folder


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(0)
    streams = [build_stream("spatial", (32, 32, 3)), build_stream("temporal", (32, 32, TINY_CONFIG.stack_channels))]
    return build_two_stream(*streams)


@pytest.fixture(scope="module")
def run(networks, tmp_path_factory):
    return save_run(tmp_path_factory.mktemp("runs"), "tiny", networks)


@pytest.fixture
def videos(tmp_path):
    """A folder of three videos without classes; the second one is broken."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in (0, 2):
        write_video(folder / f"{number}.webm", moving_texture(9, 2, 0, 48, 64, seed=number))
    (folder / "1.webm").write_bytes((folder / "0.webm").read_bytes()[:300])
    return folder


def test_features_of_stored_clips_are_those_of_the_body_averaged_over_crops(run, networks, tiny_store, tmp_path):
    table = export_features(run, tiny_store[0], tmp_path / "out")
    read, features = read_features(tmp_path / "out")
    pd.testing.assert_frame_equal(read, table)
    assert list(table.video_id) == list(tiny_store[1].video_id) and list(table.label) == list(tiny_store[1].label)
    assert list(table.split) == list(tiny_store[1].split) and list(table.path) == list(tiny_store[1].path)
    store, place = ClipStore(tiny_store[0]), 5
    clip = next(name for name in store.names() if name.startswith(f"{table.video_id[place]}-"))
    for stream in ("spatial", "temporal"):
        assert features[stream].shape == (24, SEGMENTS, FEATURES[stream]) and features[stream].dtype == np.float32
        inputs = StreamInputs(store, stream, CONFIG)
        crops = np.stack([inputs.crop_scored(inputs.read(clip, n), CONFIG.test_crops) for n in range(SEGMENTS)], 1)
        body = networks.get_layer(stream).get_layer("body")
        by_crop = [body.predict_on_batch(clip_inputs) for clip_inputs in crops]  # whole clips: segments are shifted
        np.testing.assert_allclose(features[stream][place], np.mean(by_crop, axis=0), atol=1e-5)
    windows = store.read_info(clip)["indices"]
    assert table.frames[place] == " ".join(str(window[1]) for window in windows)  # of 4 frames, the earlier middle


def test_files_are_read_without_this_project(run, networks, tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_export, "PART_CLIPS", 10)
    table = export_features(run, tiny_store[0], tmp_path / "out")
    parts = [np.load(path, allow_pickle=False) for path in sorted((tmp_path / "out").glob("part_*.npz"))]
    assert [len(part["spatial"]) for part in parts] == [10, 10, 4]
    row = pd.read_csv(tmp_path / "out" / "table.csv", dtype={"video_id": str}).iloc[13]
    part = np.load(tmp_path / "out" / row.part)
    assert (
        (part["video_id"][row.row], part["label"][row.row])
        == (row.video_id, row.label)
        == tuple(table.loc[13, ["video_id", "label"]])
    )
    assert row.frames == " ".join(map(str, part["frame"][row.row]))
    streams = [networks.get_layer(stream) for stream in FEATURES]
    assert str(part["weights"]) == digest_weights(streams)
    np.testing.assert_array_equal(part["temporal"][row.row], read_features(tmp_path / "out")[1]["temporal"][13])


def test_a_video_has_the_features_of_its_stored_clip_up_to_compression(run, tiny_store, tmp_path):
    export_features(run, tiny_store[0], tmp_path / "stored")
    stored_table, stored = read_features(tmp_path / "stored")
    for place in (0, 20):
        out = tmp_path / f"video {place}"
        table = export_features(run, stored_table.path[place], out)
        assert table.label.item() == table.split.item() == "" and table.frames.item() == stored_table.frames[place]
        for stream, features in read_features(out)[1].items():
            spread = stored[stream].std(axis=0).mean()
            assert np.abs(features[0] - stored[stream][place]).mean() < 0.1 * spread
        distances = np.abs(read_features(out)[1]["spatial"] - stored["spatial"]).mean(axis=(1, 2))
        assert distances.argmin() == place


def test_a_source_of_classes_gives_labels_and_splits(run, tiny_ssv2, tmp_path):
    table = export_features(run, tiny_ssv2, tmp_path / "out")
    source = read_source(tiny_ssv2)
    assert list(table.video_id) == list(source.video_id) and list(table.split) == list(source.split)
    assert set(table.label) == set(TINY_NAMES)


def test_a_broken_video_is_listed_and_tried_again(run, videos, tmp_path, capsys):
    table = export_features(run, videos, tmp_path / "out")
    assert list(table.video_id) == ["0.webm", "2.webm"] and (table.label == "").all()
    assert "1 of 3 videos failed" in capsys.readouterr().out
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert failures.video_id.item() == "1.webm" and "1.webm" in failures.reason.item()
    (videos / "1.webm").write_bytes((videos / "0.webm").read_bytes())
    table = export_features(run, videos, tmp_path / "out")
    assert list(table.video_id) == ["0.webm", "2.webm", "1.webm"] and list(table.row) == [0, 1, 0]
    assert pd.read_csv(tmp_path / "out" / "failures.csv").empty
    features = read_features(tmp_path / "out")[1]
    np.testing.assert_allclose(features["spatial"][0], features["spatial"][2], atol=1e-6)


def test_if_no_video_can_be_used_the_reason_is_the_error(run, videos, tmp_path):
    with pytest.raises(ValueError, match="none of its videos .1. can be used. .*1.webm"):
        export_features(run, videos / "1.webm", tmp_path / "out")


@pytest.mark.slow
def test_a_killed_export_continues(run, tiny_store, tmp_path):
    program = f"""
    import os, signal
    from src.inference import feature_export
    feature_export.PART_CLIPS = 5
    write, written = feature_export.write_part, []
    def kill_after_two(*arguments):
        write(*arguments)
        written.append(1)
        if len(written) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    feature_export.write_part = kill_after_two
    feature_export.export_features({str(run)!r}, {str(tiny_store[0])!r}, {str(tmp_path / "out")!r})
    """
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert len(feature_files.read_table(tmp_path / "out")) == 10
    before = {path: path.read_bytes() for path in (tmp_path / "out").glob("part_*.npz")}
    export_features(run, tiny_store[0], tmp_path / "out")
    assert all(path.read_bytes() == content for path, content in before.items())
    export_features(run, tiny_store[0], tmp_path / "whole")
    (table, found), (whole, expected) = read_features(tmp_path / "out"), read_features(tmp_path / "whole")
    pd.testing.assert_frame_equal(table.drop(columns=["part", "row"]), whole.drop(columns=["part", "row"]))
    for stream in expected:
        np.testing.assert_allclose(found[stream], expected[stream], atol=1e-6)


def test_an_interruption_keeps_what_was_computed(run, tiny_store, tmp_path, monkeypatch):
    apply, calls = feature_export._apply, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return apply(*arguments)

    monkeypatch.setattr(feature_export, "_apply", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_features(run, tiny_store[0], tmp_path / "out")
    assert len(pd.read_csv(tmp_path / "out" / "table.csv")) == 3  # of two streams each
    monkeypatch.setattr(feature_export, "_apply", apply)
    assert len(export_features(run, tiny_store[0], tmp_path / "out")) == 24


def test_features_of_two_networks_or_sources_never_mix(run, networks, tiny_store, videos, tmp_path):
    out = tmp_path / "out"
    export_features(run, videos / "0.webm", out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    other = keras.models.clone_model(networks)
    with pytest.raises(ValueError, match="holds features of another network .* of .*tiny, weights"):
        export_features(save_run(tmp_path, "other", other), videos / "0.webm", out)
    with pytest.raises(ValueError, match="1 clips that the source does not have.* first '0.webm'"):
        export_features(run, videos / "2.webm", out)
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "table.csv").write_text("mine")
    with pytest.raises(ValueError, match="must be a new or an empty folder.*table.csv"):
        export_features(run, videos, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["table.csv"]


def test_what_cannot_be_exported_leaves_no_folder(run, networks, tiny_store, videos, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="empty: not a source of videos.* Found: an empty folder"):
        export_features(run, tmp_path / "empty", out)
    with pytest.raises(ValueError, match="only a prepared folder has subsets"):
        export_features(run, videos, out, subset="some")
    with pytest.raises(FileNotFoundError, match="there is no subset 'some'"):
        export_features(run, tiny_store[0], out, subset="some")
    with pytest.raises(FileNotFoundError, match="nowhere: must be the folder of a run"):
        export_features(tmp_path / "nowhere", videos, out)
    longer = dataclasses.replace(TINY_CONFIG, num_segments=3)
    longer_run = start_run("longer", "prepared", "0123456789ab", longer, CONFIG, TINY_NAMES, root=tmp_path).folder
    networks.save(longer_run / "two_stream.keras")
    with pytest.raises(ValueError, match="prepared with other parameters than .*num_segments: 3 → 2"):
        export_features(longer_run, tiny_store[0], out)
    with pytest.raises(FileNotFoundError, match="has no part_"):
        read_features(tmp_path / "empty")
    assert not out.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not an archive"])
def test_a_part_that_cannot_be_read_is_named(tmp_path, content):
    (tmp_path / "part_00000.npz").write_bytes(content)
    match = "part_00000.npz: must hold exported features, but cannot be read .* again"
    with pytest.raises(ValueError, match=match) as held:
        read_features(tmp_path)
    assert not open_files(tmp_path), held


@pytest.fixture
def call(monkeypatch):
    def main(*words):
        monkeypatch.setattr("sys.argv", ["src.inference.features", *map(str, words)])
        command.main()

    return main


def test_the_command_takes_names_that_begin_with_a_dash(call, run, videos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (videos / "0.webm").rename("-0.webm")
    call(run, "-0.webm", "-out")
    assert capsys.readouterr().out.endswith("-out: features of 1 clip.\n")
    assert read_features("-out")[0].video_id.item() == "-0.webm"


def test_errors_of_the_command_are_a_line(call, run, tmp_path, capsys):
    for words, message in (
        ((tmp_path / "nowhere", "clip.mp4", "out"), "nowhere: must be the folder of a run"),
        ((run, tmp_path / "clip.mp4", "out"), "clip.mp4: not a source of videos"),
    ):
        with pytest.raises(SystemExit, match="1"):
            call(*words)
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    with pytest.raises(SystemExit, match="0"):
        call("--help")
    printed = capsys.readouterr().out
    assert printed.startswith("usage: python -m src.inference.features [-h] [--subset NAME] RUN SOURCE OUT\n")
    assert "python -m src.inference.features runs/NAME clip.mp4 OUT " in printed
