"""Both streams in one model."""

import keras
import numpy as np
import pytest
from networks import CLASSES, LENGTH, SIZE, assert_probabilities, assert_same_when_loaded, make_clips, predict

from models.finetuned_resnet import build_finetuned_resnet
from models.temporal_cnn import build_temporal_cnn
from models.two_stream import build_two_stream


@pytest.fixture(scope="module")
def streams():
    keras.utils.set_random_seed(0)
    return build_finetuned_resnet(CLASSES, SIZE, backbone="compact"), build_temporal_cnn(CLASSES, SIZE, LENGTH)


def test_scores_are_averaged_over_streams_whose_weights_are_shared(streams, tmp_path):
    """Defect 7: an average of probabilities."""
    spatial, temporal = streams
    model = build_two_stream(spatial, temporal)
    assert model.get_layer("spatial") is spatial and model.get_layer("temporal") is temporal
    inputs = {"frame": make_clips(3), "flow": make_clips(2 * LENGTH)}
    fused = predict(model, inputs)
    assert_probabilities(fused, 3)
    expected = (predict(spatial, inputs["frame"]) + predict(temporal, inputs["flow"])) / 2
    np.testing.assert_allclose(fused, expected, rtol=1e-6)
    assert_same_when_loaded(model, inputs, tmp_path / "two_stream.keras")


def test_streams_of_other_classes_are_refused(streams):
    with pytest.raises(ValueError, match="same classes. Received: 3 and 4"):
        build_two_stream(streams[0], build_temporal_cnn(4, SIZE, LENGTH))
