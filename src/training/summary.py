"""A training in one sentence: how long it was, what it reached, and whether it was too short."""

import pandas as pd

from src.training.head import describe_head
from src.training.runs import Run

FITTED = 0.9  # training accuracy from which more steps are not needed
STILL_FALLING = 0.1  # a training whose loss falls by this share in its last quarter was too short


def describe_fit(run: Run, stream: str, history: pd.DataFrame) -> str:
    """Says what a training reached, and whether it was too short.

    It was too short if the training accuracy is below 0.9, and the loss of the last quarter is more than a tenth lower
    than that of the quarter before. (Where no stream can tell the classes apart, the accuracy stays low, and the loss
    level.)

    Args:
        run: the run, which has recorded the fit of a head.
        stream: "spatial" or "temporal".
        history: from `train_spatial` or `train_temporal`.
    """
    sentences = []
    if f"{stream}_head" in run.record.get("notes", {}):
        sentences.append(describe_head(stream, run.record["notes"][f"{stream}_head"]))
    if len(history):
        sentences.append(_describe_steps(stream, history))
    return " ".join(sentences)


def _describe_steps(stream, history):
    last, quarter = history.iloc[-1], -(-len(history) // 4)
    text = (
        f"The {stream} stream: {last.step:,.0f} steps, accuracy {last.accuracy:.2f} on training clips, "
        f"{last.val_accuracy:.2f} on validation."
    )
    before, end = history.loss.iloc[-2 * quarter : -quarter].mean(), history.loss.iloc[-quarter:].mean()
    if last.accuracy < FITTED and end < (1 - STILL_FALLING) * before:
        parameter = "fine_tune_steps" if last.phase == "last stage" else f"{stream}_steps"
        text += (
            f" It was too short: its loss fell by {1 - end / before:.0%} in the last quarter. "
            f"Try {parameter}={2 * last.step:.0f}."
        )
    return text
