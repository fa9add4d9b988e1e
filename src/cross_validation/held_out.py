"""Scores of clips by networks that were not fitted to them: how accurate they are, and which labels they doubt."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.config import STREAMS
from src.metrics import compute_metrics, find_label_errors

FEW = 30  # clips; below, hardly any class has a threshold that means something


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
        """`src.metrics.find_label_errors` of the fused scores, between "video_id", "split" and the video's "path"."""
        errors = find_label_errors(self.scores["fused"], self.clips.class_index.to_numpy(), class_names)
        clips = self.clips.iloc[errors.row].reset_index(drop=True)
        return pd.concat([clips[["video_id", "split"]], errors, clips[["path"]]], axis=1)

    def describe_labels(self, class_names: list[str]) -> str:
        """A sentence: how many labels are suspect."""
        count = self.label_errors(class_names).suspect.sum()
        if not count:
            return "No label is suspect: these are only the clips whose scores speak most against their label."
        return f"{count} of {len(self.clips)} labels {'is' if count == 1 else 'are'} suspect."


def pool_splits(clips: pd.DataFrame, scores: dict[str, dict[str, np.ndarray]]) -> HeldOut:
    """The scores of a run's validation and test clips, together.

    Args:
        clips: all clips of the run.
        scores: split → what `src.evaluation.score_split` returns for it.
    """
    rows = pd.concat([clips[clips.split == split] for split in scores], ignore_index=True)
    pooled = {name: np.concatenate([found[name] for found in scores.values()]) for name in (*STREAMS, "fused")}
    few = f" That is few: set folds = 'groups' (or 5) to test all {len(clips)} clips." if len(rows) < FEW else ""
    description = (
        f"{len(rows)} {' and '.join(scores)} clips, to which no network was fitted.{few} Training clips "
        "cannot be judged by networks that were fitted to them; with folds all clips are. Looking at test clips is no "
        "tuning: correct a label where the video shows that it is wrong, not where the network is."
    )
    return HeldOut(rows, pooled, None, description)
