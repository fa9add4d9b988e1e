"""The other way to flow: the store keeps grey frames, and the temporal network computes flow itself."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG, moving_texture, write_video

from models.temporal_cnn import build_temporal_cnn, reorder_fields, takes_frames
from models.two_stream import build_two_stream
from src.config import ClipConfig, TrainConfig, clip_config_from_dict
from src.evaluation.probes import probe_streams
from src.evaluation.scores import predict_scores
from src.flow.optical_flow import compute_flow, dequantize_flow, mean_flow
from src.inference.prediction import predict_video
from src.inference.sliding_window import predict_stream
from src.inputs.batches import EvaluationBatches, TrainingBatches, read_batches, read_clips, read_examples
from src.inputs.stream_inputs import StreamInputs, frames_bound, scored_inputs
from src.preprocessing.extraction import extract_clip
from src.preprocessing.job import check_store, find_example, preprocess
from src.store.clip_store import ClipStore, encode_clip
from src.store.manifest import manifest_digest
from src.training.learning_check import check_learning
from src.training.runs import start_run
from src.training.streams import train_temporal
from src.video.crops import Crop, crop_window, scored_crops
from src.video.sampling import segment_centers
from src.video.video import read_segments

LAYER_CONFIG = dataclasses.replace(TINY_CONFIG, flow_source="layer")
SIZE = 32
CONFIG = TrainConfig(crop_size=SIZE, batch_size=4, temporal_epochs=2, test_crops=1, subtract_mean=False)


@pytest.fixture(scope="module")
def frames_store(tiny_store, tmp_path_factory):
    """(clips, store, class names) of the clips of `tiny_store`, with their frames."""
    root = tmp_path_factory.mktemp("frames") / "tiny"
    report = preprocess(tiny_store[1], root, LAYER_CONFIG, workers=1)
    assert report.computed == len(tiny_store[1])
    return read_clips(root)


@pytest.fixture
def run(frames_store, tmp_path):
    clips, store, _ = frames_store
    return start_run("run", store.root, manifest_digest(clips), store.config, CONFIG, root=tmp_path)


@pytest.fixture(scope="module")
def webm(tmp_path_factory):
    """A video of 40 frames that moves by (2, 1)."""
    return write_video(tmp_path_factory.mktemp("video") / "clip.webm", moving_texture(40, 2, 1, 48, 64))


def write_clip(path, config, root):
    """A store that holds the clip of one video."""
    store = ClipStore(root, config)
    store.prepare()
    store.write("clip", extract_clip(path, config), "digest", store.make_staging())
    return store


@pytest.mark.parametrize("num_segments, num_frames", [(1, 40), (3, 40), (3, 24), (2, 12), (5, 14)])
def test_a_segment_keeps_its_window_and_the_frames_around(num_segments, num_frames, tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(num_frames, 2, 1, 48, 64))
    config = ClipConfig(short_side=48, num_segments=num_segments, flow_length=10, flow_source="layer")
    clip = extract_clip(path, config)
    stored = extract_clip(path, dataclasses.replace(config, flow_source="store"))
    assert clip.indices == stored.indices and clip.stacks is None
    np.testing.assert_array_equal(clip.frames, stored.frames)
    for run, window in zip(clip.runs, clip.indices, strict=True):
        assert run == tuple(range(run[0], run[0] + min(21, num_frames)))
        assert set(window) <= set(run) <= set(clip.gray)
    for segment, decoded in enumerate(read_segments(path, num_segments, 11, 48)):
        np.testing.assert_array_equal(clip.window(segment, 11), decoded.gray)


def test_what_is_read_is_what_was_kept_but_for_compression(webm, tmp_path):
    config = ClipConfig(short_side=48, flow_length=4, flow_source="layer")
    store, clip = write_clip(webm, config, tmp_path), extract_clip(webm, config)
    assert {path.name for path in (store.folder / "clip").iterdir()} == {
        "clip.json", "gray.mjpeg", "frame_0.jpg", "frame_1.jpg", "frame_2.jpg",
    }  # fmt: skip
    for segment in range(3):
        run, start = store.read_run("clip", segment)
        assert run.shape == (9, 48, 64) and run.dtype == np.uint8 and start == 2
        kept = np.stack([clip.gray[index] for index in clip.runs[segment]])
        assert np.abs(run.astype(int) - kept).mean() < 1
        np.testing.assert_array_equal(
            run[start : start + 5], run[clip.runs[segment].index(clip.indices[segment][0]) :][:5]
        )


def test_frames_that_segments_share_are_kept_once(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(14, 2, 1, 48, 64))
    info = json.loads(encode_clip(extract_clip(path, ClipConfig(short_side=48, flow_source="layer")), "x")["clip.json"])
    assert info["kept"] == list(range(14)) and len(info["ends"]) == 14 and np.diff(info["ends"]).min() > 0


def test_a_clip_too_short_for_a_window_holds_its_last_frame(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(4, 2, 0, 48, 64))
    store = write_clip(path, ClipConfig(short_side=48, num_segments=1, flow_source="layer"), tmp_path / "store")
    run, start = store.read_run("clip", 0)
    assert start == 0 and run.shape == (11, 48, 64) and (run[3:] == run[3]).all()
    stack = store.read_stack("clip", 0)
    assert (stack[..., 6:] == 128).all() and np.median(dequantize_flow(stack[..., 4], 20)) == pytest.approx(2, abs=0.2)


def test_flow_of_kept_frames_is_that_which_the_other_way_stores(frames_store, tiny_store):
    """Within what JPEG costs both."""
    clips, store, _ = frames_store
    stored = ClipStore(tiny_store[0])
    for name in clips.clip_name[::5]:
        for segment in range(TINY_CONFIG.num_segments):
            np.testing.assert_array_equal(store.read_frame(name, segment), stored.read_frame(name, segment))
            steps = store.read_stack(name, segment).astype(int) - stored.read_stack(name, segment)
            assert np.abs(steps).mean() < 1


def test_both_ways_have_places_of_their_own():
    assert LAYER_CONFIG.key != TINY_CONFIG.key and LAYER_CONFIG.key.startswith("frames-")


def test_a_store_from_before_there_were_two_ways_holds_flow(tiny_store, tmp_path):
    old = {name: value for name, value in TINY_CONFIG.to_dict().items() if name != "flow_source"}
    assert clip_config_from_dict(old) == TINY_CONFIG
    folder = tmp_path / "clips" / TINY_CONFIG.key
    folder.mkdir(parents=True)
    for path in (folder / "config.json", tmp_path / "config.json"):
        path.write_text(json.dumps(old))
    assert ClipStore(tmp_path).config == TINY_CONFIG


def test_only_farneback_is_there_as_a_layer():
    with pytest.raises(ValueError, match='flow_algorithm="farneback"'):
        ClipConfig(flow_source="layer", flow_algorithm="dis")
    with pytest.raises(ValueError, match="flow_source"):
        ClipConfig(flow_source="gpu")


def test_an_epoch_begins_windows_anywhere_and_the_next_one_elsewhere(webm, tmp_path):
    store = write_clip(webm, ClipConfig(short_side=48, num_segments=1, flow_length=4, flow_source="layer"), tmp_path)
    pictures = StreamInputs(store, "temporal", CONFIG)
    run, scored = store.read_run("clip", 0)
    np.testing.assert_array_equal(pictures.read("clip", 0), run[scored : scored + 5])
    np.testing.assert_array_equal(pictures.read("clip", 0, backwards=True), run[scored : scored + 5][::-1])
    for start, place in ((0.0, 0), (0.35, 1), (0.999, 4)):
        np.testing.assert_array_equal(pictures.read("clip", 0, start=start), run[place : place + 5])


def test_starts_are_random_and_the_same_again(frames_store):
    clips, store, names = frames_store
    first, second = (TrainingBatches(clips, store, "temporal", names, CONFIG) for _ in range(2))
    asked = []
    read = first.pictures.read
    first.pictures.read = lambda *where: asked.append(where[-1]) or read(*where)
    for epoch in range(8):
        for place in range(len(first.clips)):
            picture, label = first.sample(epoch, place)
            again, same = second.sample(epoch, place)
            np.testing.assert_array_equal(picture, again)
            assert label == same and picture.shape == (LAYER_CONFIG.window_length, SIZE, SIZE)
    assert len(set(asked)) == 8 * len(first.clips)
    assert set(np.floor(4 * np.array(asked))) == {0, 1, 2, 3}


def test_the_spatial_stream_sees_the_same_as_with_stored_flow(frames_store, tiny_store):
    """So both ways can be compared, and streams stay registered."""
    clips, store, names = frames_store
    batches = [TrainingBatches(*read_clips(tiny_store[0])[:2], "spatial", names, CONFIG)]
    batches += [TrainingBatches(clips, store, "spatial", names, CONFIG)]
    for place in range(4):
        pictures, labels = zip(*(made.sample(3, place) for made in batches), strict=True)
        np.testing.assert_array_equal(*pictures)
        assert labels[0] == labels[1]


def test_the_network_s_flow_is_the_stored_one_of_the_same_pictures(frames_store):
    clips, store, _ = frames_store
    windows = [store.read_run(name, 0)[0][: LAYER_CONFIG.window_length] for name in clips.clip_name[:3]]
    views = np.concatenate([scored_inputs(window, "temporal", store.config, CONFIG, 1) for window in windows])
    bound = frames_bound(store.config, CONFIG)
    model = build_temporal_cnn(3, SIZE, LAYER_CONFIG.flow_length, subtract_mean=False, frames_bound=bound)
    fields = keras.Model(model.input, model.get_layer("normalize").output)
    found = keras.ops.convert_to_numpy(fields(views))
    for window, flow in zip(views, found, strict=True):
        expected = compute_flow(window).transpose(1, 2, 0, 3).reshape(SIZE, SIZE, -1) / bound
        assert np.abs(flow - expected).mean() < 1e-4  # at a border that is still rounding decides


def test_the_bound_is_that_of_the_store_at_the_size_of_a_scored_view():
    config = ClipConfig(short_side=128, flow_bound=20, flow_source="layer")
    assert frames_bound(config, TrainConfig(crop_size=112)) == pytest.approx(20)  # 112 of 128 are seen, at 112
    assert frames_bound(config, TrainConfig(crop_size=224)) == pytest.approx(40)
    assert frames_bound(config, TrainConfig(crop_size=112, temporal_crop_size=56)) == pytest.approx(10)
    assert frames_bound(ClipConfig(), TrainConfig()) is None


def test_flow_of_a_mirrored_window_is_mirrored(webm):
    """Defect 1, on frames: the same view, mirrored, moves the other way."""
    window = extract_clip(webm, ClipConfig(short_side=48, flow_source="layer")).window(0, 3)
    view = Crop(0, 0, 48, 64)
    flow, mirrored = (
        compute_flow(crop_window(window, dataclasses.replace(view, flipped=m), 64)) for m in (False, True)
    )
    inside = np.s_[:, 8:-8, 8:-8]
    np.testing.assert_allclose(mirrored[:, :, ::-1][inside], (flow * np.array([-1, 1]))[inside], atol=0.05)


def test_a_closer_view_moves_faster(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(12, 1, 0.5, 96, 128))
    window = extract_clip(path, ClipConfig(short_side=96, num_segments=1, flow_source="layer")).window(0, 3)
    speeds = [np.median(compute_flow(crop_window(window, Crop(8, 8, side, side), 64))[..., 0]) for side in (80, 40)]
    assert speeds[1] == pytest.approx(2 * speeds[0], rel=0.1)


def test_a_smaller_flow_length_takes_the_middle_frames(frames_store):
    clips, store, _ = frames_store
    whole, fewer = (StreamInputs(store, "temporal", dataclasses.replace(CONFIG, flow_length=n)) for n in (None, 1))
    np.testing.assert_array_equal(fewer.read(clips.clip_name[0], 0), whole.read(clips.clip_name[0], 0)[1:3])
    with pytest.raises(ValueError, match="flow_length must be 1 … 3"):
        StreamInputs(store, "temporal", dataclasses.replace(CONFIG, flow_length=9)).read(clips.clip_name[0], 0)


def test_an_input_that_frames_do_not_give_is_refused(frames_store):
    with pytest.raises(ValueError, match='flow_input must be "stack"'):
        StreamInputs(frames_store[1], "temporal", dataclasses.replace(CONFIG, flow_input="trajectory"))


def test_it_trains_scores_and_is_probed(frames_store, run):
    clips, store, names = frames_store
    model, history = train_temporal(run, clips, store, names, CONFIG)
    assert takes_frames(model) and model.input_shape[1:] == (LAYER_CONFIG.window_length, SIZE, SIZE)
    assert len(history) == 2 and np.isfinite(history.loss).all()
    scores, again = (
        predict_scores(which, clips, store, "temporal", "test", names, CONFIG)
        for which in (model, keras.models.load_model(run.folder / "temporal.keras"))
    )
    np.testing.assert_allclose(scores, again, atol=1e-5)  # compiled by XLA, and not
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    probes = probe_streams(_uniform(names), model, clips, store, names, CONFIG)
    assert list(probes.columns)[2:6] == ["temporal", "backwards", "shuffled", "one field"]


def test_a_video_file_goes_the_same_way(frames_store):
    """Also one window after another; only the store's JPEGs are in between."""
    clips, store, names = frames_store
    keras.utils.set_random_seed(0)
    bound = frames_bound(store.config, CONFIG)
    temporal = build_temporal_cnn(len(names), SIZE, LAYER_CONFIG.flow_length, frames_bound=bound)
    two_stream = build_two_stream(_uniform(names), temporal)
    assert set(two_stream.input) == {"frame", "frames"}
    row = clips[clips.split == "test"].iloc[2]
    scores, clip = predict_video(row.path, two_stream, names, store.config, CONFIG)
    assert clip.stacks.shape == (2, 48, 64, 2 * LAYER_CONFIG.flow_length)  # to look at
    expected = predict_scores(temporal, clips, store, "temporal", "test", names, CONFIG)[2]
    np.testing.assert_allclose(scores["temporal"], expected, atol=0.02)
    moments = {moment.index: moment for moment in predict_stream(row.path, two_stream, names, store.config, CONFIG, 1)}
    middle = clip.indices[0][LAYER_CONFIG.flow_length // 2]
    np.testing.assert_array_equal(moments[middle].frame, clip.frames[0])
    both = [moments[window[LAYER_CONFIG.flow_length // 2]].scores["temporal"] for window in clip.indices]
    np.testing.assert_allclose(np.mean(both, axis=0), scores["temporal"], atol=1e-4)


def test_cross_modality_takes_frames_too(frames_store, run, tmp_path):
    clips, store, names = frames_store
    backbone = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), keras.layers.Conv2D(4, 3, name="first"), keras.layers.ReLU()]
    )
    keras.Model(backbone.inputs, backbone.outputs).save(tmp_path / "backbone.keras")
    config = dataclasses.replace(CONFIG, temporal_weights=str(tmp_path / "backbone.keras"), temporal_epochs=1)
    model, _ = train_temporal(run, clips, store, names, config)
    assert (
        takes_frames(model)
        and np.isfinite(predict_scores(model, clips, store, "temporal", "test", names, config)).all()
    )


def test_the_check_learns_32_clips_by_heart(frames_store, run):
    clips, store, names = frames_store
    check = check_learning(run, clips, store, names, CONFIG, seconds=60)
    assert check.passed, str(check)


def test_what_is_looked_at_is_flow_here_too(frames_store, tiny_store):
    clips, store, names = frames_store
    frames, stacks, labels = read_batches(clips, store, names, CONFIG, 4)
    assert stacks.shape == (4, SIZE, SIZE, 2 * LAYER_CONFIG.flow_length) and stacks.dtype == np.uint8
    for stack, label in zip(stacks, labels, strict=True):  # of 64 × 48 pictures: 28 of 56 in a whole view, or less
        u = np.median(mean_flow(stack, store.config.flow_bound)[..., 0])
        assert np.sign(np.round(u)) == (0, 1, -1)[label]
    _, flows = read_examples(clips.iloc[:2], store)
    assert flows[0].shape == (48, 64, 2)
    example = find_example(tiny_store[1], LAYER_CONFIG)
    assert example.clip.stacks.shape[-1] == 2 * LAYER_CONFIG.flow_length
    assert (check_store(store.root).groupby("label").moving.mean() > 0.5).sum() == 2


def test_evaluation_takes_the_middle_window_in_every_view(frames_store):
    clips, store, names = frames_store
    batches = EvaluationBatches(clips, store, "temporal", "test", len(names), CONFIG, num_crops=3)
    pictures, _ = batches[0]
    name = batches.clips[0]
    run, start = store.read_run(name, int(segment_centers(2, 2)[0]))
    views = scored_crops(48, 64, 3, False)
    for picture, view in zip(pictures, views, strict=False):
        np.testing.assert_array_equal(picture, crop_window(run[start : start + LAYER_CONFIG.window_length], view, SIZE))


def test_fields_in_another_order_are_seen_by_the_network_alone():
    keras.utils.set_random_seed(0)
    model = build_temporal_cnn(3, SIZE, 3, frames_bound=20.0)
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, SIZE, SIZE), np.uint8)
    same, other = (reorder_fields(model, order)(frames) for order in ([0, 1, 2], [2, 0, 1]))
    np.testing.assert_allclose(same, model(frames), atol=1e-6)
    assert np.abs(np.asarray(other) - np.asarray(same)).max() > 1e-6


def _uniform(names):
    """A spatial stream that knows nothing."""
    frame = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(frame))
    return keras.Model(frame, keras.layers.Dense(len(names), activation="softmax")(mean), name="spatial")
