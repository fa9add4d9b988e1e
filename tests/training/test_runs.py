import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import open_files

from src.config import ClipConfig, TrainConfig
from src.training import runs
from src.training.runs import Run, start_run

DIGEST = "0123456789ab"
NAMES = ["US$_A_B$", os.fsdecode(b"caf\xe9")]


def start(
    root, run_name="first", digest=DIGEST, clip_config=None, data="datasets/tiny", names=NAMES, subset="two classes",
    **training,
):  # fmt: skip
    clip_config, config = clip_config or ClipConfig(), TrainConfig(**training)
    return start_run(run_name, data, digest, clip_config, config, names, subset, root)


def read_record(run):
    return json.loads((run.folder / "config.json").read_text())


def test_a_new_run_has_its_folder_and_record(tmp_path):
    run = start(tmp_path, batch_size=8)
    record = read_record(run)
    assert run.folder == tmp_path / "first" and record == run.record
    assert record["data"] == str(Path.cwd() / "datasets/tiny") and record["manifest_digest"] == DIGEST
    assert record["class_names"] == NAMES and record["subset"] == "two classes"
    assert record["clips"] == ClipConfig().to_dict() and record["training"] == TrainConfig(batch_size=8).to_dict()
    assert set(record["environment"]["versions"]) >= {"python", "keras", "numpy"}


def test_the_same_configuration_continues_a_run(tmp_path):
    run = start(tmp_path, seed=3)
    run.record_facts(backbone="compact")
    before = (run.folder / "config.json").read_bytes()
    (run.folder / ".partial-0123abcd-spatial.keras").write_bytes(b"killed")
    again = start(tmp_path, seed=3, data="another/place")  # the digest shows that it is the same data
    assert again.folder == run.folder and again.record == run.record
    assert [path.name for path in run.folder.iterdir()] == ["config.json"]  # no part of a write that was killed
    assert (run.folder / "config.json").read_bytes() == before


def test_a_run_from_before_a_field_was_renamed_continues(tmp_path):
    path = start(tmp_path, flip_map={"a": "b"}).folder / "config.json"
    path.write_text(path.read_text().replace("flip_map", "mirror_map"))
    assert start(tmp_path, flip_map={"a": "b"}).record["training"]["flip_map"] == {"a": "b"}
    with pytest.raises(ValueError, match=re.escape("flip_map: {'a': 'b'} → None")):
        start(tmp_path)


@pytest.mark.parametrize(
    "changed, lines",
    [
        ({"spatial_weights": None}, ["spatial_weights: 'auto' → None"]),
        ({"names": ["walk", "run"]}, ["class_names: ['US$_A_B$'", "→ ['walk', 'run']"]),
        ({"digest": "ba9876543210"}, ["manifest_digest: '0123456789ab' → 'ba9876543210'"]),
        (
            {"clip_config": ClipConfig(flow_length=5), "seed": 1, "batch_size": 4},
            ["flow_length: 10 → 5", "seed: 0 → 1", "batch_size: 16 → 4"],
        ),
    ],
)
def test_another_configuration_is_refused_and_all_differences_are_listed(tmp_path, changed, lines):
    run = start(tmp_path)
    before = (run.folder / "config.json").read_bytes()
    with pytest.raises(ValueError, match="Choose another run_name") as error:
        start(tmp_path, **changed)
    assert all(text in str(error.value) for text in [str(run.folder), *lines])
    assert (run.folder / "config.json").read_bytes() == before
    assert start(tmp_path, run_name="second", **changed).folder.name == "second"


