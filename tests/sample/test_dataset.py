import dataclasses
import json

import cv2
import numpy as np
import pytest

from src.sample import dataset as sample_dataset
from src.sample.dataset import VIDEO_FOLDER, read_sample_spec, sample_true_flow, write_sample
from src.sample.rendering import (
    ACTIONS,
    MARGIN,
    _path,
    clip_spec,
    draw_layers,
    moving_mask,
    render_clip,
    true_flow,
)

PUSH_RIGHT, PULL_RIGHT = "Pushing something from left to right", "Pulling something from left to right"
PUSH_LEFT, PULL_LEFT = "Pushing something from right to left", "Pulling something from right to left"
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("data") / "sample", 1, 1, 1, seed=5, workers=2)


@pytest.fixture
def quick(monkeypatch):
    """Three small frames a clip instead of a drawing, and the list of the specs that were drawn."""
    drawn = []

    def draw(spec):
        drawn.append(spec)
        return np.full((3, 32, 48, 3), 90, np.uint8)

    monkeypatch.setattr(sample_dataset, "render_clip", draw)
    return drawn


def read_labels(folder, name):
    return json.loads((folder / "labels" / f"{name}.json").read_text())


def decode(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1][..., ::-1])
    return np.stack(frames)


def short_spec(template, seed, **changes):
    """A clip of eight frames, otherwise as it is drawn."""
    return dataclasses.replace(clip_spec(template, seed), num_frames=8, **changes)


def inside(mask, size):
    return cv2.erode(mask.astype(np.uint8), np.ones((size, size))) > 0


# What is on disk


def test_layout_is_that_of_ssv2(sample):
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


def test_an_annotation_reads_like_ssv2(sample):
    entries = {entry["template"]: entry for entry in read_labels(sample, "train")}
    entry = entries["Holding [something] next to [something]"]
    first, second = entry["placeholders"]
    assert entry["label"] == f"holding {first} next to {second}"
    assert set(entry) == {"id", "label", "template", "placeholders"}
    assert entries["Moving [something] up"]["label"].startswith("moving ")


def test_videos_decode_to_what_was_drawn(sample):
    for entry in read_labels(sample, "test")[:3]:
        frames = decode(sample / VIDEO_FOLDER / f"{entry['id']}.webm")
        drawn = render_clip(read_sample_spec(sample, entry["id"]))
        assert frames.shape == drawn.shape and frames.shape[1] == 240
        assert np.abs(frames.astype(int) - drawn).mean() < 6


def test_test_textures_are_in_no_other_split(sample):
    stamp = json.loads((sample / "sample.json").read_text())
    pictures = {split: set() for split in SPLITS}
    for video_id, video in stamp["videos"].items():
        layers = draw_layers(read_sample_spec(sample, video_id))
        pictures[video["split"]] |= {picture.tobytes() for picture in layers}
    assert all(len(pictures[split]) == 16 for split in SPLITS)
    assert not pictures["test"] & (pictures["train"] | pictures["validation"])
    assert len({video["seed"] for video in stamp["videos"].values()}) == 24


def test_true_flow_of_a_written_clip(sample):
    video_id = read_labels(sample, "train")[0]["id"]
    spec = read_sample_spec(sample, video_id)
    flow = sample_true_flow(sample, video_id)
    assert flow.shape == (spec.num_frames - 1, 240, spec.width, 2) and flow.dtype == np.float32
    assert np.array_equal(flow, true_flow(spec))


def test_unknown_ids_and_missing_samples_are_named(sample, tmp_path):
    with pytest.raises(ValueError, match="one of its 24 videos.*'x'"):
        read_sample_spec(sample, "x")
    with pytest.raises(FileNotFoundError, match="no complete sample"):
        read_sample_spec(tmp_path, "1")


def test_a_complete_sample_is_left_alone(tmp_path, quick):
    for _ in range(2):
        assert write_sample(tmp_path, 1, 0, 1, workers=1) == tmp_path
    assert len(quick) == 16


def test_a_stopped_run_goes_on_where_it_was(tmp_path, quick, monkeypatch):
    draw = sample_dataset.render_clip

    def stop_after_five(spec):
        if len(quick) == 5:
            raise KeyboardInterrupt
        return draw(spec)

    monkeypatch.setattr(sample_dataset, "render_clip", stop_after_five)
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, 1, 0, 0, workers=1)
    assert not (tmp_path / "sample.json").exists()
    monkeypatch.setattr(sample_dataset, "render_clip", draw)
    write_sample(tmp_path, 1, 0, 0, workers=1)
    assert len(quick) == len(set(quick)) == 8
    assert [path.name for path in tmp_path.glob("sample*")] == ["sample.json"]


def test_a_video_that_was_removed_is_written_again(tmp_path, quick):
    write_sample(tmp_path, 1, 0, 0, workers=1)
    removed = next((tmp_path / VIDEO_FOLDER).iterdir())
    removed.unlink()
    write_sample(tmp_path, 1, 0, 0, workers=1)
    assert removed.exists() and len(quick) == 9


def test_other_parameters_replace_the_sample(tmp_path, quick):
    write_sample(tmp_path, 2, 0, 0, seed=0, workers=1)
    write_sample(tmp_path, 1, 0, 0, seed=1, workers=1)
    listed = {f"{entry['id']}.webm" for entry in read_labels(tmp_path, "train")}
    assert {path.name for path in (tmp_path / VIDEO_FOLDER).iterdir()} == listed and len(listed) == 8


