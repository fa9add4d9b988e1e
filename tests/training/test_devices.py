"""One parameter each: mixed precision, XLA, and several virtual CPU devices that compute what one device would."""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from src.training.devices import EvenBatches, jit_compile, on_devices, predict, synchronized_batch_norm

ROOT = Path(__file__).parents[2]
TWO = ["single", "parallel", "resumed", "ragged", "xla", "distribution"]
CASES = {  # (backend, devices) → what is computed with them
    ("tensorflow", 2): [*TWO, "not synchronized"],
    ("tensorflow", 4): ["single", "parallel"],
    ("jax", 2): [*TWO, "single with dropout", "parallel with dropout"],
}
SIDE, CLASSES, BATCH, TRAIN, VALIDATION, EPOCHS, RATE = 8, 3, 8, 20, 13, 2, 1e-3
COMMON = {"shuffle": False, "verbose": 0}
MIXED = pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])


class Batches(keras.utils.PyDataset):
    """Noise of three classes. The last batch is ragged, or, with `full`, filled up with the epoch's first samples."""

    def __init__(self, count, full):
        super().__init__()
        self.count, self.full, self.batch_size, self.epoch = count, full, BATCH, 0

    def __len__(self):
        return -(-self.count // BATCH)

    def __getitem__(self, index):
        order = np.random.default_rng([7, self.epoch]).permutation(self.count)
        order = np.resize(order, len(self) * BATCH) if self.full else order
        return self.samples(order[index * BATCH : (index + 1) * BATCH])

    def samples(self, places):
        generators = [np.random.default_rng([place, self.epoch]) for place in places]
        pictures = [generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for generator in generators]
        return np.stack(pictures), np.eye(CLASSES, dtype=np.float32)[np.asarray(places) % CLASSES]


LAST = Batches(VALIDATION, full=False)[1]  # five samples, which neither two nor four devices share evenly


class SetEpoch(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.batches.epoch = epoch


def build_model(dropout=0.0, channels=6):
    """A small network with batch norm on top of and inside a backbone, as those of the project; seeded."""
    keras.utils.set_random_seed(3)
    image = x = keras.Input((SIDE, SIDE, channels))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv1")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, name="norm1")(x))
    backbone = keras.Model(image, layers.Conv2D(8, 3, use_bias=False, name="conv2")(x), name="backbone")
    picture = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = layers.Rescaling(1 / 127.5, -1.0)(picture)
    x = backbone(layers.Concatenate()([x, -x]))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, name="norm2")(x))
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(picture, layers.Dense(CLASSES, activation="softmax", dtype="float32", name="scores")(x))


def compile_model(model, xla=False):
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    optimizer = keras.optimizers.AdamW(RATE, weight_decay=0.01)
    model.compile(optimizer, loss, weighted_metrics=["accuracy"], jit_compile=jit_compile(xla))


def steps_of(model):
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def fit(model, devices, epochs=EPOCHS, first=0, full=True):
    """The columns of the history."""
    model.batches = Batches(TRAIN, full)
    validation = EvenBatches(Batches(VALIDATION, full=False), devices)
    callbacks = [SetEpoch()]
    done = model.fit(
        model.batches, validation_data=validation, callbacks=callbacks, initial_epoch=first, epochs=epochs, **COMMON
    )
    return done.history


