"""The atlas of tiny streams: which clips have pictures, in how many bytes, and where maps lie."""

import json
import re

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_TRAINING
from keras import layers

from models.consensus import build_clip_network
from src.atlas import write_atlas
from src.atlas.choosing import order_by_interest
from src.atlas.looking import _lay_over, find_maps
from src.inputs import read_clips
from src.training import start_run

SIZE = TINY_TRAINING.crop_size


@pytest.fixture(scope="module")
def tiny(tiny_store):
    return read_clips(tiny_store[0])


@pytest.fixture(scope="module")
def streams():
    """Networks with maps, of random weights."""
    keras.utils.set_random_seed(1)
    channels = {"spatial": 3, "temporal": TINY_CONFIG.stack_channels}
    return {name: build_stream(name, count) for name, count in channels.items()}


def build_stream(name, channels):
    inputs = keras.Input((SIZE, SIZE, channels), dtype="uint8", name="inputs")
    x = layers.Conv2D(4, 5, strides=4, activation="relu")(layers.Rescaling(1 / 255)(inputs))
    body = keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="body")
    return build_clip_network(body, 3, None, "average", 0.0, False, name)


@pytest.fixture
def write(tmp_path, tiny, streams):
    """Writes an atlas of random scores; returns (path, its content, scores)."""
    clips, store, names = tiny
    run = start_run("a <run>", "data", "0123456789ab", store.config, TINY_TRAINING, names, root=tmp_path)
    generator = np.random.default_rng(0)
    scores = {stream: generator.dirichlet(np.ones(3), 6).astype(np.float32) for stream in (*streams, "fused")}

    def write_with(**options):
        path = write_atlas(run, clips, store, names, TINY_TRAINING, scores, **streams | options)
        found = re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL).group(1)
        return path, json.loads(found), scores

    return write_with


def test_every_clip_has_its_pictures(write, tiny):
    path, content, scores = write()
    clips = tiny[0]
    assert path.name == "atlas.html" and content["run"] == "a <run>" and content["split"] == "test"
    assert content["ids"] == clips.video_id[clips.split == "test"].tolist()
    assert sorted(map(int, content["pictures"])) == list(range(6))
    assert [best[0] for best in content["streams"]["fused"]["best"]] == scores["fused"].argmax(axis=1).tolist()
    for picture in content["pictures"].values():
        assert (picture["count"], picture["segments"], picture["size"]) == (16, 2, [48, 64])
        assert set(picture["maps"]) == {"spatial", "temporal"}
        for image in (picture["frames"], picture["flow"], *picture["maps"].values()):
            assert image.startswith("data:image/webp;base64,")
    assert not list(path.parent.glob(".partial-*"))


def test_in_few_bytes_the_first_clips_by_the_rule_have_pictures(write, tiny):
    path, whole, scores = write()
    limit = path.stat().st_size - 2000  # less than the pictures of one clip
    path, content, _ = write(most_bytes=limit)
    clips = tiny[0]
    order = order_by_interest(scores["fused"], clips.class_index[clips.split == "test"].to_numpy())
    assert path.stat().st_size <= limit
    assert sorted(map(int, content["pictures"])) == sorted(order[:-1].tolist())
    assert content["ids"] == whole["ids"] and content["streams"] == whole["streams"]


def test_a_limit_below_the_scores_leaves_all_pictures_out(write):
    assert write(most_bytes=1)[1]["pictures"] == {}


def test_a_stream_without_maps_is_named_and_shown_without(write, capsys):
    inputs = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="inputs")
    body = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)), name="body")
    _, content, _ = write(spatial=build_clip_network(body, 3, None, "average", 0.0, False, "spatial"))
    assert [list(picture["maps"]) for picture in content["pictures"].values()] == [["temporal"]] * 6
    assert capsys.readouterr().out.count("The atlas does not show where the spatial stream looked.") == 1


def test_scores_of_another_split_are_refused(tiny, streams, write):
    with pytest.raises(ValueError, match="for each train clip, of which there are 12. Received: 6 rows"):
        write(split="train")


def test_maps_lie_where_the_crop_was(tiny, streams):
    clips, store, _ = tiny
    rows = clips[clips.split == "test"]
    maps = list(find_maps(streams["spatial"], "spatial", rows, store, TINY_TRAINING, np.zeros(6, int)))
    assert len(maps) == 6 and maps[0].shape == (2, 48, 64)
    whole = _lay_over(np.ones((2, SIZE, SIZE), np.float32), 48, 64, keep_aspect=False)
    assert whole[:, 3:45, 4:60].all() and whole.sum() == 2 * 42 * 56  # 0.875 of both sides, in the middle
