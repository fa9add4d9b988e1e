"""Short trainings on the tiny store: what they leave, that they resume exactly, and that they are reproducible."""

import dataclasses
import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, open_files
from scipy.special import softmax
from small_networks import save_backbone, use_small_networks

from src.config import TrainConfig
from src.evaluation import predict_scores
from src.inputs import EvaluationBatches, ValidationBatches, read_clips
from src.store import ClipStore
from src.training import callbacks, compiling, fitting, networks, streams
from src.training.runs import Run, start_run
from src.training.saving import save_two_stream
from src.training.streams import train_spatial, train_temporal

FOLDER = Path(__file__).parent
CONFIG = TrainConfig(
    crop_size=32, temporal_crop_size=32, batch_size=5, spatial_weights="compact", spatial_steps=4, temporal_steps=4,
    fine_tune_steps=4, consensus="average",
)  # fmt: skip
ROUNDS = 2  # instead of 12
COLUMNS = {"step", "phase", "loss", "accuracy", "val_loss", "val_accuracy"}
TRAIN = {"spatial": train_spatial, "temporal": train_temporal}


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        use_small_networks(patch)
        patch.setattr(fitting, "ROUNDS", ROUNDS)
        yield


@pytest.fixture(scope="module")
def data(tiny_store):
    return read_clips(tiny_store[0])


def make_run(root, name, config=CONFIG) -> Run:
    return start_run(name, "tiny", "digest", TINY_CONFIG, config, TINY_NAMES, root=root)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """stream → (run, model, history) of a training without interruption; and the clips that the temporal one read."""
    seen, read = set(), ClipStore.read_stack
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClipStore, "read_stack", lambda self, *where: seen.add(where[0]) or read(self, *where))
        run = make_run(tmp_path_factory.mktemp("runs"), "whole")
        return {stream: (run, *train(run, *data, CONFIG)) for stream, train in TRAIN.items()} | {"read": seen}


def names_of(run):
    return {path.name for path in run.folder.iterdir() if path.is_file()}


def assert_equal_weights(model, other):
    for weight, expected in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def assert_same_training(found, expected):
    """(model, history) of two trainings."""
    pd.testing.assert_frame_equal(found[1], expected[1], check_exact=True)
    assert_equal_weights(found[0], expected[0])


def never(*arguments, **named):
    raise AssertionError("must not be called")


def interrupt(monkeypatch, *, epoch):
    """Raises KeyboardInterrupt at the start of a round."""
    begin = callbacks.StartRound.on_epoch_begin

    def interrupted(callback, number, logs=None):
        if number == epoch:
            raise KeyboardInterrupt
        begin(callback, number, logs)

    monkeypatch.setattr(callbacks.StartRound, "on_epoch_begin", interrupted)


KILL = """read = TrainingBatches.__getitem__
        def killed(batches, index):
            if (batches.epoch, index) == (1, 1):
                os.kill(os.getpid(), signal.SIGKILL)
            return read(batches, index)
        TrainingBatches.__getitem__ = killed"""  # in the second round


