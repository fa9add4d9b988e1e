"""Networks with few channels and stages, for tests of how networks are trained."""

import keras
from keras import layers

from models import backbones, temporal_cnn

CONVOLUTIONS = (("conv1", 8, 7, 2, True), ("conv2", 16, 5, 2, True))


def use_small_networks(patch):
    """Makes both streams small, with a `pytest.MonkeyPatch`."""
    patch.setattr(backbones, "COMPACT_FILTERS", (4, 8))
    patch.setattr(temporal_cnn, "_CONVOLUTIONS", dict.fromkeys(("small", "cnn_m"), CONVOLUTIONS))


def save_backbone(folder):
    """Writes a backbone with two stages and batch norm, as a user would; returns its path."""
    keras.utils.set_random_seed(5)
    image = x = keras.Input((32, 32, 3))
    for stage in (1, 2):
        x = layers.Conv2D(4, 3, strides=2, padding="same", name=f"conv{stage}")(x)
        x = layers.BatchNormalization(name=f"norm{stage}")(x)
    keras.Model(image, x).save(folder / "mine.keras")
    return folder / "mine.keras"
