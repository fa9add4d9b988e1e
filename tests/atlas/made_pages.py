"""Pages of made-up clips, for tests."""

import numpy as np
import pandas as pd
from PIL import Image

from src.atlas.media import _encode
from src.atlas.page import as_data_url, make_page
from src.atlas.table import tabulate

NAMES = ["Moving up", "Moving down", "</script><img src=x onerror=alert(1)>", 'Say "A & B"', "caf\udce9"]
RULE = "some first"


def make_clips(num_clips, num_classes, seed=0):
    """(clips, scores): the fusion is right in the clips whose number leaves no remainder by 3."""
    generator = np.random.default_rng(seed)
    truth = np.arange(num_clips) % num_classes
    names = class_names(num_classes)
    clips = pd.DataFrame({
        "video_id": [f"clip<{n}>" for n in range(num_clips)],
        "path": [f"/videos/a&b/{n}.webm" for n in range(num_clips)],
        "label": [names[label] for label in truth], "class_index": truth, "split": "test",
        "group": [f"group {n // 4}" for n in range(num_clips)],
        "start": np.nan, "end": np.nan, "rate": np.nan,
    })  # fmt: skip
    scores = {}
    for place, stream in enumerate(("spatial", "temporal", "fused")):
        answer = np.where(np.arange(num_clips) % 3 == 0, truth, (truth + 1 + place // 2) % num_classes)
        values = generator.random((num_clips, num_classes)) * 0.1
        values[np.arange(num_clips), answer] += generator.random(num_clips) * num_classes / 4 + 0.2
        scores[stream] = values / values.sum(axis=1, keepdims=True)
    return clips, scores


def class_names(count):
    return [*NAMES, *(f"Class {n}" for n in range(len(NAMES), count))][:count]


def make_content(num_clips, num_classes, num_pictures=None):
    """What a page shows: pictures of the first clips, of three segments with two frames each."""
    clips, scores = make_clips(num_clips, num_classes)
    tiles = np.repeat(np.arange(6, dtype=np.uint8) * 40, 8)[None].repeat(6, axis=0)
    url = as_data_url(_encode(np.asarray(Image.fromarray(tiles).convert("RGB")), 80))
    picture = {
        "frames": url, "flow": url, "count": 6, "segments": 3, "size": [6, 8], "full_colour": 1.5,
        "maps": {"spatial": url, "temporal": url},
    }  # fmt: skip
    pictured = range(num_clips if num_pictures is None else num_pictures)
    content = {"run": "tiny & <b>", "split": "test", "rule": RULE, "pictures": dict.fromkeys(pictured, picture)}
    return content | tabulate(clips, scores, class_names(num_classes))


def write_page(path, *content):
    path.write_text(make_page(make_content(*content)), encoding="utf-8")
    return path