def start_script(stream, root, data, config, before=""):
    """Starts a training in another process."""
    script = f"""
        import os, signal, sys
        sys.path[:0] = {[str(FOLDER.parents[1]), str(FOLDER.parent), str(FOLDER)]}
        import pytest
        from src.inputs import TrainingBatches
        from test_streams import TRAIN, TrainConfig, make_run, read_clips, use_small_networks

        from src.training import fitting
        use_small_networks(pytest.MonkeyPatch())
        fitting.ROUNDS = {ROUNDS}
        {before}
        config = TrainConfig(**{config.to_dict()!r})
        print("ready", flush=True)
        TRAIN[{stream!r}](make_run({str(root)!r}, "killed", config), *read_clips({str(data[1].root)!r}), config)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("stream", TRAIN)
def test_what_training_leaves(stream, whole):
    run, model, history = whole[stream]
    files = {"config.json"} | {f"history_{s}.csv" for s in TRAIN} | {f"{s}.keras" for s in TRAIN}
    assert names_of(run) == files
    assert set(history.columns) == COLUMNS and history.step.tolist() == [2, 4]
    assert set(history.phase) == {"all layers"} and np.isfinite(history.drop(columns="phase").to_numpy()).all()
    pd.testing.assert_frame_equal(pd.read_csv(run.folder / f"history_{stream}.csv"), history)
    assert json.loads((run.folder / "config.json").read_text())["notes"]["spatial_network"]["backbone"] == "compact"
    assert_equal_weights(keras.models.load_model(run.folder / f"{stream}.keras"), model)


def test_training_reads_no_test_clip(whole, data):
    """Defect 6."""
    clips = data[0]
    assert set(clips.split[clips.clip_name.isin(whole["read"])]) == {"train", "validation"}


def test_the_last_weights_are_returned(whole, data):
    """Defects 6 and 17: the loss is the mean over all 6 clips, not over batches of different sizes."""
    _, model, history = whole["temporal"]
    clips, store, names = data
    inputs, classes = ValidationBatches(clips, store, "temporal", names, dataclasses.replace(CONFIG, batch_size=99))[0]
    by_segment = np.stack([model.predict_on_batch(inputs[:, segment : segment + 1]) for segment in range(2)])
    scores = softmax(np.log(by_segment).mean(axis=0), axis=1)  # of the mean logits
    np.testing.assert_allclose(model.predict_on_batch(inputs), scores, rtol=1e-4)
    losses = -((0.9 * classes + 0.1 / 3) * np.log(scores)).sum(axis=1)
    assert losses.mean() == pytest.approx(history.val_loss.iloc[-1], rel=1e-4)


def test_a_finished_stream_is_loaded_and_not_trained(whole, data, monkeypatch):
    run, *expected = whole["spatial"]
    monkeypatch.setattr(keras.Model, "fit", never)
    assert_same_training(train_spatial(make_run(run.folder.parent, "whole"), *data, CONFIG), expected)


@pytest.mark.parametrize("stream", TRAIN)
def test_a_killed_training_resumes_to_the_same_numbers(stream, whole, data, tmp_path):
    """Killed (SIGKILL) in its second round; also: the same seed gives the same numbers in another process."""
    process = start_script(stream, tmp_path, data, CONFIG, KILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    run = make_run(tmp_path, "killed")
    assert len(pd.read_csv(run.folder / f"history_{stream}.csv")) == 1
    assert_same_training(TRAIN[stream](run, *data, CONFIG), whole[stream][1:])
    assert names_of(run) == {"config.json", f"history_{stream}.csv", f"{stream}.keras"}


@pytest.mark.slow
@pytest.mark.parametrize("stream", TRAIN)
def test_a_killed_training_of_a_stream_that_knows_the_order_resumes_and_its_file_gives_its_scores(
    stream, data, tmp_path
):
    config = dataclasses.replace(CONFIG, consensus="ordered", temporal_shift=True)
    process = start_script(stream, tmp_path, data, config, KILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    run, whole = make_run(tmp_path, "killed", config), make_run(tmp_path, "whole", config)
    model, history = TRAIN[stream](run, *data, config)
    assert_same_training((model, history), TRAIN[stream](whole, *data, config))
    clips, store, names = data
    scores, again = (
        predict_scores(which, clips, store, stream, "test", names, config)
        for which in (model, keras.models.load_model(run.folder / f"{stream}.keras"))
    )
    np.testing.assert_array_equal(scores, again)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("consensus", ["average", "ordered"])
def test_a_head_on_kept_features_gives_the_scores_of_its_network(consensus, pretrained, data, tmp_path, monkeypatch):
    """The logits of the fitted kernel from the kept features of a clip's centre crop, and from its frames."""
    config = dataclasses.replace(pretrained, fine_tune_steps=0, consensus=consensus, augment=False)
    fit, fitted = streams.fit_head, []
    monkeypatch.setattr(streams, "fit_head", lambda *given: fitted.append((given[0], fit(*given))) or fitted[0][1])
    clips, store, names = data
    model, _ = train_spatial(make_run(tmp_path, "head", config), *data, config)
    (features, (kernel, bias, _)), size = fitted[0], 4 if consensus == "average" else 8
    train = clips[clips.split == "train"]
    assert features.shape == (len(train), 1, size) and kernel.shape == (size, 3)
    inputs, _ = ValidationBatches(clips, store, "spatial", names, dataclasses.replace(config, batch_size=99), "train")[
        0
    ]
    assert inputs.shape[:2] == (len(train), 2)
    expected = softmax(features[:, 0] @ kernel + bias, axis=1)
    np.testing.assert_allclose(model.predict_on_batch(inputs), expected, atol=0.01)  # the features are kept in float16