def test_a_run_on_another_subset_says_how_to_continue_it(tmp_path):
    start(tmp_path)
    start(tmp_path, subset="prepared again under this name")  # the digest shows that it is the same data
    with pytest.raises(ValueError, match="set subset='two classes' to continue it. Choose another run_name"):
        start(tmp_path, digest="ba9876543210", subset="prepared last")


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(TrainConfig)])
def test_every_field_counts(tmp_path, field):
    other = {
        "spatial_weights": None, "temporal_weights": None, "backbone_preprocessing": "tf", "temporal_head": "dense",
        "flow_input": "trajectory", "test_crops": 5, "precision": "mixed_bfloat16", "flip_map": {"a": "b"},
        "reversal_map": {"a": "b"}, "temporal_crop_size": 64, "flow_length": 5, "test_segments": 1,
        "temporal_network": "cnn_m", "spatial_steps": 100, "temporal_steps": 100, "dropout": 0.1, "warm_up": 0.2,
        "label_smoothing": 0.0, "consensus": "average", "also": "datasets/other",
    }  # fmt: skip
    default = getattr(TrainConfig(), field)
    value = not default if isinstance(default, bool) else default * 2 + 1 if field not in other else other[field]
    rest = {"temporal_network": "cnn_m"} if field == "temporal_head" else {}  # the only one with another head
    start(tmp_path, **rest)
    with pytest.raises(ValueError, match=f"{field}: "):
        start(tmp_path, **{field: value}, **rest)


def test_each_run_without_a_name_gets_a_new_one(tmp_path):
    folders = [start(tmp_path, run_name=None).folder for _ in range(4)]
    assert len(set(folders)) == 4
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_\d+)?", folder.name) for folder in folders)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/tmp/a", "a/", "../a", "~", "~root", "a\0b", "a\nb", "x" * 201, "é" * 101, 5, "None"],
)
def test_a_name_that_is_not_a_folder_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="run_name must be a plain folder name.*Received"):
        start(tmp_path / "runs", run_name=name)
    assert list(tmp_path.iterdir()) == []


FOREIGN = ["notes.txt", "config.json", "clips", "incomplete", "spatial.keras", ".partial-mine", ".hidden"]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_folder_with_files_of_others_is_named_and_left_alone(tmp_path, name):
    path = tmp_path / "first" / name
    path.parent.mkdir()
    path.write_text('{"architectures": ["of another program"]}')
    with pytest.raises(ValueError, match=re.escape(name)) as error:
        start(tmp_path)
    assert str(tmp_path / "first") in str(error.value) and "hoose another" in str(error.value)
    assert list(path.parent.iterdir()) == [path] and "another program" in path.read_text()


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "5", "null", "{}", '{"clips": 5}', "[" * 100_000])
def test_a_record_that_is_not_of_a_run_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / 'config.json'}: must be the record of a run")):
        Run.read(tmp_path)


def test_a_run_is_not_started_at_a_file(tmp_path):
    (tmp_path / "runs").write_text("mine")
    with pytest.raises(ValueError, match="it or a folder above it is a file"):
        start(tmp_path / "runs")
    with pytest.raises(ValueError, match="it or a folder above it is a file"):
        start(tmp_path, run_name="runs")
    assert (tmp_path / "runs").read_text() == "mine"


