"""Writing the atlas of a run: as many pictures as fit, and the scores of all clips."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from src.atlas.choosing import RULE
from src.atlas.page import make_page
from src.atlas.pictures import make_pictures
from src.atlas.table import tabulate
from src.config import TrainConfig
from src.files import write_text
from src.progress import progress
from src.store import ClipStore
from src.training import Run

MOST_BYTES = 30_000_000  # of the file


def write_atlas(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig,
    scores: dict[str, np.ndarray], spatial: keras.Model, temporal: keras.Model, split: str = "test",
    most_bytes: int = MOST_BYTES,
) -> Path:  # fmt: skip
    """Writes atlas.html into the folder of a run: the confusion matrices of a split, whose cells open their clips.

    The page is one file, which needs no server and no network. A clip has its frames, moving, its flow, where each
    stream looked, and the best three classes of the streams and of the fusion. Where not all pictures fit, clips get
    them in this order: three that the fusion gets wrong, the surest first, then one that it gets right, evenly over the
    classes, the least sure first; and so on. The others are listed with their scores, without pictures. The page states
    this rule.

    Args:
        run: whose folder it is written to, atomically.
        clips, store, class_names: from `src.inputs.read_clips`.
        config: of the run.
        scores: "spatial", "temporal", "fused" → float (N, C), a row per clip of the split in the order of `clips`, from
            `src.evaluation.score_split`.
        spatial, temporal: the streams.
        split: "train", "validation" or "test".
        most_bytes: of the file. The scores, about 200 bytes a clip, are always in it.

    Returns:
        the path of the page.

    Raises:
        ValueError: there are not as many scores as clips of the split.
    """
    rows = clips[clips.split == split]
    if not 0 < len(rows) == len(scores["fused"]):
        raise ValueError(
            f"scores must have a row for each {split} clip, of which there are {len(rows)}. Received: "
            f"{len(scores['fused'])} rows. Give the scores of this split."
        )
    content = {"run": run.folder.name, "split": split, "rule": RULE} | tabulate(rows, scores, class_names)
    content["pictures"] = pictures = {}
    room = most_bytes - len(make_page(content))
    models = {"spatial": spatial, "temporal": temporal}
    with progress(total=len(rows), label="pictures of the atlas") as bar:
        for index, picture in make_pictures(rows, store, config, scores, models):
            room -= len(json.dumps({index: picture}))
            if room < 0:
                break
            pictures[index] = picture
            bar.update()
    path = run.folder / "atlas.html"
    write_text(path, make_page(content))
    return path
