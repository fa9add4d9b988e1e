from pathlib import Path

import pandas as pd
import pytest

from src.training.runs import Run
from src.training.summary import describe_fit


def make_history(losses, accuracy, phase="all layers"):
    steps = range(25, 25 * len(losses) + 1, 25)
    return pd.DataFrame({"step": steps, "phase": phase, "loss": losses, "accuracy": accuracy, "val_accuracy": 0.5})


@pytest.mark.parametrize(
    "losses, accuracy, too_short",
    [
        ([1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.0, 0.8], 0.7, True),  # 1.35 → 0.9
        ([1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.0, 0.8], 0.95, False),  # fitted
        ([1.8, 1.7, 1.4, 1.3, 1.25, 1.23, 1.21, 1.2], 0.6, False),  # level: it cannot tell the classes apart
    ],
)
def test_a_training_that_was_too_short_says_so(losses, accuracy, too_short):
    text = describe_fit(Run(Path("run"), {}), "temporal", make_history(losses, accuracy))
    assert f"200 steps, accuracy {accuracy:.2f}" in text
    assert ("too short: its loss fell by 33 %" in text.replace("%", " %")) == too_short
    assert ("temporal_steps=400" in text) == too_short


def test_the_parameter_of_the_phase_is_named():
    history = make_history([1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.0, 0.8], 0.7, "last stage")
    assert "Try fine_tune_steps=400." in describe_fit(Run(Path("run"), {}), "spatial", history)


def test_a_head_is_described_too():
    report = {"C": 0.01, "log_loss": 0.68, "accuracy": 0.55, "uniform_log_loss": 0.69, "inputs": 600}
    text = describe_fit(Run(Path("run"), {"notes": {"spatial_head": report}}), "spatial", pd.DataFrame())
    assert "C = 0.01" in text and "nearly equal" in text