def test_an_interrupted_training_in_float16_repeats_no_epoch(data, tmp_path, monkeypatch):
    """Its optimizer counts no step whose gradients overflow, so its step count does not tell the epochs done."""
    config = dataclasses.replace(CONFIG, precision="mixed_float16")
    expected = train_temporal(make_run(tmp_path, "whole", config), *data, config)
    with monkeypatch.context() as patch:
        interrupt(patch, epoch=1)
        with pytest.raises(KeyboardInterrupt):
            train_temporal(make_run(tmp_path, "interrupted", config), *data, config)
    assert_same_training(train_temporal(make_run(tmp_path, "interrupted", config), *data, config), expected)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return save_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="module")
def pretrained(backbone):
    return dataclasses.replace(CONFIG, spatial_weights=str(backbone))


@pytest.fixture(scope="module")
def pretrained_run(pretrained, data, tmp_path_factory):
    """(run, model, history) of a head and a last stage, without interruption; trainable layers by round."""
    trainable, begin = [], callbacks.StartRound.on_epoch_begin

    def watched(callback, epoch, logs=None):
        trainable.append({weight.path.split("/")[-2] for weight in callback.model.trainable_weights})
        begin(callback, epoch, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.StartRound, "on_epoch_begin", watched)
        run = make_run(tmp_path_factory.mktemp("runs"), "whole", pretrained)
        return run, *train_spatial(run, *data, pretrained), trainable


