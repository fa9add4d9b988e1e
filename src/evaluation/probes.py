"""Which information a model uses: its accuracy when the order of time is reversed, shuffled, or removed."""

import zlib

import keras
import numpy as np
import pandas as pd

from models import takes_frames
from src.config import TrainConfig
from src.devices import jit_compile
from src.evaluation.scores import predict_scores
from src.flow import reorder_fields, reverse_stack
from src.inputs import scored_segments
from src.metrics import class_scores
from src.store import ClipStore

MOST_CLIPS = 2_000  # of a larger split as many are drawn: there are eleven probes, each as long as scoring
ORDERS = {  # probe of the order of segments → their places; all are scored in one pass over the clips
    "one segment": lambda segments: np.full_like(segments, segments[len(segments) // 2]),
    "segments reversed": lambda segments: segments[::-1],
    # every second one first: neither near the order of time nor near its reverse, however few segments there are
    "segments shuffled": lambda segments: np.concatenate([segments[1::2], segments[::2]]),
}


def probe_streams(
    spatial: keras.Model, temporal: keras.Model, clips: pd.DataFrame, store: ClipStore, class_names: list[str],
    config: TrainConfig, split: str = "validation",
) -> pd.DataFrame:  # fmt: skip
    """Accuracy per class of both streams, with the original inputs and with changed ones; labels stay the same.

    - The order of segments: "segments reversed" and "segments shuffled" (the same way in all clips); "one segment"
      takes the middle one in the place of all. Streams that average are as accurate as before.
    - The order within each stack of flow, for the temporal stream: "fields reversed" plays each stack backwards,
      "fields shuffled" shuffles its fields, and "one field" repeats its middle field L times, which removes changes of
      the motion, too.

    Where the accuracy stays the same, the stream does not use what was taken away. Of a split of more than 2,000 clips,
    as many random ones are probed.

    Args:
        spatial, temporal: the streams.
        clips, store, class_names: from `src.inputs.read_clips`.
        config: as for `predict_scores`.
        split: validation by default, because test is used once, for the result.

    Returns:
        A row per class; columns "spatial", "spatial, one segment", …, "temporal", "temporal, one segment", …,
        "temporal, fields reversed", …: accuracies 0 … 1, NaN for a class without clips; and "clips".
    """
    rows = clips[clips.split == split]
    clips = rows.sample(MOST_CLIPS, random_state=config.seed) if len(rows) > MOST_CLIPS else rows
    scores, names, places = {}, ["", *(f", {name}" for name in ORDERS)], np.arange(len(scored_segments(store, config)))
    orders = [places, *(order(places) for order in ORDERS.values())]
    for stream, model in (("spatial", spatial), ("temporal", temporal)):
        network = _build_with_orders(model, orders, config)
        found = predict_scores(network, clips, store, stream, split, class_names, config)
        scores |= {f"{stream}{name}": found[:, number] for number, name in enumerate(names)}
    fields = _probe_frames(temporal) if takes_frames(temporal) else _probe_stacks(temporal, store.config.flow_bound)
    for name, (network, change) in fields.items():
        found = predict_scores(network, clips, store, "temporal", split, class_names, config, change)
        scores[f"temporal, {name}"] = found
    labels = clips.class_index.to_numpy()
    by_class = {name: class_scores(values, labels, class_names) for name, values in scores.items()}
    recalls = pd.DataFrame({name: table["recall"] for name, table in by_class.items()})
    return recalls.assign(clips=by_class["spatial"]["clips"])


def _build_with_orders(model: keras.Model, orders: list[np.ndarray], config: TrainConfig) -> keras.Model:
    """A network that shares the layers of `model`: segments (N, S, …) → scores for each order of them, (N, K, C).

    Segments are described once, and only the head takes them in each order, unless they exchange channels before it.
    """
    segments, network = model.input, model
    if not config.temporal_shift:
        segments, network = model.get_layer("unfold_segments").output, model.get_layer("head")
    scores = [network(keras.ops.take(segments, order, axis=1)) for order in orders]
    joined = keras.Model(model.input, keras.ops.stack(scores, axis=1))
    if takes_frames(model):
        joined.compile(jit_compile=jit_compile(True))  # as the stream itself is, when it is loaded
    return joined


def _probe_stacks(temporal, bound):
    """Probe → (network, change of each stored stack), for a network that is given flow."""
    return {
        "fields reversed": (temporal, lambda stack: reverse_stack(stack, bound)),
        "fields shuffled": (temporal, _shuffle),
        "one field": (temporal, _repeat_middle),
    }


def _probe_frames(temporal):
    """Probe → (network, change of each window), for a network that computes flow and reorders its fields."""
    length = temporal.input_shape[2] - 1
    shuffled = np.random.default_rng(0).permutation(length).tolist()
    return {
        "fields reversed": (temporal, lambda window: window[::-1]),
        "fields shuffled": (_build_with_order(temporal, shuffled), None),
        "one field": (_build_with_order(temporal, [(length - 1) // 2] * length), None),
    }


def _shuffle(stack):
    """Shuffles fields, always in the same order for the same stack."""
    generator = np.random.default_rng(zlib.crc32(stack.tobytes()))
    return reorder_fields(stack, generator.permutation(stack.shape[-1] // 2))


def _repeat_middle(stack):
    """Repeats the middle field L times, which leaves the information of two frames."""
    length = stack.shape[-1] // 2
    return reorder_fields(stack, [(length - 1) // 2] * length)


def _build_with_order(temporal: keras.Model, order: list[int]) -> keras.Model:
    """A network that shares the layers of `temporal`, which takes frames, and puts its L flow fields into `order`."""
    body, segments = temporal.get_layer("body"), keras.Input(temporal.input_shape[1:], dtype="uint8")
    fields = body.get_layer("farneback").output
    rest = keras.Model(fields, body.output)
    reordered = keras.Model(body.input, rest(keras.ops.take(fields, order, axis=1)))
    features = temporal.get_layer("unfold_segments")(reordered(temporal.get_layer("fold_segments")(segments)), segments)
    return keras.Model(segments, temporal.get_layer("head")(features))
