"""The sample on disk: layout, resuming, and what is never overwritten."""

import json
import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from src.ownership import make_staging
from src.sample import dataset
from src.sample.dataset import VIDEO_FOLDER, write_sample
from src.sample.drawing import draw_layers
from src.sample.rendering import render_frames
from src.sample.specs import ACTIONS, clip_spec
from src.video import read_frames

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A sample whose videos end after four frames."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "render_frames", lambda spec: islice(render_frames(spec), 4))
        return write_sample(tmp_path_factory.mktemp("data") / "sample", 1, 1, 1, seed=5, workers=1)


@pytest.fixture
def drawn(monkeypatch):
    """The specs that were drawn; instead of the drawing, each clip has three small frames."""
    specs = []

    def draw(spec):
        specs.append(spec)
        return np.full((3, 32, 48, 3), 90, np.uint8)

    monkeypatch.setattr(dataset, "render_frames", draw)
    return specs


def read_labels(folder, name):
    return json.loads((folder / "labels" / f"{name}.json").read_text())


def read_specs(folder):
    """split → specs of its clips, by video id."""
    videos = json.loads((folder / "sample.json").read_text())["videos"]
    specs = {split: {} for split in SPLITS}
    for video_id, video in videos.items():
        specs[video["split"]][video_id] = clip_spec(video["template"], video["seed"])
    return specs


def test_the_layout_is_that_of_ssv2(sample):
    index = read_labels(sample, "labels")
    assert list(index) == sorted(ACTIONS) and list(index.values()) == [str(i) for i in range(12)]
    answers = [line.split(";") for line in (sample / "labels" / "test-answers.csv").read_text().splitlines()]
    assert [video_id for video_id, _ in answers] == [entry["id"] for entry in read_labels(sample, "test")]
    assert sorted(template for _, template in answers) == sorted(ACTIONS)
    ids = [video_id for video_id, _ in answers]
    for split in ("train", "validation"):
        entries = read_labels(sample, split)
        plain = [entry["template"].replace("[", "").replace("]", "") for entry in entries]
        assert sorted(plain) == sorted(ACTIONS) and plain != sorted(plain)
        ids += [entry["id"] for entry in entries]
    assert len(set(ids)) == 36 and all(video_id.isdigit() for video_id in ids)
    assert {path.name for path in (sample / VIDEO_FOLDER).iterdir()} == {f"{name}.webm" for name in ids}


def test_annotations_have_the_form_of_ssv2(sample):
    entries = {entry["template"]: entry for entry in read_labels(sample, "train")}
    entry = entries["Holding [something] next to [something]"]
    first, second = entry["placeholders"]
    assert entry["label"] == f"holding {first} next to {second}"
    assert set(entry) == {"id", "label", "template", "placeholders"}
    assert entries["Moving [something] up"]["label"].startswith("moving ")
    thing, cover = entries["Covering [something] with [something]"]["placeholders"]
    assert thing.endswith(" pebble") and cover.endswith(" cloth") and thing.split()[0] != cover.split()[0]
    (thing,) = entries["Uncovering [something]"]["placeholders"]
    assert entries["Uncovering [something]"]["label"] == f"uncovering {thing}" and thing.endswith(" pebble")


def test_videos_decode_to_the_rendered_frames(sample):
    video_id, spec = next(iter(read_specs(sample)["test"].items()))
    frames, rendered = (
        read_frames(sample / VIDEO_FOLDER / f"{video_id}.webm"),
        np.stack(list(islice(render_frames(spec), 4))),
    )
    assert frames.shape == rendered.shape and frames.shape[1] == 240
    assert np.abs(frames.astype(int) - rendered).mean() < 6


def test_no_texture_of_the_test_is_in_another_split(sample):
    specs = read_specs(sample)
    images = {split: {layer.tobytes() for s in specs[split].values() for layer in draw_layers(s)} for split in SPLITS}
    assert all(len(images[split]) == 26 for split in SPLITS)
    assert not images["test"] & (images["train"] | images["validation"])


