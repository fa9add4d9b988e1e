"""The temporal network of a run: the scale of its input, and that evaluation sees the network that was trained."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from models import leaf_layers
from models.backbones import imagenet_rms
from models.temporal_shift import TemporalShift
from src.config import ClipConfig, TrainConfig
from src.inputs import ValidationBatches
from src.store import Clip, ClipStore
from src.training import fitting, start_run, train_temporal
from src.training.networks import build_spatial, build_temporal

SIDE = 32
CLIPS = ClipConfig(short_side=SIDE, num_segments=1, flow_length=2, flow_bound=20)
CONFIG = TrainConfig(temporal_crop_size=SIDE, temporal_steps=32, batch_size=8, consensus="average")
CLASSES = ["moving right", "moving down", "moving left", "moving up"]


def write_store(root, config, clips):
    """(clips, store) of (split, class index, stacks)."""
    store, rows = ClipStore(root, config), []
    store.prepare()
    staging = store.make_staging()
    for number, (split, label, stacks) in enumerate(clips):
        frames = np.zeros((config.num_segments, SIDE, SIDE, 3), np.uint8)
        store.write(f"{number}-x", Clip(frames, np.asarray(stacks, np.uint8), []), "x", staging)
        rows.append((f"{number}-x", label, split))
    return pd.DataFrame(rows, columns=["clip_name", "class_index", "split"]), store


@pytest.mark.parametrize("subtract_mean", [False, True])
@pytest.mark.parametrize("weights, square", [("scratch", (60**2 + 20**2) / 4), ("compact", (30**2 + 10**2) / 2)])
def test_the_scale_is_measured_on_the_middle_segments_of_training_clips(weights, square, subtract_mean, tmp_path):
    """By hand: u is 60 and -20 codes everywhere, v is 0; 127 codes are the bound. A pan minus its mean is still. Cross-
    modality initialisation depends on the mean of u and v, 30 and -10, and takes it to the scale of images."""
    config = dataclasses.replace(CLIPS, num_segments=3)
    motion = {"train": [(0, 60, 120), (90, -20, 0)], "validation": [(0, 120, 0)], "test": [(120, 120, 120)]}
    clips = [
        (split, 0, [np.full((SIDE, SIDE, 4), (128 + u, 128, 128 + u, 128)) for u in segments])
        for split, of_clips in motion.items()
        for segments in of_clips
    ]
    train = dataclasses.replace(CONFIG, subtract_mean=subtract_mean, temporal_weights=weights)
    run = start_run("run", "made", "digest", config, train, CLASSES, root=tmp_path / "runs")
    model, _ = build_temporal(run, *write_store(tmp_path / "store", config, clips), CLASSES, train)
    name, images = ("unit_scale", 1) if weights == "scratch" else ("flow_scale", imagenet_rms("tf"))
    expected = 1 if subtract_mean else 127 / square**0.5
    assert model.get_layer("body").get_layer(name).scale == pytest.approx(expected * images, rel=0.01)


def test_the_fields_of_the_configuration_reach_the_networks(tmp_path):
    config = dataclasses.replace(CONFIG, dropout=0.3, crop_size=48, spatial_weights="compact")
    run = start_run("run", "made", "digest", CLIPS, config, CLASSES, root=tmp_path / "runs")
    data = *write_store(tmp_path / "store", CLIPS, [("train", 0, np.full((1, SIDE, SIDE, 4), 130))]), CLASSES
    spatial, pretrained = build_spatial(run, *data[1:], config)
    assert (spatial.input_shape, spatial.output_shape, pretrained) == ((None, None, 48, 48, 3), (None, 4), False)
    networks = {"spatial": spatial}
    for weights, network, first, rate in (
        ("scratch", "small", 32, config.temporal_learning_rate),
        ("scratch", "cnn_m", 96, config.temporal_learning_rate),
        ("compact", "small", 32, config.temporal_learning_rate),
    ):
        config = dataclasses.replace(config, temporal_weights=weights, temporal_network=network)
        model, found = build_temporal(run, *data, config)
        convolutions = (layer for layer in leaf_layers(model) if isinstance(layer, keras.layers.Conv2D))
        assert (next(convolutions).filters, found) == (first, rate) and model.input_shape == (None, None, SIDE, SIDE, 4)
        networks[weights, network] = model
    rates = {name: model.get_layer("head").get_layer("dropout").rate for name, model in networks.items()}
    assert rates == dict.fromkeys(networks, 0.3)


@pytest.mark.parametrize("weights", ["scratch", "compact"])
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("consensus", ["average", "ordered"])
def test_consensus_and_shift_reach_both_streams(tmp_path, consensus, shift, weights):
    """A network that knows the order is built for the segments of the store; the plain one takes any number."""
    clips = dataclasses.replace(CLIPS, num_segments=3)
    options = {"spatial_weights": "compact", "temporal_weights": weights, "crop_size": SIDE}
    config = dataclasses.replace(CONFIG, consensus=consensus, temporal_shift=shift, **options)
    run = start_run("run", "made", "digest", clips, config, CLASSES, root=tmp_path / "runs")
    data = *write_store(tmp_path / "store", clips, [("train", 0, np.full((3, SIDE, SIDE, 4), 130))]), CLASSES
    for model in (build_spatial(run, *data[1:], config)[0], build_temporal(run, *data, config)[0]):
        assert model.input_shape[1] == (3 if consensus == "ordered" or shift else None)
        assert model.get_layer("head").get_layer("consensus").kind == consensus
        shifts = [layer.num_segments for layer in leaf_layers(model) if isinstance(layer, TemporalShift)]
        assert shifts == [3] * len(shifts) and bool(shifts) == shift


def make_stack(generator, label):
    """Quantized flow of a soft patch of 2 px/frame on a still background, with noise of 0.2 px/frame: RMS 0.03.

    Its direction is 35° (standard deviation) around that of its class, so that some clips look like another class.
    """
    angle = np.pi / 2 * label + np.radians(generator.normal(0, 35))
    y, x = np.mgrid[:SIDE, :SIDE] - generator.uniform(8, 24, (2, 1, 1))
    patch = 2 * np.exp(-(x**2 + y**2) / (2 * 4**2))[..., None] * (np.cos(angle), np.sin(angle))
    flow = np.tile(patch, CLIPS.flow_length) + generator.normal(0, 0.2, (SIDE, SIDE, CLIPS.stack_channels))
    return np.round(flow * 127 / CLIPS.flow_bound) + 128


@pytest.fixture(scope="module")
def moving_patches(tmp_path_factory):
    """(clips, store, class names): 64 clips to train and 64 to validate."""
    generator = np.random.default_rng(0)
    clips = [(split, n % 4, make_stack(generator, n % 4)[None]) for split in ("train", "validation") for n in range(64)]
    return *write_store(tmp_path_factory.mktemp("store"), CLIPS, clips), CLASSES


@pytest.mark.parametrize("name", ["text.keras", "text.h5", "folder"])
def test_a_file_that_is_no_network_is_an_error_before_the_first_stream(name, tmp_path):
    path = tmp_path / name
    path.mkdir() if name == "folder" else path.write_text("no network")
    config = dataclasses.replace(CONFIG, spatial_weights="compact", temporal_weights=str(path))
    run = start_run("run", "made", "digest", CLIPS, config, CLASSES, root=tmp_path / "runs")
    with pytest.raises(ValueError, match=f"{name}: temporal_weights must be a saved Keras model.*cannot be read"):
        build_spatial(run, ClipStore(tmp_path / "store", CLIPS), CLASSES, config)


@pytest.mark.parametrize("network", ["small", pytest.param("cnn_m", marks=pytest.mark.slow)])
def test_evaluation_does_not_lag_behind_training_after_a_short_fit(network, moving_patches, tmp_path, monkeypatch):
    """Batch norm trains with the statistics of a batch and evaluates with moving ones, which start at mean 0 and
    variance 1. If they are far from those of the batches at the end, the network that is scored is not the one that was
    trained, and a short fit looks as if it had learned nothing. Flow is small beside 1 (here, and on real clips, an RMS
    of 0.03): without `unit_scale`, and with Keras's momentum of 0.99, these networks have an accuracy of 0.25 to 0.56
    and a loss of 1.3 to 1.4 in evaluation, 0.75 to 0.83 and 0.5 to 0.7 with the statistics of the batch.
    """
    monkeypatch.setattr(fitting, "ROUNDS", 2)
    config = dataclasses.replace(CONFIG, temporal_network=network)
    clips, store, names = moving_patches
    run = start_run(network, "made", "digest", CLIPS, config, names, root=tmp_path)
    model, _ = train_temporal(run, *moving_patches, config)
    batches = ValidationBatches(clips, store, "temporal", names, dataclasses.replace(config, batch_size=64))
    inputs, classes = batches[0]
    model.get_layer("head").get_layer("dropout").rate = 0  # so that the two modes differ in batch norm alone
    found = {}
    for training in (False, True):  # in this order: training mode moves the statistics
        scores = keras.ops.convert_to_numpy(model(inputs, training=training))
        right = scores.argmax(axis=1) == classes.argmax(axis=1)
        found[training] = right.mean(), -np.log((scores * classes).sum(axis=1)).mean()
    (accuracy, loss), (with_batch, loss_with_batch) = found[False], found[True]
    assert 0.6 < with_batch < 0.95  # it has learned, and the two could differ
    assert abs(accuracy - with_batch) < 0.08 and abs(loss - loss_with_batch) < 0.1
