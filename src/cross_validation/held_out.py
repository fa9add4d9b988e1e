"""Scores of clips by networks that were not fitted to them: how accurate they are, and which labels they doubt."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.config import STREAMS
from src.metrics import compute_metrics, find_label_errors


@dataclass(frozen=True)
class HeldOut:
    """Clips, and their scores by networks that were not fitted to them.

    Attributes:
        clips: N rows, as `src.inputs.read_clips` gives them.
        scores: "spatial", "temporal", "fused" → float32 (N, C), a row for each of `clips`.
        folds: int (N,), the number of the fold that tested each clip, from 1; None if there are no folds.
        description: which clips these are, and what their scores may be used for.
    """

    clips: pd.DataFrame
    scores: dict[str, np.ndarray]
    folds: np.ndarray | None
    description: str

    def accuracy_table(self) -> pd.DataFrame:
        """A row per stream: "n"; "top1", with its 95 % interval by group, "low" and "high"; "balanced" accuracy."""
        labels, groups = self.clips.class_index.to_numpy(), self.clips.group.to_numpy()
        rows = []
        for scores in self.scores.values():
            found = compute_metrics(scores, labels, groups)
            low, high = found["top1_interval"]
            row = {"n": len(labels), "top1": found["top1"], "low": low, "high": high, "balanced": found["balanced"]}
            rows.append(row)
        return pd.DataFrame(rows, index=pd.Index(self.scores, name="stream"))

    def label_errors(self, class_names: list[str]) -> pd.DataFrame:
        """`src.metrics.find_label_errors` of the fused scores, with the column "video_id" in front."""
        errors = find_label_errors(self.scores["fused"], self.clips.class_index.to_numpy(), class_names)
        errors.insert(0, "video_id", self.clips.video_id.to_numpy()[errors.row])
        return errors


def pool_splits(clips: pd.DataFrame, scores: dict[str, dict[str, np.ndarray]]) -> HeldOut:
    """The scores of a run's validation and test clips, together.

    Args:
        clips: all clips of the run.
        scores: split → what `src.evaluation.score_split` returns for it.
    """
    rows = pd.concat([clips[clips.split == split] for split in scores], ignore_index=True)
    pooled = {name: np.concatenate([found[name] for found in scores.values()]) for name in (*STREAMS, "fused")}
    description = (
        f"{len(rows)} {' and '.join(scores)} clips, to which no network was fitted. Training clips cannot be judged by "
        "networks that were fitted to them; with folds all clips are. Looking at test clips is no tuning: correct a "
        "label where the video shows that it is wrong, not where the network is."
    )
    return HeldOut(rows, pooled, None, description)
