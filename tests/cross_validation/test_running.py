"""Cross-validation: no group on both sides, resume, what is refused, and flipped labels that it finds."""

import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import TINY_NAMES
from small_networks import use_small_networks

from src.config import TrainConfig
from src.cross_validation import cross_validate, running
from src.inputs import read_clips
from src.store import manifest_digest
from src.training import Run, fitting, start_run, train_temporal

CONFIG = TrainConfig(
    crop_size=32, temporal_crop_size=32, batch_size=8, spatial_weights="compact", spatial_steps=2, temporal_steps=2,
    test_crops=1,
)  # fmt: skip


@pytest.fixture
def data(tiny_store):
    """(clips, store, class names), two clips in a group."""
    clips, store, names = read_clips(tiny_store[0])
    return clips.assign(group=[f"g{number // 2}" for number in range(len(clips))]), store, names


def start(root, data, config=CONFIG, **notes):
    clips, store, names = data
    run = start_run("mine", store.root, manifest_digest(clips), store.config, config, names, root=root)
    run.record_facts(**notes)
    return run


@pytest.fixture
def fitted(monkeypatch):
    """The training groups of each fit, which is left out: scores tell the label, that of the temporal stream half."""
    seen = []

    def score_split(part, spatial, temporal, clips, store, names, config, split):
        rows = clips[clips.split == split]
        right = np.eye(len(names), dtype=np.float32)[rows.class_index]
        scores = {"spatial": right, "temporal": np.full_like(right, 1 / 3), "fused": right / 2 + 1 / 6}
        part.write_scores(split, rows, scores, "any")
        return scores

    def train(part, clips, *rest):
        seen.append(set(clips.group[clips.split == "train"]))
        assert not seen[-1] & set(clips.group[clips.split == "test"])
        return None, None

    monkeypatch.setattr(running, "train_spatial", train)
    monkeypatch.setattr(running, "train_temporal", train)
    monkeypatch.setattr(running, "score_split", score_split)
    return seen


@pytest.mark.parametrize(("folds", "count"), [(2, 2), (4, 4), ("groups", 12)])
def test_each_clip_is_scored_once_in_its_place(data, tmp_path, fitted, folds, count):
    data = data[0].assign(label="one", class_index=0) if folds == "groups" else data[0], *data[1:]
    start(tmp_path, data)
    found = cross_validate("mine", *data, CONFIG, folds, tmp_path)
    clips = data[0]
    pd.testing.assert_frame_equal(found.clips, clips)
    assert (found.scores["spatial"].argmax(axis=1) == clips.class_index).all()
    assert np.unique(found.folds).tolist() == list(range(1, count + 1))
    assert pd.Series(found.folds).groupby(clips.group).nunique().eq(1).all()
    assert len(fitted) == 2 * count
    parts = {path.name for path in (tmp_path / "mine" / "folds").iterdir()}
    assert parts == {f"{number}-of-{count}" for number in range(1, count + 1)}
    metrics = Run.read(tmp_path / "mine" / "folds" / f"1-of-{count}").folder / "metrics.json"
    assert '"majority_class"' in metrics.read_text()


def test_table_of_all_clips(data, tmp_path, fitted):
    start(tmp_path, data)
    table = cross_validate("mine", *data, CONFIG, 4, tmp_path).accuracy_table()
    assert table.index.tolist() == ["spatial", "temporal", "fused"] and (table.n == 24).all()
    assert table.loc["spatial", ["top1", "high", "balanced"]].tolist() == [1, 1, 1]
    assert table.low["spatial"] == pytest.approx(0.025 ** (1 / 12))  # all right: n is the number of groups
    assert table.top1["temporal"] == pytest.approx(1 / 3)