def test_a_complete_sample_is_left_alone(tmp_path, drawn, capfd):
    for _ in range(2):
        assert write_sample(tmp_path, 1, 0, 1, workers=1) == tmp_path
    assert len(drawn) == 24
    printed = re.sub(r"writing the sample: .*?clip/s\]", "", capfd.readouterr().err)
    assert not printed.strip()  # only the progress bar is printed


def test_writing_that_was_interrupted_goes_on(tmp_path, drawn, monkeypatch):
    draw = dataset.render_frames

    def stop_after_five(spec):
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return draw(spec)

    monkeypatch.setattr(dataset, "render_frames", stop_after_five)
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, 1, 0, 0, workers=1)
    assert not (tmp_path / "sample.json").exists()
    monkeypatch.setattr(dataset, "render_frames", draw)
    write_sample(tmp_path, 1, 0, 0, workers=1)
    assert len(drawn) == len(set(drawn)) == 12
    assert [path.name for path in tmp_path.glob("sample*")] == ["sample.json"]
    # A removed video is written again.
    removed = next((tmp_path / VIDEO_FOLDER).iterdir())
    removed.unlink()
    write_sample(tmp_path, 1, 0, 0, workers=1)
    assert removed.exists() and len(drawn) == 13


def test_other_parameters_replace_the_sample(tmp_path, drawn):
    write_sample(tmp_path, 2, 0, 0, seed=0, workers=1)
    write_sample(tmp_path, 1, 0, 0, seed=1, workers=1)
    listed = {f"{entry['id']}.webm" for entry in read_labels(tmp_path, "train")}
    assert {path.name for path in (tmp_path / VIDEO_FOLDER).iterdir()} == listed and len(listed) == 12


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name", [f"{VIDEO_FOLDER}/1.webm", "labels/train.json", "notes.txt", "sample.json", "labels.json"]
)
@pytest.mark.parametrize("was_a_sample", [False, True])
def test_files_of_the_user_are_never_overwritten(tmp_path, drawn, name, was_a_sample):
    if was_a_sample:  # and everything but the stamp was replaced
        write_sample(tmp_path, 1, 0, 0, workers=1)
        for path in (path for path in tmp_path.rglob("*") if path.is_file() and path.name != "two-stream.json"):
            path.unlink()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"mine")
    before = tree(tmp_path)
    if was_a_sample and "/" not in name and name != "sample.json":  # beside the sample
        write_sample(tmp_path, 1, 0, 0, workers=1)
        assert before.items() <= tree(tmp_path).items()
        return
    with pytest.raises(ValueError, match="Choose another folder") as error:
        write_sample(tmp_path, 1, 0, 0)
    assert name.split("/")[0] in str(error.value) and tree(tmp_path) == before


def plan_of(folder):
    return json.loads((folder / "sample.json").read_text())


HOSTILE = {
    "id": lambda plan: {**plan, "videos": {**plan["videos"], "../../outside": {}}},
    "absolute id": lambda plan: {**plan, "videos": {"/outside": {}}},
    "other ids": lambda plan: {**plan, "videos": {"1": {}, "2": {}}},
    "list": lambda plan: [plan],
    "nested": lambda plan: {**plan, "videos": [[["1"]]]},
    "more": lambda plan: {**plan, "mine": 1},
    "seed": lambda plan: {**plan, "parameters": {"seed": "0"}},
    "negative seed": lambda plan: {**plan, "parameters": {"seed": -1}},
    "boolean seed": lambda plan: {**plan, "parameters": {"seed": False}},
}


@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize("file", ["sample.json", "sample-unfinished.json"])
@pytest.mark.parametrize("change", [*HOSTILE, "deep", "not UTF-8", "huge"])
def test_a_plan_that_is_not_ours_removes_nothing(tmp_path, drawn, monkeypatch, change, file, stamped):
    folder = tmp_path / "a/b"
    write_sample(folder, 1, 0, 0, workers=1)
    (folder / VIDEO_FOLDER / "1.webm").write_bytes(b"mine")
    (tmp_path / "outside.webm").write_bytes(b"mine")
    texts = {
        "deep": b"[" * 100_000,
        "not UTF-8": b"\xff\xfe",
        "huge": json.dumps(plan_of(folder)).encode() + b" " * 9000,
    }
    if change == "huge":
        monkeypatch.setattr(dataset, "PLAN_BYTES", 9000)
    content = texts.get(change) or json.dumps(HOSTILE[change](plan_of(folder))).encode()
    (folder / file).write_bytes(content)
    if not stamped:
        (folder / "two-stream.json").unlink()
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="Choose another folder"):
        write_sample(folder, 2, 0, 0, workers=1)
    assert tree(tmp_path) == before


