"""What the page knows of each clip."""

import json

import numpy as np
import pandas as pd
from made_pages import make_clips

from src.atlas.table import tabulate
from src.evaluation import predictions_table

CLIPS = pd.DataFrame({
    "video_id": ["a", "caf\udce9"], "path": ["/data/x/a.webm", "/data/xy/b.webm"], "label": ["up", "down"],
    "class_index": [1, 0], "group": ["g", "h"], "start": [np.nan, 1.5], "end": [np.nan, 2.0], "rate": np.nan,
})  # fmt: skip


def test_the_best_classes_are_listed_with_their_scores_and_that_of_the_true_class():
    scores = {"fused": np.array([[0.5, 0.1, 0.25, 0.15], [0.05, 0.35, 0.4, 0.2]], np.float32)}
    table = tabulate(CLIPS, scores, ["down", "up", "left", "right"])
    best = {"best": [[0, 2, 3], [2, 1, 3]], "scores": [[0.5, 0.25, 0.15], [0.4, 0.35, 0.2]], "truth": [0.1, 0.05]}
    assert table["streams"] == {"fused": best}
    assert table["truth"] == [1, 0] and table["groups"] == ["g", "h"]
    assert table["ids"] == ["a", r"caf\xe9"]


def test_scores_are_those_of_the_table_of_predictions():
    """With three decimals, 0.6248 would be shown as 0.63, as 0.625 is between two numbers."""
    scores = {"fused": np.array([[0.3752, 0.6248], [0.4952, 0.5048]], np.float32)}
    table, predictions = tabulate(CLIPS, scores, ["down", "up"]), predictions_table(CLIPS, scores, ["down", "up"])
    assert [best[0] for best in table["streams"]["fused"]["scores"]] == predictions.fused_score.tolist()
    assert table["streams"]["fused"]["truth"] == predictions.fused_score_of_label.tolist() == [0.6248, 0.4952]


def test_paths_share_their_folder_and_tell_the_part_of_a_video():
    table = tabulate(CLIPS, {}, ["down", "up"])
    assert table["folder"] == "/data/" and table["paths"] == ["x/a.webm", "xy/b.webm (1.5 s to 2 s)"]


def test_two_classes_give_two_and_equal_scores_the_first():
    table = tabulate(CLIPS, {"fused": np.array([[0.5, 0.5], [0.5, 0.5]])}, ["down", "up"])
    assert table["streams"]["fused"]["best"] == [[0, 1], [0, 1]]


def test_a_clip_of_a_large_data_set_takes_few_bytes():
    clips, scores = make_clips(2000, 174)
    text = json.dumps(tabulate(clips, scores, [f"Class {n}" for n in range(174)]), separators=(",", ":"))
    assert len(text) < 200 * len(clips)