def test_an_interrupted_call_reads_what_is_done(data, tmp_path, fitted, monkeypatch, capsys):
    run = start(tmp_path, data, spatial_seconds=20.0, temporal_seconds=100.0)
    for stream in ("spatial", "temporal"):
        (run.folder / f"{stream}.keras").write_bytes(bytes(500_000))
    score = running.score_split

    def interrupted(part, *rest):
        if part.folder.name == "3-of-4":
            raise KeyboardInterrupt
        return score(part, *rest)

    monkeypatch.setattr(running, "score_split", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cross_validate("mine", *data, CONFIG, 4, tmp_path)
    said = capsys.readouterr().out
    assert "4 folds, 0 of them done" in said and "8 min (4 × 2 min, as this run's own fits took), and 4 MB" in said
    monkeypatch.setattr(running, "score_split", score)
    before = len(fitted)
    found = cross_validate("mine", *data, CONFIG, 4, tmp_path)
    assert len(fitted) == before + 2 * 2
    assert "2 of them done" in capsys.readouterr().out
    again = cross_validate("mine", *data, CONFIG, 4, tmp_path)
    assert len(fitted) == before + 2 * 2
    assert "4 folds, 4 of them done, in" in capsys.readouterr().out
    np.testing.assert_equal(again.scores, found.scores)


def test_other_folds_and_the_first_ones_stand_beside_each_other(data, tmp_path, fitted, capsys):
    start(tmp_path, data)
    for folds in (2, 4, 2):
        cross_validate("mine", *data, CONFIG, folds, tmp_path)
    assert len(fitted) == 2 * (2 + 4)
    assert "takes as long as fitting both streams of this run" in capsys.readouterr().out


def test_what_cannot_be_divided_is_refused_before_a_fit(data, tmp_path, fitted):
    clips, store, names = data
    start(tmp_path, data)
    with pytest.raises(ValueError, match=r"at most the number of groups \(12\)"):
        cross_validate("mine", *data, CONFIG, 13, tmp_path)
    one = clips.assign(group=clips.group.where(clips.class_index > 0, "all"))
    with pytest.raises(ValueError, match="Every class must have training clips in every fold. None: 'Holding"):
        cross_validate("mine", one, store, names, CONFIG, 3, tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        cross_validate("other", *data, CONFIG, 3, tmp_path)
    assert not fitted


@pytest.mark.parametrize("name", ["spatial_weights", "temporal_weights"])
def test_weights_that_have_seen_the_clips_are_refused(data, tmp_path, fitted, name):
    source = start(tmp_path, data).folder
    config = TrainConfig(**{name: str(source)})
    with pytest.raises(ValueError, match=f"{name}='.*no stream may start from a run that was trained on clips of"):
        cross_validate("mine", *data, config, 3, tmp_path)
    assert not fitted


@pytest.mark.parametrize("way", ["it started from a run", "it also learned"])
def test_weights_that_have_seen_the_clips_in_another_way_are_refused(data, tmp_path, fitted, way):
    start(tmp_path, data)
    source = start_run("other", "elsewhere", "0123456789ab", data[1].config, CONFIG, data[2], root=tmp_path)
    config = TrainConfig(temporal_weights=str(source.folder))
    assert len(cross_validate("mine", *data, config, 2, tmp_path).scores) == 3
    seen = {"also": {"data": str(data[1].root), "manifest_digest": "0123456789ab"}}
    if way == "it started from a run":
        seen = {"temporal_network": {"run": str(tmp_path / "mine")}}
    source.record_facts(**seen)
    with pytest.raises(ValueError, match="temporal_weights='.*no stream may start from a run that was trained on"):
        cross_validate("mine", *data, config, 2, tmp_path)


def test_another_data_set_with_clips_that_are_tested_is_refused_before_a_fit(data, tmp_path, fitted):
    start(tmp_path, data)
    config = TrainConfig(also=str(data[1].root))
    with pytest.raises(ValueError, match="also='.*no training video may be one that this run validates or tests with"):
        cross_validate("mine", *data, config, 2, tmp_path)
    assert not fitted


@pytest.mark.slow
def test_interrupted_fits_end_as_uninterrupted_ones(data, tmp_path, monkeypatch):
    use_small_networks(monkeypatch)
    monkeypatch.setattr(fitting, "ROUNDS", 2)
    run = start(tmp_path, data)
    own, _ = train_temporal(run, *data, CONFIG)
    inputs = np.full((1, *own.input.shape[1:]), 128, np.uint8)
    before = own.predict_on_batch(inputs)
    expected = cross_validate("mine", *data, CONFIG, 2, tmp_path)
    np.testing.assert_array_equal(own.predict_on_batch(inputs), before)
    assert Run.read(run.folder).record["notes"]["temporal_seconds"] > 0

    def interrupted(part, *rest):
        if part.folder.name == "2-of-2":
            raise KeyboardInterrupt
        return train_temporal(part, *rest)

    first = run.folder / "folds" / "1-of-2"
    shutil.rmtree(run.folder / "folds" / "2-of-2")
    monkeypatch.setattr(running, "train_temporal", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cross_validate("mine", *data, CONFIG, 2, tmp_path)
    monkeypatch.setattr(running, "train_temporal", train_temporal)
    np.testing.assert_equal(cross_validate("mine", *data, CONFIG, 2, tmp_path).scores, expected.scores)
    files = {path.name for path in first.iterdir()}
    assert {"config.json", "spatial.keras", "temporal.keras", "scores_test.npz", "metrics.json"} <= files


@pytest.mark.slow
def test_flipped_labels_are_found(data, tmp_path, monkeypatch):
    """Four of the labels of clips that move left, move right or stay are wrong; networks see the motion."""
    use_small_networks(monkeypatch)
    monkeypatch.setattr(fitting, "ROUNDS", 2)
    clips, store, names = data
    clips = clips.assign(group=clips.video_id)
    flipped = np.random.default_rng(0).choice(len(clips), 4, replace=False)
    index = clips.class_index.to_numpy().copy()
    index[flipped] = (index[flipped] + 1) % 3
    clips = clips.assign(class_index=index, label=[TINY_NAMES[number] for number in index])
    config = TrainConfig(**CONFIG.to_dict() | {"temporal_steps": 60, "augment": False})
    start(tmp_path, (clips, store, names), config)
    found = cross_validate("mine", clips, store, names, config, 3, tmp_path)
    errors = found.label_errors(names)
    assert len(set(errors.row[:6]) & set(flipped)) >= 3
    assert errors.video_id.tolist() == clips.video_id.iloc[errors.row].tolist()