def test_a_start_that_was_killed_is_repeated_and_only_its_own_files_are_removed(tmp_path):
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / ".partial-0123abcd-config.json").write_text("{")
    start(tmp_path)
    (folder / ".partial-mine").write_text("mine")
    start(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [".partial-mine", "config.json"]


def test_a_run_is_found_under_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run = start("~/runs", data="~/data")
    assert run.folder == tmp_path / "runs" / "first" and run.record["data"] == str(tmp_path / "data")
    assert Run.read("~/runs/first").record == run.record


def test_facts_are_added_to_the_record(tmp_path):
    run = start(tmp_path)
    run.record_facts(backbone="compact")
    run.record_facts(parameters=12, backbone="resnet50")
    assert read_record(run)["notes"] == {"backbone": "resnet50", "parameters": 12}
    assert read_record(run)["training"] == TrainConfig().to_dict()


def test_the_commit_is_recorded_or_none_without_git(tmp_path, monkeypatch):
    command = ["git", "-C", str(Path(runs.__file__).parent), "rev-parse", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode == 0:
        recorded = start(tmp_path).record["environment"]["git_commit"]
        assert recorded.removesuffix("-dirty") == found.stdout[:12]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert start(tmp_path, "second").record["environment"]["git_commit"] is None


def test_scores_are_written_and_read_for_the_same_clips_only(tmp_path):
    run = start(tmp_path)
    clips = pd.DataFrame({"video_id": ["7", "clip 12"], "class_index": [1, 0]})
    scores = {name: np.random.default_rng(0).random((2, 3), np.float32) for name in ("spatial", "temporal", "fused")}
    assert run.read_scores("validation", clips, "aaaa") is None
    run.write_scores("validation", clips, scores, "aaaa")
    with np.load(run.folder / "scores_validation.npz", allow_pickle=False) as found:
        assert found["video_id"].tolist() == ["7", "clip 12"]
        assert found["label"].tolist() == [1, 0] and found["label"].dtype == np.int64
    found = run.read_scores("validation", clips, "aaaa")
    assert found.keys() == scores.keys()
    for name, values in scores.items():
        assert np.array_equal(found[name], values) and found[name].dtype == np.float32
    with pytest.raises(ValueError, match="scores must belong to the 2 clips of this split.*Remove the run"):
        run.read_scores("validation", clips[::-1], "aaaa")


def test_scores_of_other_weights_are_refused_and_stay(tmp_path):
    run, clips = start(tmp_path), pd.DataFrame({"video_id": ["7"], "class_index": [1]})
    run.write_scores("test", clips, {"spatial": np.ones((1, 2), np.float32)}, "aaaa")
    path = run.folder / "scores_test.npz"
    before = path.read_bytes()
    with pytest.raises(
        ValueError, match="digest bbbb. Found: scores of weights aaaa.*another run_name.*remove"
    ) as error:
        run.read_scores("test", clips, "bbbb")
    assert str(error.value).startswith(str(path)) and path.read_bytes() == before


def test_scores_without_a_digest_are_read_in_a_run_of_an_older_version_only(tmp_path):
    run, clips = start(tmp_path), pd.DataFrame({"video_id": ["7"], "class_index": [1]})
    np.savez(run.folder / "scores_test.npz", video_id=["7"], label=[1], spatial=np.ones((1, 2)))
    with pytest.raises(ValueError, match="digest aaaa. Found: scores of weights without a digest"):
        run.read_scores("test", clips, "aaaa")
    older = {name: value for name, value in run.record.items() if name != "class_names"}
    (run.folder / "config.json").write_text(json.dumps(older))
    assert start(tmp_path).read_scores("test", clips, "aaaa").keys() == {"spatial"}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not an archive"])
def test_scores_that_cannot_be_read_are_named(tmp_path, content):
    run, clips = start(tmp_path), pd.DataFrame({"video_id": ["7"], "class_index": [1]})
    (run.folder / "scores_test.npz").write_bytes(content)
    match = "scores_test.npz: must hold the scores of a split, but cannot be read"
    with pytest.raises(ValueError, match=match) as held:
        run.read_scores("test", clips, "aaaa")
    assert not open_files(tmp_path), held


def test_metrics_and_figures_are_written(tmp_path):
    run, metrics = start(tmp_path), {"test": {"n": 4, "majority_class": 0.5, "spatial": {"top1": 0.5}}}
    run.write_metrics(metrics)
    assert json.loads((run.folder / "metrics.json").read_text()) == metrics
    run.save_figure(plt.subplots()[1], "one")
    run.save_figure(plt.subplots(2, 2)[1], "four")
    plt.close("all")
    for name in ("one", "four"):
        assert (run.folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_table_is_written_whatever_its_names(tmp_path):
    run = start(tmp_path)
    table = pd.DataFrame({"video_id": ["007", "caf\udce9"], "right": [True, False]})
    run.save_table(table, "predictions_test")
    assert (run.folder / "predictions_test.csv").read_bytes() == b"video_id,right\n007,True\ncaf\xe9,False\n"
