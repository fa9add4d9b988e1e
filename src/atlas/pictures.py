"""The pictures of many clips, in the order in which they get room in the file."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import keras
import numpy as np
import pandas as pd

from src.atlas.choosing import order_by_interest
from src.atlas.looking import find_maps
from src.atlas.media import encode_maps, make_film
from src.atlas.page import as_data_url
from src.config import TrainConfig
from src.inputs import scored_segments
from src.store import ClipStore
from src.video import segment_centers

MOST_SEGMENTS = 16  # shown of a clip
INPUT_BYTES = 500_000_000  # of the network inputs in memory
MOST_AT_ONCE = 192  # clips: where the file is full, so many have pictures made in vain
THREADS = 4  # that read and encode


def make_pictures(
    clips: pd.DataFrame, store: ClipStore, config: TrainConfig, scores: dict[str, np.ndarray],
    models: dict[str, keras.Model],
) -> Iterator[tuple[int, dict]]:  # fmt: skip
    """Makes the pictures of the clips of a split, the most interesting ones first (see `src.atlas.choosing`).

    A stream that has no maps is left out, with a printed sentence.

    Args:
        clips: of one split.
        store, config: as the streams were trained with.
        scores: "spatial", "temporal", "fused" → float (N, C).
        models: "spatial", "temporal" → the streams.

    Yields:
        (row number, pictures): "frames" and "flow", data URLs of tiles side by side; "count", tiles of frames;
        "segments", tiles of the others; "size", [height, width] of a tile; "full_colour", px/frame; "maps", data URLs
        by stream.
    """
    order = order_by_interest(scores["fused"], clips.class_index.to_numpy())
    segments, places = np.unique(scored_segments(store, config), return_index=True)
    shown = segment_centers(len(segments), min(len(segments), MOST_SEGMENTS))
    make, models = partial(make_film, store=store, segments=segments[shown]), dict(models)
    at_once = _fit_memory(models, len(places))
    with ThreadPoolExecutor(THREADS) as threads:
        for first in range(0, len(order), at_once):
            chosen = order[first : first + at_once]
            rows = clips.iloc[chosen]
            films = threads.map(make, rows.itertuples())
            answers = {stream: scores[stream][chosen].argmax(axis=1) for stream in models}
            maps = _map_streams(models, rows, store, config, answers, places[shown])
            for place, (index, film) in enumerate(zip(chosen.tolist(), films, strict=True)):
                found = {stream: as_data_url(encoded[place]) for stream, encoded in maps.items()}
                yield index, _describe(film, len(shown)) | {"maps": found}


def _describe(film, num_segments):
    return {
        "frames": as_data_url(film.frames),
        "flow": as_data_url(film.flow),
        "count": film.count,
        "segments": num_segments,
        "size": film.size,
        "full_colour": round(film.full_colour, 1),
    }


def _fit_memory(models, num_segments):
    """The number of clips whose inputs to the streams fit into memory."""
    largest = max(math.prod(model.input_shape[2:]) for model in models.values()) * num_segments
    return min(MOST_AT_ONCE, max(1, INPUT_BYTES // largest))


def _map_streams(models, rows, store, config, answers, places):
    """The encoded maps of clips, by stream; a stream that has none is removed from `models`."""
    encoded = {}
    for stream, model in list(models.items()):
        try:
            maps = find_maps(model, stream, rows, store, config, answers[stream])
            encoded[stream] = [encode_maps(parts[places]) for parts in maps]
        except ValueError as error:
            print(f"The atlas does not show where the {stream} stream looked. {error}")
            del models[stream]
    return encoded
