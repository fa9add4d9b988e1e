from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.training.compiling import LEAST_STEPS
from src.training.runs import Run
from src.training.summary import describe_fit

FALLING = [1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1]  # 1.55 → 1.15


def make_history(losses, accuracy, phase="all layers", last_step=400):
    steps = np.linspace(0, last_step, len(losses) + 1)[1:].astype(int)
    return pd.DataFrame({"step": steps, "phase": phase, "loss": losses, "accuracy": accuracy, "val_accuracy": 0.5})


@pytest.mark.parametrize(
    "losses, accuracy, too_short",
    [
        (FALLING, 0.7, True),
        ([1.8, 1.7, 1.6, 1.5, 1.3, 1.2, 1.15, 1.15], 0.7, True),  # the learning rate has levelled the last quarter
        (FALLING, 0.95, False),  # fitted
        ([1.3, 1.1, 1.0, 0.97, 0.96, 0.94, 0.93, 0.92], 0.6, False),  # level: it cannot tell the classes apart
    ],
)
def test_a_training_that_was_too_short_says_so(losses, accuracy, too_short):
    text = describe_fit(Run(Path("run"), {}), "temporal", make_history(losses, accuracy))
    assert f"400 steps: accuracy {accuracy:.2f}" in text
    assert ("may have been too short: its loss fell by 26% in the second half" in text) == too_short
    assert ("temporal_steps=800" in text) == too_short


@pytest.mark.parametrize("accuracy, too_short", [(0.2, True), (0.95, False)])
def test_a_network_that_had_few_steps_was_too_short_though_its_loss_has_hardly_moved(accuracy, too_short):
    text = describe_fit(
        Run(Path("run"), {}), "temporal", make_history([1.79, 1.78, 1.77, 1.76], accuracy, last_step=18)
    )
    assert (f"needs {LEAST_STEPS} steps" in text and f"Try temporal_steps={LEAST_STEPS}." in text) == too_short
    text = describe_fit(Run(Path("run"), {}), "spatial", make_history([1.79], accuracy, "last stage", 18))
    assert "too short" not in text


def test_the_reason_for_the_number_of_steps_is_named():
    run = Run(Path("run"), {"notes": {"temporal_steps": {"steps": 400, "clips": 1200}}})
    text = describe_fit(run, "temporal", make_history([1.3, 1.2], 0.95))
    assert text.startswith("The temporal stream: 400 steps, chosen for 1,200 training clips: accuracy 0.95")


def test_the_parameter_of_the_phase_is_named():
    history = make_history(FALLING, 0.7, "last stage")
    assert "Try fine_tune_steps=800." in describe_fit(Run(Path("run"), {}), "spatial", history)


def test_a_head_is_described_too():
    report = {"C": 0.01, "log_loss": 0.68, "accuracy": 0.55, "uniform_log_loss": 0.69, "inputs": 600}
    text = describe_fit(Run(Path("run"), {"notes": {"spatial_head": report}}), "spatial", pd.DataFrame())
    assert "C = 0.01" in text and "nearly equal" in text
