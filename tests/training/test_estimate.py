"""The time that a training will take is told before it starts, and changes nothing."""

import itertools
import shutil

import pytest
from small_networks import save_backbone
from test_streams import (  # noqa: F401
    CONFIG,
    TRAIN,
    assert_equal_weights,
    data,
    interrupt,
    make_run,
    small_networks,
    whole,
)

from src.config import TrainConfig
from src.training import estimate
from src.training.estimate import estimate_training


@pytest.fixture
def clock(monkeypatch):
    """The first step of a network takes 60 s, the next two 2 s each: 60, 62, 64, then 124, …"""
    times = itertools.accumulate(itertools.cycle([60, 2, 2]))
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(times))


def test_steps_and_minutes_are_told_before_the_fit_which_stays_the_same(clock, data, whole, tmp_path):  # noqa: F811
    """Four steps of 2 s, and after each of two rounds validation, two batches of a third of a step: 10.7 s."""
    run = make_run(tmp_path, "estimated")
    text = estimate_training(run, *data, CONFIG)
    assert text == "\n".join(f"The {stream} stream: 4 steps of 2.00 s: about 11 s." for stream in TRAIN)
    assert {path.name for path in run.folder.iterdir()} == {"config.json"}
    for stream, train in TRAIN.items():
        model, history = train(run, *data, CONFIG)
        assert_equal_weights(model, whole[stream][1])
        assert history.equals(whole[stream][2])
    assert estimate_training(run, *data, CONFIG).count("is finished") == 2


def test_what_an_interrupted_training_has_left_is_told(clock, data, tmp_path, monkeypatch):  # noqa: F811
    run = make_run(tmp_path, "interrupted")
    with monkeypatch.context() as patch:
        interrupt(patch, epoch=1)
        with pytest.raises(KeyboardInterrupt):
            TRAIN["temporal"](run, *data, CONFIG)
    assert "The temporal stream: 2 more steps of 2.00 s: about 5 s." in estimate_training(run, *data, CONFIG)


def test_features_are_measured_on_a_few_clips_and_kept(clock, data, tmp_path):  # noqa: F811
    clips, store, names = data
    shutil.rmtree(store.root / "features", ignore_errors=True)  # of other tests, with the same backbone
    options = {"spatial_weights": str(save_backbone(tmp_path)), "fine_tune_steps": 4, "temporal_steps": 4}
    config = TrainConfig(crop_size=32, temporal_crop_size=32, batch_size=5, consensus="average", **options)
    text = estimate_training(make_run(tmp_path, "frozen", config), *data, config).splitlines()[0]
    assert text == (
        "The spatial stream: features of the frames of 9 clips, 2.00 s each, and a head, then 4 steps of 2.00 s: "
        "about 29 s."
    )
    folders = [folder for folder in (store.root / "features").iterdir() if len(list(folder.glob("*.npy"))) == 3]
    assert folders
