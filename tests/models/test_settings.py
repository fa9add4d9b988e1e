"""Networks are built and loaded the same under any keras.json."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = {"floatx": "float16", "epsilon": 1e-2, "backend": "tensorflow", "image_data_format": "channels_first"}
PROGRAM = """
import sys
import keras

keras.config.dtype_policy()  # Keras remembers the one of its settings
import models
import numpy as np

spatial = models.build_finetuned_resnet(2, 32, None, sys.argv[1])
temporal = models.build_temporal_cnn(2, 32, 3)
models.build_two_stream(spatial, temporal).save("two_stream.keras")
model = keras.models.load_model("two_stream.keras")
scores = model.predict({"frame": np.zeros((1, 2, 32, 32, 3), np.uint8), "flow": np.zeros((1, 2, 32, 32, 6), np.uint8)})
dtypes = {weight.dtype for weight in model.weights} | {scores.dtype.name}
print([*scores.shape, *dtypes, keras.config.epsilon(), keras.config.max_epochs()])
"""


@pytest.mark.slow
@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS | {"floatx": "float64"}])
@pytest.mark.parametrize("backbone", ["compact", "mobilenetv3"])
def test_settings_of_the_user_change_no_network(tmp_path, settings, backbone):
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    environment = {"KERAS_HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2]), "KERAS_MAX_EPOCHS": "1"}
    command = [sys.executable, "-c", PROGRAM, backbone]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.endswith("[1, 2, 'float32', 1e-07, None]\n"), done.stdout + done.stderr
