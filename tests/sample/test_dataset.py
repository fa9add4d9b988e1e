"""The sample on disk: layout, resuming, and what is never overwritten."""

import json

import numpy as np
import pytest

from src.sample import dataset
from src.sample.dataset import VIDEO_FOLDER, write_sample
from src.sample.drawing import draw_layers
from src.sample.rendering import render_clip
from src.sample.specs import ACTIONS, clip_spec
from src.video import read_frames

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("data") / "sample", 1, 1, 1, seed=5, workers=1)


@pytest.fixture
def drawn(monkeypatch):
    """The specs that were drawn; instead of the drawing, each clip has three small frames."""
    specs = []

    def draw(spec):
        specs.append(spec)
        return np.full((3, 32, 48, 3), 90, np.uint8)

    monkeypatch.setattr(dataset, "render_clip", draw)
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
    assert list(index) == sorted(ACTIONS) and list(index.values()) == [str(i) for i in range(8)]
    answers = [line.split(";") for line in (sample / "labels" / "test-answers.csv").read_text().splitlines()]
    assert [video_id for video_id, _ in answers] == [entry["id"] for entry in read_labels(sample, "test")]
    assert sorted(template for _, template in answers) == sorted(ACTIONS)
    ids = [video_id for video_id, _ in answers]
    for split in ("train", "validation"):
        entries = read_labels(sample, split)
        plain = [entry["template"].replace("[", "").replace("]", "") for entry in entries]
        assert sorted(plain) == sorted(ACTIONS) and plain != sorted(plain)
        ids += [entry["id"] for entry in entries]
    assert len(set(ids)) == 24 and all(video_id.isdigit() for video_id in ids)
    assert {path.name for path in (sample / VIDEO_FOLDER).iterdir()} == {f"{name}.webm" for name in ids}


def test_annotations_have_the_form_of_ssv2(sample):
    entries = {entry["template"]: entry for entry in read_labels(sample, "train")}
    entry = entries["Holding [something] next to [something]"]
    first, second = entry["placeholders"]
    assert entry["label"] == f"holding {first} next to {second}"
    assert set(entry) == {"id", "label", "template", "placeholders"}
    assert entries["Moving [something] up"]["label"].startswith("moving ")


def test_videos_decode_to_the_rendered_frames(sample):
    video_id, spec = next(iter(read_specs(sample)["test"].items()))
    frames, rendered = read_frames(sample / VIDEO_FOLDER / f"{video_id}.webm"), render_clip(spec)
    assert frames.shape == rendered.shape and frames.shape[1] == 240
    assert np.abs(frames.astype(int) - rendered).mean() < 6


def test_no_texture_of_the_test_is_in_another_split(sample):
    specs = read_specs(sample)
    images = {split: {layer.tobytes() for s in specs[split].values() for layer in draw_layers(s)} for split in SPLITS}
    assert all(len(images[split]) == 16 for split in SPLITS)
    assert not images["test"] & (images["train"] | images["validation"])


def test_a_complete_sample_is_left_alone(tmp_path, drawn, capfd):
    for _ in range(2):
        assert write_sample(tmp_path, 1, 0, 1, workers=1) == tmp_path
    assert len(drawn) == 16
    assert "OpenCV" not in capfd.readouterr().err  # only the progress bar is printed


def test_writing_that_was_interrupted_goes_on(tmp_path, drawn, monkeypatch):
    draw = dataset.render_clip

    def stop_after_five(spec):
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return draw(spec)

    monkeypatch.setattr(dataset, "render_clip", stop_after_five)
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, 1, 0, 0, workers=1)
    assert not (tmp_path / "sample.json").exists()
    monkeypatch.setattr(dataset, "render_clip", draw)
    write_sample(tmp_path, 1, 0, 0, workers=1)
    assert len(drawn) == len(set(drawn)) == 8
    assert [path.name for path in tmp_path.glob("sample*")] == ["sample.json"]
    # A removed video is written again.
    removed = next((tmp_path / VIDEO_FOLDER).iterdir())
    removed.unlink()
    write_sample(tmp_path, 1, 0, 0, workers=1)
    assert removed.exists() and len(drawn) == 9


def test_other_parameters_replace_the_sample(tmp_path, drawn):
    write_sample(tmp_path, 2, 0, 0, seed=0, workers=1)
    write_sample(tmp_path, 1, 0, 0, seed=1, workers=1)
    listed = {f"{entry['id']}.webm" for entry in read_labels(tmp_path, "train")}
    assert {path.name for path in (tmp_path / VIDEO_FOLDER).iterdir()} == listed and len(listed) == 8


def test_a_download_is_never_overwritten(tmp_path):
    video = tmp_path / VIDEO_FOLDER / "1.webm"
    video.parent.mkdir()
    video.write_bytes(b"real")
    with pytest.raises(ValueError, match="Choose another folder"):
        write_sample(tmp_path, 1, 0, 0)
    assert video.read_bytes() == b"real"