def test_a_sample_of_an_older_version_is_replaced_and_other_files_are_kept(tmp_path, drawn):
    write_sample(tmp_path, 2, 0, 0, workers=1)
    (tmp_path / "two-stream.json").unlink()
    mine = [tmp_path / name for name in ("notes.txt", f"{VIDEO_FOLDER}/1.webm", f"{VIDEO_FOLDER}/.partial-1.webm")]
    for path in mine:
        path.write_bytes(b"mine")
    write_sample(tmp_path, 1, 0, 0, seed=1, workers=1)
    assert (tmp_path / "two-stream.json").is_file() and all(path.read_bytes() == b"mine" for path in mine)
    videos = {f"{name}.webm" for name in plan_of(tmp_path)["videos"]}
    assert {path.name for path in (tmp_path / VIDEO_FOLDER).iterdir()} == {*videos, "1.webm", ".partial-1.webm"}


def test_nothing_is_written_through_a_link(tmp_path, drawn):
    folder = write_sample(tmp_path / "sample", 1, 0, 0, workers=1)
    (folder / VIDEO_FOLDER).rename(tmp_path / "elsewhere")
    (folder / VIDEO_FOLDER).symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="a link"):
        write_sample(folder, 2, 0, 0, workers=1)
    assert tree(tmp_path) == before


def test_another_process_that_writes_is_not_harmed(tmp_path, drawn):
    """One of another sample is an error; one of the same sample may go on; what a killed one left is removed."""
    write_sample(tmp_path, 1, 0, 0, workers=1)
    next((tmp_path / VIDEO_FOLDER).iterdir()).unlink()
    staging = make_staging(tmp_path)
    (staging / "1.webm").write_bytes(b"begin")
    (staging / "sample.json").write_text((tmp_path / "sample.json").read_text())
    with pytest.raises(ValueError, match=rf"process {os.getpid()} is writing another sample"):
        write_sample(tmp_path, 2, 0, 0, workers=1)
    write_sample(tmp_path, 1, 0, 0, workers=1)
    assert (staging / "1.webm").read_bytes() == b"begin"
    stamp = json.loads((staging / "two-stream.json").read_text())
    (staging / "two-stream.json").write_text(json.dumps(stamp | {"pid": 2**22 + 1}))
    write_sample(tmp_path, 2, 0, 0, workers=1)
    assert not staging.exists() and len(list((tmp_path / VIDEO_FOLDER).iterdir())) == 24


PROGRAM = """
import sys, numpy as np
from src.ownership import make_staging
from src.sample import dataset
dataset.render_frames = lambda spec: np.full((3, 32, 48, 3), 90, np.uint8)
dataset.write_sample(sys.argv[1], 3, 1, 1, workers=1)
"""


def test_two_processes_may_write_the_sample_at_once(tmp_path):
    command = [sys.executable, "-c", PROGRAM, tmp_path / "sample"]
    running = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    names = {path.name for path in (tmp_path / "sample").iterdir()}
    assert names == {"two-stream.json", "sample.json", "labels", VIDEO_FOLDER}
    assert len(list((tmp_path / "sample" / VIDEO_FOLDER).iterdir())) == 60


def test_home_is_expanded_and_too_many_clips_are_refused(tmp_path, drawn, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert write_sample("~/sample", 1, 0, 0, workers=1) == tmp_path / "sample"
    with pytest.raises(ValueError, match="at most 220,847 clips"):
        write_sample("~/more", 30_000, 0, 0)
    assert not (tmp_path / "more").exists()
