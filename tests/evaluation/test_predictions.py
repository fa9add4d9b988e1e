"""The table of answers against values read off by hand."""

import numpy as np
import pandas as pd
import pytest

from src.evaluation import predictions_table

CLIPS = pd.DataFrame({
    "video_id": ["007", "b"], "path": ["x/007.webm", "x/b.webm"], "label": ["up", "down"], "class_index": [1, 0],
    "group": ["g1", "g2"], "split": "test",
}, index=[5, 9])  # fmt: skip
SCORES = {
    "spatial": np.array([[0.25, 0.75], [0.1, 0.9]], np.float32),
    "fused": np.array([[0.6, 0.4], [0.123456, 0.876544]], np.float32),
}


def test_each_video_has_a_row_with_each_streams_answer():
    table = predictions_table(CLIPS, SCORES, ["down", "up"])
    assert table.video_id.tolist() == ["007", "b"] and table.label.tolist() == ["up", "down"]
    assert table.spatial.tolist() == ["up", "up"] and table.fused.tolist() == ["down", "up"]
    assert table.spatial_right.tolist() == [True, False] and table.fused_right.tolist() == [False, False]
    assert table.spatial_score.tolist() == [0.75, 0.9]
    assert table.fused_score_of_label.tolist() == [0.4, 0.1235]


def test_scores_of_other_clips_are_refused():
    with pytest.raises(ValueError, match=r"fused scores must be \(2, 2\)"):
        predictions_table(CLIPS, {"fused": SCORES["fused"][:1]}, ["down", "up"])
