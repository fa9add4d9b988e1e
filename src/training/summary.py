"""A training in one sentence: how long it was, what it reached, and whether it may have been too short."""

import pandas as pd

from src.training.compiling import LEAST_STEPS
from src.training.head import describe_head
from src.training.runs import Run

FITTED = 0.9  # training accuracy from which more steps are not needed
STILL_FALLING = 0.1  # a training whose loss falls by this share in its second half may have been too short


def describe_fit(run: Run, stream: str, history: pd.DataFrame) -> str:
    """Says what a training reached, and whether it may have been too short.

    It may if the training accuracy is below 0.9, and the loss of the last quarter is more than a tenth lower than that
    of the second quarter, or all layers were trained in fewer than `LEAST_STEPS` steps. The last two quarters are not
    compared, because the learning rate, which falls to zero, levels the loss of any training. (Where no stream can tell
    the classes apart, the accuracy stays low; whether more steps help, only a longer training shows.)

    Args:
        run: the run, which has recorded the fit of a head, and the steps that were chosen.
        stream: "spatial" or "temporal".
        history: from `train_spatial` or `train_temporal`.
    """
    sentences, notes = [], run.record.get("notes", {})
    if f"{stream}_head" in notes:
        sentences.append(describe_head(stream, notes[f"{stream}_head"]))
        if "also" in notes:
            sentences.append(
                f"Its backbone is frozen, so the other data set (also) has nothing to teach the {stream} stream."
            )
    if len(history):
        sentences.append(_describe_steps(stream, history, notes.get(f"{stream}_steps")))
    return " ".join(sentences)


def _describe_steps(stream, history, chosen):
    last, quarter = history.iloc[-1], -(-len(history) // 4)
    why = f", chosen for {chosen['clips']:,} training clips" if chosen else ""
    text = f"The {stream} stream: {last.step:,.0f} steps{why}: accuracy {last.accuracy:.2f} on training clips" + (
        "." if pd.isna(last.val_accuracy) else f", {last.val_accuracy:.2f} on validation."
    )
    before, end = history.loss.iloc[-3 * quarter : -2 * quarter].mean(), history.loss.iloc[-quarter:].mean()
    reason, steps, parameter = None, 2 * last.step, f"{stream}_steps"
    if end < (1 - STILL_FALLING) * before:
        reason = f"its loss fell by {1 - end / before:.0%} in the second half"
    if last.phase == "last stage":
        parameter = "fine_tune_steps"
    elif last.step < LEAST_STEPS:
        reason, steps = f"a network needs {LEAST_STEPS} steps or more, however few clips there are", LEAST_STEPS
    if reason and last.accuracy < FITTED:
        text += f" It may have been too short: {reason}. Try {parameter}={steps:.0f}."
    return text
