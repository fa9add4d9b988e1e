import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG
from small_networks import use_small_networks

from models import build_temporal_cnn
from src.config import TrainConfig
from src.inputs import TrainingBatches, read_clips
from src.training import compiling
from src.training.compiling import choose_steps, compile_model


def test_the_loss_falls_to_the_minimum_under_label_smoothing(tiny_store, monkeypatch):
    """Defect 16: a loss on logits that gets scores would stay above log(e + 2) - 0.933 = 0.62."""
    use_small_networks(monkeypatch)
    clips, store, names = read_clips(tiny_store[0])
    keras.utils.set_random_seed(0)
    config = TrainConfig(temporal_crop_size=32, batch_size=12)
    model = build_temporal_cnn(3, 32, TINY_CONFIG.flow_length)
    batch = TrainingBatches(clips, store, "temporal", names, config)[0]
    compile_model(model, 1e-2, 80, config)
    smooth = np.array([1 - 0.1 * 2 / 3, 0.1 / 3, 0.1 / 3])
    certain, nearly = np.array([[1.0, 0, 0]]), np.array([[0.98, 0.01, 0.01]])
    assert float(model.loss(certain, nearly)) == pytest.approx(-(smooth * np.log(nearly)).sum(), rel=1e-5)
    losses = [float(model.train_on_batch(*batch)[0]) for _ in range(80)]
    assert losses[0] > 0.9
    assert -(smooth * np.log(smooth)).sum() < np.mean(losses[-5:]) < 0.5


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    compile_model(model, 0.5, 50, TrainConfig(warm_up=0.2, weight_decay=0.3))
    rates = [float(model.optimizer._learning_rate(step)) for step in (0, 10, 30, 50)]
    np.testing.assert_allclose(rates, [0.0, 0.5, 0.25, 0.0], atol=1e-6)
    assert model.optimizer.weight_decay == 0.3


@pytest.mark.parametrize("clips, segments, expected", [(48, 6, 300), (400, 2, 1000), (1000, 6, 834), (1000, 1, 5000)])
def test_the_number_of_steps_depends_on_the_clips(clips, segments, expected, monkeypatch):
    """At least 300, and 80 inputs of each clip, the last step begun: 80 · 1000 / (6 · 16) = 833.3."""
    monkeypatch.setattr(compiling, "LEAST_STEPS", 300)
    monkeypatch.setattr(compiling, "INPUTS_OF_CLIP", 80)
    assert choose_steps(clips, segments, 16) == expected