def test_a_pretrained_backbone_is_trained_in_two_phases(pretrained_run, backbone):
    """Defect 19: head, then last stage, and never the batch norm."""
    run, model, history, trainable = pretrained_run
    assert trainable == [{"scores", "conv2"}] * 2
    assert history.phase.tolist() == ["last stage"] * 2 and history.step.tolist() == [2, 4]
    assert run.record["notes"]["spatial_head"]["uniform_log_loss"] == pytest.approx(np.log(3), abs=1e-4)
    trained, saved = model.get_layer("body").get_layer("backbone"), keras.models.load_model(backbone)
    for name in ("conv1", "norm1", "norm2"):
        assert_equal_weights(trained.get_layer(name), saved.get_layer(name))
    assert names_of(run) == {"config.json", "history_spatial.csv", "spatial.keras"}


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_interrupted_phase_resumes_to_the_same_numbers(
    epoch, pretrained, pretrained_run, data, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        interrupt(patch, epoch=epoch)
        with pytest.raises(KeyboardInterrupt) as held:  # as a notebook holds the last error, and what it refers to
            train_spatial(make_run(tmp_path, "interrupted", pretrained), *data, pretrained)
        assert not open_files(tmp_path), held
    monkeypatch.setattr(networks, "resolve_weights", never)  # the run has recorded its backbone
    run = make_run(tmp_path, "interrupted", pretrained)
    assert_same_training(train_spatial(run, *data, pretrained), pretrained_run[1:3])
    assert names_of(run) == {"config.json", "history_spatial.csv", "spatial.keras"}


@pytest.mark.slow
def test_a_training_that_is_killed_several_times_ends_with_the_same_weights(pretrained, pretrained_run, data, tmp_path):
    """SIGKILL ever later after the start, until one comes too late: some moments lie in a fit on any machine."""
    killed, seconds = 0, 0.1
    while True:
        process = start_script("spatial", tmp_path, data, pretrained)
        assert process.stdout.readline() == b"ready\n"
        try:
            process.communicate(timeout=seconds)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed, seconds = killed + 1, 2 * seconds
    assert killed and process.returncode == 0
    run = make_run(tmp_path, "killed", pretrained)
    assert_same_training(train_spatial(run, *data, pretrained), pretrained_run[1:3])
    assert names_of(run) == {"config.json", "history_spatial.csv", "spatial.keras"}


def test_without_steps_for_it_the_last_stage_stays_as_loaded(pretrained, backbone, data, tmp_path):
    """The head is fitted, and a second call loads it."""
    config = dataclasses.replace(pretrained, fine_tune_steps=0)
    run = make_run(tmp_path, "head only", config)
    model, history = train_spatial(run, *data, config)
    assert not len(history) and model.get_layer("head").get_weights()[0].any()
    assert_equal_weights(model.get_layer("body").get_layer("backbone"), keras.models.load_model(backbone))
    assert_same_training(train_spatial(run, *data, config), (model, history))


def test_the_head_is_fitted_to_the_training_clips_by_group(pretrained, data, tmp_path, monkeypatch):
    """Defect 6; and groups decide how far its scores are to be trusted elsewhere."""
    (clips, store, names), asked, fit = data, [], streams.fit_head
    clips = clips.assign(group=[f"scene {number % 5}" for number in range(len(clips))])
    monkeypatch.setattr(streams, "fit_head", lambda *given: asked.append(given) or fit(*given))
    config, train = dataclasses.replace(pretrained, fine_tune_steps=0), clips[clips.split == "train"]
    train_spatial(make_run(tmp_path, "head", config), clips, store, names, config)
    features, classes, groups, num_classes, num_features = asked[0]
    assert groups.tolist() == train.group.tolist() and num_classes == 3 and len(features) == 12
    assert features.shape[-1] == num_features * (2 if config.consensus == "ordered" else 1)  # two segments, two scales
    assert (classes[:, 0] == train.class_index).all()


def test_without_given_steps_their_number_comes_from_the_training_clips(data, tmp_path, monkeypatch):
    """Of the 12 training clips one class keeps one, so 9 are left. Eight inputs of each, two a step in batches of 5
    clips, are 7.2 steps, so 8, in two rounds. They are recorded: a resumed run keeps them under another rule."""
    monkeypatch.setattr(compiling, "LEAST_STEPS", 1)
    monkeypatch.setattr(compiling, "INPUTS_OF_CLIP", 8)
    config, clips = dataclasses.replace(CONFIG, temporal_steps=None), data[0]
    few = clips.drop(clips.index[(clips.split == "train") & (clips.class_index == 1)][1:])
    run = make_run(tmp_path, "chosen", config)
    _, history = train_temporal(run, few, *data[1:], config)
    assert history.step.tolist() == [4, 8] and run.record["notes"]["temporal_steps"] == {"steps": 8, "clips": 9}
    monkeypatch.setattr(compiling, "INPUTS_OF_CLIP", 80)
    (run.folder / "temporal.keras").unlink()
    assert train_temporal(run, few, *data[1:], config)[1].step.tolist() == [4, 8]


def test_a_diverged_training_is_refused(data, tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "measure_flow_scale", lambda *_: np.nan)
    with pytest.raises(ValueError, match="temporal stream diverged.*Lower its learning rate"):
        train_temporal(make_run(tmp_path, "diverged"), *data, CONFIG)


def test_both_streams_are_saved_as_one_model(whole, data):
    clips, store, _ = data
    run, spatial, _ = whole["spatial"]
    temporal = whole["temporal"][1]
    before = names_of(run)
    two_stream = save_two_stream(run, spatial, temporal)
    assert names_of(run) == before | {"two_stream.keras"}
    (run.folder / "two_stream.keras").unlink()
    frames, stacks = (EvaluationBatches(clips, store, stream, "test", 3, CONFIG)[0][0] for stream in TRAIN)
    fused = np.asarray(two_stream.predict_on_batch({"frame": frames, "flow": stacks}))
    expected = (spatial.predict_on_batch(frames) + temporal.predict_on_batch(stacks)) / 2
    np.testing.assert_allclose(fused, expected, atol=1e-6)


def test_cross_modality_initialisation_trains_all_layers_and_one_batch_norm(backbone, data, tmp_path):
    """TSN's partial batch norm: only the first one updates its statistics."""
    config = dataclasses.replace(CONFIG, temporal_weights=str(backbone), fine_tune_learning_rate=1e-2, temporal_steps=3)
    run = make_run(tmp_path, "cross", config)
    model, history = train_temporal(run, *data, config)
    trained, saved = model.get_layer("body").get_layer("backbone"), keras.models.load_model(backbone)
    assert history.step.iloc[-1] == 4 and run.record["notes"]["temporal_network"]["backbone"] == str(backbone)
    assert_equal_weights(trained.get_layer("norm2"), saved.get_layer("norm2"))
    for name in ("conv2", "norm1"):
        pairs = zip(trained.get_layer(name).get_weights(), saved.get_layer(name).get_weights(), strict=True)
        assert not any(np.array_equal(*pair) for pair in pairs)


def test_another_flow_input_length_and_crop_size_train(data, tmp_path):
    config = dataclasses.replace(
        CONFIG, temporal_steps=1, flow_length=2, flow_input="bidirectional", temporal_crop_size=40, augment=False
    )
    model, history = train_temporal(make_run(tmp_path, "input", config), *data, config)
    assert model.input_shape[1:] == (None, 40, 40, 4) and np.isfinite(history.val_loss).all()