def test_a_download_is_never_touched(tmp_path):
    video = tmp_path / VIDEO_FOLDER / "1.webm"
    video.parent.mkdir()
    video.write_bytes(b"real")
    with pytest.raises(ValueError, match="Choose another folder"):
        write_sample(tmp_path, 1, 0, 0)
    assert video.read_bytes() == b"real"


def test_writing_prints_nothing_but_the_bar(tmp_path, quick, capfd):
    write_sample(tmp_path, 1, 0, 0, workers=1)
    assert "OpenCV" not in capfd.readouterr().err


# What is drawn


def test_same_seed_same_frames():
    spec = short_spec(PUSH_RIGHT, 7)
    assert spec == short_spec(PUSH_RIGHT, 7)
    assert np.array_equal(render_clip(spec), render_clip(spec))


def test_unknown_template_is_named():
    with pytest.raises(ValueError, match="'Juggling something'"):
        clip_spec("Juggling something", 0)


@pytest.mark.parametrize("template", ACTIONS)
def test_true_flow_takes_the_next_frame_back(template):
    spec = short_spec(template, 11, drift=0.0, camera_shake=2.0)
    frames, mask, flow = render_clip(spec), moving_mask(spec), true_flow(spec)
    t = int(np.argmax(np.linalg.norm(flow[:, 0, 0], axis=-1)))  # the background moves, too
    y, x = np.mgrid[:240, : spec.width].astype(np.float32)
    back = cv2.remap(frames[t + 1], x + flow[t, ..., 0], y + flow[t, ..., 1], cv2.INTER_CUBIC)
    in_view = np.zeros_like(mask[t])
    in_view[16:-16, 16:-16] = True
    for layer in (mask[t], ~mask[t] & ~mask[t + 1]):
        where = inside(layer, 5) & in_view
        warped, moved = (cv2.absdiff(picture, frames[t])[where].mean() for picture in (back, frames[t + 1]))
        assert warped < 0.3 * moved


@pytest.mark.parametrize("template", ACTIONS)
def test_farneback_finds_the_true_flow(template):
    spec = short_spec(template, 12)
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in render_clip(spec)]
    found = cv2.calcOpticalFlowFarneback(gray[4], gray[5], None, 0.5, 3, 15, 3, 5, 1.2, 0)
    pair = inside(moving_mask(spec)[4], 15)  # its window of 15 px mixes the two layers at their border
    assert np.abs(found[pair].mean(0) - true_flow(spec)[4][pair].mean(0)).max() < 0.5


@pytest.mark.parametrize("template", ACTIONS)
def test_the_pair_moves_where_the_template_says_all_the_time(template):
    spec = dataclasses.replace(clip_spec(template, 1), camera_shake=0.0)
    flow, mask = true_flow(spec), moving_mask(spec)
    direction = np.array(ACTIONS[template].motion)
    steps = np.stack([flow[t][mask[t]].mean(0) for t in range(len(flow))])
    if direction.any():
        assert (steps @ direction > 1.2).all()
    else:
        assert (np.linalg.norm(steps, axis=1) < 1.2).all() and np.ptp(steps) > 0


# What could give the template away


@pytest.mark.parametrize("pair", [(PUSH_RIGHT, PULL_RIGHT), (PUSH_LEFT, PULL_LEFT)])
def test_pushing_and_pulling_differ_in_texture_only(pair):
    push, pull = (short_spec(template, 3) for template in pair)
    assert np.array_equal(moving_mask(push), moving_mask(pull))
    assert np.array_equal(true_flow(push), true_flow(pull))
    assert np.array_equal(draw_layers(push)[0], draw_layers(pull)[0])
    assert not np.array_equal(draw_layers(push)[1], draw_layers(pull)[1])


def test_opposite_directions_differ_in_motion_only():
    groups = [(PUSH_RIGHT, PULL_LEFT), (PULL_RIGHT, PUSH_LEFT)]
    groups.append(("Moving something up", "Moving something down", "Holding something"))
    for group in groups:
        layers = [draw_layers(clip_spec(template, 3)) for template in group]
        for background, pair in layers[1:]:
            assert np.array_equal(background, layers[0][0]) and np.array_equal(pair, layers[0][1])


def test_a_neighbour_changes_the_background_only():
    for seed in range(6):
        templates = ("Holding something", "Holding something next to something")
        alone, beside = (draw_layers(clip_spec(template, seed)) for template in templates)
        assert np.array_equal(alone[1], beside[1])
        in_frame = (slice(MARGIN, -MARGIN),) * 2
        changed = cv2.absdiff(alone[0], beside[0])[in_frame].any(-1)
        assert changed.sum() > 1000  # px


def test_draws_do_not_depend_on_the_template():
    for seed in range(50):
        draws = [dataclasses.replace(clip_spec(template, seed), template=PUSH_LEFT) for template in ACTIONS]
        assert len(set(draws)) == 1


def test_held_things_are_where_moved_things_pass():
    seeds = range(600)
    held = np.array([_path(clip_spec("Holding something", seed))[0] for seed in seeds])
    for template in ("Moving something up", "Moving something down"):
        passed = np.concatenate([_path(clip_spec(template, seed)) for seed in seeds])
        shares = np.linspace(0.1, 0.9, 5)
        assert np.abs(np.quantile(held, shares, axis=0) - np.quantile(passed, shares, axis=0)).max() < 10