def train(data_parallel, dropout=0.0, synchronized=True, backup=None):
    """What came of a fit, or of two, the second from a backup of the first."""
    with on_devices("float32", data_parallel, batch_size=BATCH) as devices:
        model = build_model(dropout)
        compile_model(model)
        model.optimizer.build(model.trainable_variables)
        shared = devices if synchronized else 1
        if backup and not Path(backup).exists():
            with synchronized_batch_norm(model, shared):
                fit(model, devices, epochs=1)
            model.save_weights(backup)
            return train(data_parallel, dropout, synchronized, backup)
        if backup:
            model.load_weights(backup)
        with synchronized_batch_norm(model, shared):
            history = fit(model, devices, first=steps_of(model) // len(Batches(TRAIN, full=True)))
        scores = predict(model, LAST[0], devices)
        model.save("model.keras")
    return {
        "devices": devices,
        "steps": steps_of(model),
        "weights": [weight.ravel().tolist() for weight in model.get_weights()],
        "history": history,
        "scores": scores.tolist(),
        "loaded": np.asarray(keras.models.load_model("model.keras").predict_on_batch(LAST[0])).tolist(),
    }


TASKS = {
    "single": lambda: train(False),
    "parallel": lambda: train(True),
    "resumed": lambda: train(True, backup="backup.weights.h5"),
    "not synchronized": lambda: train(True, synchronized=False),
    "single with dropout": lambda: train(False, dropout=0.5),
    "parallel with dropout": lambda: train(True, dropout=0.5),
    "ragged": lambda: refusal(batch_size=7),
    "xla": lambda: refusal(batch_size=8, xla=True),
    "distribution": lambda: str(keras.distribution.distribution()),
}


def run_as_script(devices, tasks):
    """Prints what tasks give; runs in a process of its own, with that many virtual CPUs."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        logical = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], logical)
    print(json.dumps({task: TASKS[task]() for task in tasks}))


def never():
    raise AssertionError("must not be reached")


def refusal(**arguments):
    try:
        with on_devices(data_parallel=True, **arguments):
            return None
    except ValueError as error:
        return str(error)


@functools.cache
def results_of(backend, devices):
    """What all tasks of a case give, by name."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; this needs it as Keras' backend")
    environment = os.environ | {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    script = f"""
        import sys
        sys.path[:0] = {[str(ROOT), str(Path(__file__).parent)]}
        from test_devices import run_as_script
        run_as_script({devices}, {CASES[backend, devices]})
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def each_case_with(task):
    cases = [case for case, tasks in CASES.items() if task in tasks]
    return pytest.mark.parametrize("case", cases, ids=lambda case: f"{case[0]}-{case[1]}")


def largest_difference(one, other, name="weights"):
    return max(np.abs(np.subtract(a, b)).max() for a, b in zip(one[name], other[name], strict=True))


@each_case_with("parallel")
def test_the_result_on_several_devices_equals_that_on_one(case):
    """Weights, batch norm statistics and history, over batches that differ from epoch to epoch, the last filled up."""
    single, parallel = (results_of(*case)[name] for name in ("single", "parallel"))
    assert (single["devices"], parallel["devices"]) == (1, case[1])
    assert single["steps"] == parallel["steps"] == EPOCHS * 3  # 20 clips are three batches of eight
    assert largest_difference(single, parallel) < 1e-5
    assert single["history"].keys() == parallel["history"].keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for name, values in single["history"].items():
        np.testing.assert_allclose(parallel["history"][name], values, atol=1e-5, err_msg=name)


@each_case_with("not synchronized")
def test_without_synchronized_batch_norm_the_result_is_another(case):
    """So the tolerance above is tight enough to tell. (JAX takes moments over the whole batch by itself.)"""
    results = results_of(*case)
    assert largest_difference(results["single"], results["not synchronized"]) > 1e-3


@each_case_with("parallel")
def test_validation_counts_every_sample_once(case):
    """Defect 17: 13 samples in batches of 8 and 5."""
    parallel = results_of(*case)["parallel"]
    pictures, targets = Batches(VALIDATION, full=False).samples(range(VALIDATION))
    model = build_model()
    shapes = [weight.shape for weight in model.get_weights()]
    model.set_weights([np.reshape(flat, shape) for flat, shape in zip(parallel["weights"], shapes, strict=True)])
    scores = np.asarray(model.predict_on_batch(pictures))
    loss = -((0.9 * targets + 0.1 / CLASSES) * np.log(scores)).sum(axis=1).mean()
    assert parallel["history"]["val_loss"][-1] == pytest.approx(loss, rel=1e-4)
    right = scores.argmax(axis=1) == targets.argmax(axis=1)
    assert parallel["history"]["val_accuracy"][-1] == pytest.approx(right.mean())


@each_case_with("resumed")
def test_training_on_several_devices_goes_on_from_a_backup(case):
    results = results_of(*case)
    assert results["resumed"]["steps"] == results["parallel"]["steps"]
    assert largest_difference(results["parallel"], results["resumed"]) < 1e-5


@each_case_with("parallel")
def test_prediction_gives_one_row_per_row(case):
    """And the saved model is an ordinary one: it loads on one device and gives the same scores."""
    for name in ("single", "parallel"):
        result = results_of(*case)[name]
        assert np.shape(result["scores"]) == (VALIDATION - BATCH, CLASSES)
        np.testing.assert_allclose(result["loaded"], result["scores"], atol=1e-5)


@each_case_with("parallel with dropout")
def test_dropout_under_jax_is_that_of_one_device(case):
    results = results_of(*case)
    assert largest_difference(results["single with dropout"], results["parallel with dropout"]) < 1e-5
    assert largest_difference(results["single with dropout"], results["single"]) > 1e-3


@each_case_with("ragged")
def test_what_devices_cannot_share_is_refused(case):
    results = results_of(*case)
    assert "batch_size must be a multiple of the 2 devices" in results["ragged"]
    assert results["ragged"].endswith("(cpu:0, cpu:1). Received: 7")
    assert "XLA for 2 devices" in results["xla"] if case[0] == "tensorflow" else results["xla"] is None


@each_case_with("distribution")
def test_afterwards_nothing_is_distributed(case):
    assert results_of(*case)["distribution"] == "None"


def test_one_device_shares_nothing():
    with on_devices(data_parallel=True, xla=True, batch_size=7) as devices:
        assert devices == len(keras.distribution.list_devices()) == 1


@MIXED
def test_mixed_precision_computes_in_16_bits_and_keeps_weights_and_scores_in_32(precision):
    before = keras.config.dtype_policy()
    with on_devices(precision) as devices:
        model = build_model()
        compile_model(model)
        start = model.get_weights()
        fit(model, devices, epochs=1)
    assert keras.config.dtype_policy() == before
    assert model.get_layer("backbone").output.dtype == precision.removeprefix("mixed_")
    assert {weight.dtype for weight in model.weights} <= {"float32", "uint32", "int32", "int64"}  # and a random state
    assert all(weight.dtype == np.float32 for weight in start[:-1])
    scores = np.asarray(model.predict_on_batch(Batches(VALIDATION, full=False)[0][0]))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert largest_difference({"weights": start}, {"weights": model.get_weights()}) > 1e-4


@MIXED
def test_mixed_precision_learns_what_single_precision_learns(precision):
    losses = []
    for name in ("float32", precision):
        with on_devices(name) as devices:
            model = build_model()
            compile_model(model)
            losses.append(fit(model, devices)["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05)
    assert losses[0] != losses[1]


@MIXED
def test_a_model_saved_in_mixed_precision_loads_outside_to_the_same_scores(precision, tmp_path):
    with on_devices(precision):
        model = build_model()
    model.save(tmp_path / "model.keras")
    pictures, bare = Batches(VALIDATION, full=False)[0][0], build_model()
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(pictures), model.predict_on_batch(pictures))
    bare.set_weights(model.get_weights())
    np.testing.assert_allclose(bare.predict_on_batch(pictures), model.predict_on_batch(pictures), atol=0.01)


def test_training_in_mixed_float16_goes_on_from_a_backup(tmp_path):
    """Weights, optimizer, steps, and the scale of the loss."""
    with on_devices("mixed_float16") as devices:
        models = [build_model() for _ in range(3)]
        for model in models:
            compile_model(model)
            model.optimizer.build(model.trainable_variables)
        whole, first, second = models
        fit(whole, devices)
        fit(first, devices, epochs=1)
        first.save_weights(tmp_path / "backup.weights.h5")
        second.load_weights(tmp_path / "backup.weights.h5")
        assert steps_of(second) == steps_of(first) == 3
        assert float(second.optimizer.dynamic_scale) == float(first.optimizer.dynamic_scale)
        fit(second, devices, first=1)
    assert largest_difference({"weights": whole.get_weights()}, {"weights": second.get_weights()}) == 0


def test_xla_computes_what_the_plain_step_computes():
    results = []
    for xla in (False, True):
        with on_devices(xla=xla) as devices:
            model = build_model()
            compile_model(model, xla)
            history = fit(model, devices, full=False)
            results.append({"weights": model.get_weights(), "loss": history["loss"]})
        assert model.jit_compile is (xla or keras.backend.backend() == "jax")
    assert largest_difference(*results) < 1e-4
    np.testing.assert_allclose(results[0]["loss"], results[1]["loss"], rtol=1e-5)


def test_batch_norm_is_as_before_after_it_was_synchronized():
    model = build_model()
    norms = [model.get_layer("norm2"), model.get_layer("backbone").get_layer("norm1")]
    with pytest.raises(KeyError), synchronized_batch_norm(model, 2):
        assert [norm.synchronized for norm in norms] == [keras.backend.backend() == "tensorflow"] * 2
        raise KeyError
    assert [norm.synchronized for norm in norms] == [False, False]
    with synchronized_batch_norm(model, 1):
        assert not any(norm.synchronized for norm in norms)


def test_rows_that_fill_up_a_batch_have_no_weight():
    batches, even = Batches(VALIDATION, full=False), EvenBatches(Batches(VALIDATION, full=False), 4)
    assert len(even) == 2
    pictures, targets, weights = even[1]
    np.testing.assert_array_equal(pictures[:5], batches[1][0])
    np.testing.assert_array_equal(targets[5:], [targets[4]] * 3)
    assert pictures.shape[0] == 8 and weights.dtype == np.float32
    np.testing.assert_allclose(weights, [16 / 13] * 5 + [0] * 3)
    np.testing.assert_array_equal(EvenBatches(batches, 1)[1][2], np.ones(5))
    uneven = EvenBatches(batches, 3)  # 9 and 6 rows
    np.testing.assert_allclose(uneven[0][2], [15 / 13] * 8 + [0])
    np.testing.assert_allclose(uneven[1][2], [15 / 13] * 5 + [0])


def test_an_unknown_precision_is_refused_and_what_was_set_stays():
    before = keras.config.dtype_policy()
    refused = pytest.raises(ValueError, match="precision must be one of .*mixed_bfloat16.*Received: 'float16'")
    with refused, on_devices("float16"):
        never()
    with pytest.raises(KeyError), on_devices("mixed_bfloat16"):
        raise KeyError
    assert keras.config.dtype_policy() == before


def test_a_backend_that_cannot_share_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    refused = pytest.raises(ValueError, match="TensorFlow or JAX. Received: the backend torch. Set KERAS_BACKEND")
    with refused, on_devices(data_parallel=True):
        never()
