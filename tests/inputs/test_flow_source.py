"""`flow_source="layer"` from video to scores: the store holds grey frames, the temporal network computes flow."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG, moving_texture, prepare, write_video
from scipy.special import softmax

from models import build_finetuned_resnet, build_temporal_cnn, build_two_stream, takes_frames
from src.config import ClipConfig, TrainConfig
from src.evaluation import predict_scores, probe_streams
from src.flow import dequantize_flow, mean_flow
from src.inference import predict_stream, predict_video
from src.inputs.batches import EvaluationBatches, TrainingBatches
from src.inputs.data_set import read_clips
from src.inputs.examples import read_draws, read_examples
from src.inputs.stream_inputs import StreamInputs
from src.preprocessing import check_store, extract_clip, find_example
from src.store import ClipStore, manifest_digest
from src.store.encoding import encode_clip
from src.training import start_run, train_temporal
from src.training.networks import build_temporal
from src.video import read_segments
from src.video.crops import crop_window, scored_crops

LAYER_CONFIG = dataclasses.replace(TINY_CONFIG, flow_source="layer")
SIZE = 32
FIELD_PROBES = ["fields reversed", "fields shuffled", "one field"]
CONFIG = TrainConfig(
    crop_size=SIZE, temporal_crop_size=SIZE, batch_size=4, temporal_steps=4, test_crops=1, consensus="average"
)  # fmt: skip


@pytest.fixture(scope="module")
def frames_store(tiny_store, tmp_path_factory):
    """(clips, store, class names): the clips of `tiny_store`, with grey frames instead of flow."""
    root = tmp_path_factory.mktemp("frames") / "tiny"
    report = prepare(tiny_store[1], root, LAYER_CONFIG)
    assert report.computed == len(tiny_store[1])
    return read_clips(root)


@pytest.fixture
def run(frames_store, tmp_path, monkeypatch):
    """A new run, whose temporal network is small."""
    monkeypatch.setattr("models.temporal_cnn._CONVOLUTIONS", {"small": (("conv1", 16, 7, 2, True),)})
    clips, store, names = frames_store
    return start_run("run", store.root, manifest_digest(clips), store.config, CONFIG, names, root=tmp_path)


@pytest.fixture(scope="module")
def two_stream(frames_store):
    """Both streams with random weights; the temporal one computes flow."""
    _, store, names = frames_store
    keras.utils.set_random_seed(0)
    spatial = build_finetuned_resnet(len(names), SIZE, None, "compact")
    bound = StreamInputs(store, "temporal", CONFIG).frames_bound
    return build_two_stream(spatial, build_temporal_cnn(len(names), SIZE, LAYER_CONFIG.flow_length, frames_bound=bound))


def write_clip(path, config, root):
    """(store, clip) of one video."""
    store, clip = ClipStore(root, config), extract_clip(path, config)
    store.prepare()
    store.write("clip", clip, "digest", store.make_staging())
    return store, clip


@pytest.mark.parametrize("num_segments, num_frames", [(1, 40), (3, 40), (3, 24), (2, 12), (5, 14)])
def test_a_segment_holds_its_window_and_the_frames_around(num_segments, num_frames, tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(num_frames, 2, 1, 48, 64))
    config = ClipConfig(short_side=48, num_segments=num_segments, flow_length=10, flow_source="layer")
    clip, with_flow = extract_clip(path, config), extract_clip(path, dataclasses.replace(config, flow_source="store"))
    assert clip.indices == with_flow.indices and clip.stacks is None
    np.testing.assert_array_equal(clip.frames, with_flow.frames)
    for segment, window in zip(clip.segments, clip.indices, strict=True):
        assert segment == tuple(range(segment[0], segment[0] + min(21, num_frames)))
        assert set(window) <= set(segment) <= set(clip.gray)
    for segment, decoded in enumerate(read_segments(path, num_segments, 11, 48)):
        np.testing.assert_array_equal(clip.window(segment, 11), decoded.gray)


def test_stored_frames_are_read_as_extracted_except_for_compression(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(40, 2, 1, 48, 64))
    config = ClipConfig(short_side=48, num_segments=3, flow_length=4, flow_source="layer")
    store, clip = write_clip(path, config, tmp_path / "store")
    files = {path.name for path in (store.folder / "clip").iterdir()}
    assert files == {"clip.json", "gray.mjpeg", "frame_0.jpg", "frame_1.jpg", "frame_2.jpg"}
    for segment, indices in enumerate(clip.segments):
        frames, start = store.read_segment("clip", segment)
        assert frames.shape == (9, 48, 64) and frames.dtype == np.uint8
        assert start == indices.index(clip.indices[segment][0]) == 2
        assert np.abs(frames.astype(int) - np.stack([clip.gray[index] for index in indices])).mean() < 1


def test_frames_that_segments_share_are_stored_once(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(14, 2, 1, 48, 64))
    info = json.loads(encode_clip(extract_clip(path, ClipConfig(short_side=48, flow_source="layer")), "x")["clip.json"])
    assert info["kept"] == list(range(14)) and len(info["ends"]) == 14 and np.diff(info["ends"]).min() > 0


def test_a_clip_shorter_than_a_window_is_extended_on_both_sides(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(4, 2, 0, 48, 64))
    store, _ = write_clip(path, ClipConfig(short_side=48, num_segments=1, flow_source="layer"), tmp_path / "store")
    frames, start = store.read_segment("clip", 0)
    assert start == 0 and frames.shape == (11, 48, 64) and (frames[:5] == frames[0]).all()
    assert (frames[7:] == frames[7]).all() and not (frames[5] == frames[4]).all()
    stack = store.read_stack("clip", 0)
    flow = dequantize_flow(stack, store.config.flow_bound)
    assert not flow[..., :8].any() and not flow[..., 14:].any()
    assert np.median(flow[..., 10]) == pytest.approx(2, abs=0.2)


def test_flow_of_stored_frames_is_the_stored_flow(frames_store, tiny_store):
    """Except for the JPEG compression of either; and the spatial stream gets the same inputs."""
    clips, store, names = frames_store
    other, with_flow, _ = read_clips(tiny_store[0])
    for name in clips.clip_name[::5]:
        for segment in range(TINY_CONFIG.num_segments):
            np.testing.assert_array_equal(store.read_frame(name, segment), with_flow.read_frame(name, segment))
            steps = store.read_stack(name, segment).astype(int) - with_flow.read_stack(name, segment)
            assert np.abs(steps).mean() < 1
    batches = [TrainingBatches(*data, "spatial", names, CONFIG) for data in ((clips, store), (other, with_flow))]
    for found, expected in zip(*(made[0] for made in batches), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_window_starts_are_random_and_reproducible(frames_store):
    clips, store, names = frames_store
    first, second = (TrainingBatches(clips, store, "temporal", names, CONFIG) for _ in range(2))
    starts, read = [], first.inputs.read
    first.inputs.read = lambda *where: starts.append(where[-1]) or read(*where)
    for number in range(40):
        found, label = first.sample(number)
        again, same = second.sample(number)
        np.testing.assert_array_equal(found, again)
        assert label == same and found.shape == (2, LAYER_CONFIG.window_length, SIZE, SIZE)
    assert len(set(starts)) == 2 * 40
    assert set(np.floor(4 * np.array(starts))) == {0, 1, 2, 3}


def test_evaluation_takes_the_middle_window_in_every_crop(frames_store):
    clips, store, names = frames_store
    batches = EvaluationBatches(clips, store, "temporal", "test", len(names), CONFIG, num_crops=3)
    inputs, _ = batches[0]
    frames, start = store.read_segment(batches.clips[0], 0)
    window = frames[start : start + LAYER_CONFIG.window_length]
    expected = [crop_window(window, crop, SIZE) for crop in scored_crops(48, 64, 3, False)]
    np.testing.assert_array_equal(inputs[:3, 0], expected)


def test_examples_show_the_flow_that_the_network_computes(frames_store, tiny_store):
    clips, store, names = frames_store
    for *_, draws in read_draws(clips, store, names, CONFIG):
        for draw in draws:
            assert draw.stack.shape == (SIZE, SIZE, 2 * LAYER_CONFIG.flow_length) and draw.stack.dtype == np.uint8
            u = np.median(mean_flow(draw.stack, store.config.flow_bound)[..., 0])
            assert np.sign(np.round(u)) == (0, 1, -1)[names.index(draw.label)]
    _, flows = read_examples(clips.iloc[:2], store)
    assert flows[0].shape == (48, 64, 2)
    assert find_example(tiny_store[1], LAYER_CONFIG).clip.stacks.shape[-1] == 2 * LAYER_CONFIG.flow_length
    assert (check_store(store.root).groupby("label").moving.mean() > 0.5).sum() == 2


def test_a_video_file_gets_the_scores_of_its_stored_clip(frames_store, two_stream):
    """Also window by window. Only the JPEGs of the store differ."""
    clips, store, names = frames_store
    assert set(two_stream.input) == {"frame", "frames"}
    row = clips[clips.split == "test"].iloc[2]
    scores, clip = predict_video(row.path, two_stream, names, store.config, CONFIG)
    assert clip.stacks.shape == (2, 48, 64, 2 * LAYER_CONFIG.flow_length)  # for plots
    temporal = two_stream.get_layer("temporal")
    expected = predict_scores(temporal, clips, store, "temporal", "test", names, CONFIG)[2]
    np.testing.assert_allclose(scores["temporal"], expected, atol=0.02)
    moments = {moment.index: moment for moment in predict_stream(row.path, two_stream, names, store.config, CONFIG, 1)}
    middle = LAYER_CONFIG.flow_length // 2
    np.testing.assert_array_equal(moments[clip.indices[0][middle]].frame, clip.frames[0])
    windows = [moments[window[middle]].scores["temporal"] for window in clip.indices]
    of_mean = softmax(np.log(windows).mean(axis=0))  # of the mean logits
    np.testing.assert_allclose(of_mean, scores["temporal"], atol=1e-4)


def test_displacements_that_the_network_computes_have_unit_size_on_training_clips(frames_store, run):
    clips, store, names = frames_store
    model, _ = build_temporal(run, clips, store, names, CONFIG)
    inputs, train = StreamInputs(store, "temporal", CONFIG), clips[clips.split == "train"]
    windows = np.concatenate([inputs.crop_scored(inputs.read(name, 1), 1) for name in train.clip_name])
    body = model.get_layer("body")
    scaled = keras.Model(body.input, body.get_layer("unit_scale").output)(windows)
    assert np.square(keras.ops.convert_to_numpy(scaled)).mean() == pytest.approx(1, rel=0.02)


@pytest.mark.slow
def test_a_network_that_computes_flow_is_trained_scored_and_probed(frames_store, two_stream, run):
    clips, store, names = frames_store
    model, history = train_temporal(run, clips, store, names, CONFIG)
    assert takes_frames(model) and model.input_shape[1:] == (None, LAYER_CONFIG.window_length, SIZE, SIZE)
    assert history.step.iloc[-1] == 4 and np.isfinite(history.loss).all()
    scores, again = (
        predict_scores(which, clips, store, "temporal", "test", names, CONFIG)
        for which in (model, keras.models.load_model(run.folder / "temporal.keras"))
    )
    np.testing.assert_allclose(scores, again, atol=1e-5)  # compiled by XLA, and not
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    probes = probe_streams(two_stream.get_layer("spatial"), model, clips, store, names, CONFIG)
    assert list(probes.columns)[-4:-1] == [f"temporal, {name}" for name in FIELD_PROBES]


@pytest.mark.slow
def test_cross_modality_initialisation_takes_frames_too(frames_store, run, tmp_path):
    clips, store, names = frames_store
    backbone = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Conv2D(4, 3, name="first")])
    keras.Model(backbone.inputs, backbone.outputs).save(tmp_path / "backbone.keras")
    config = dataclasses.replace(CONFIG, temporal_weights=str(tmp_path / "backbone.keras"), temporal_steps=1)
    model, _ = train_temporal(run, clips, store, names, config)
    assert takes_frames(model)
    assert np.isfinite(predict_scores(model, clips, store, "temporal", "test", names, config)).all()
