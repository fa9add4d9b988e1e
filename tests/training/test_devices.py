"""Mixed precision, XLA, and several virtual CPU devices, which must compute what one device computes."""

import functools
import json
import tempfile
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from on_backend import ROOT, run_python

from src.config import TrainConfig
from src.training.callbacks import StartRound
from src.training.compiling import compile_model
from src.training.devices import EvenBatches, on_devices, predict, synchronized_batch_norm

HERE = Path(__file__).parent
TWO = ["single", "parallel", "resumed", "ragged", "xla", "distribution"]
CASES = {  # (backend, devices) → keys of `TASKS`
    ("tensorflow", 2): [*TWO, "not synchronized"],
    ("tensorflow", 4): ["single", "parallel"],
    ("jax", 2): [*TWO, "single with dropout", "parallel with dropout"],
}
not_on_torch = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch has no XLA, Keras no devices of it"
)
SIDE, CLASSES, BATCH, TRAIN, VALIDATION, EPOCHS, RATE = 8, 3, 8, 20, 13, 2, 1e-3


class Batches(keras.utils.PyDataset):
    """Noise of three classes. The last batch is ragged, or, with `full`, padded with the epoch's first samples."""

    def __init__(self, count, full):
        super().__init__()
        self.count, self.full, self.batch_size, self.epoch = count, full, BATCH, 0

    def __len__(self):
        return -(-self.count // BATCH)

    def __getitem__(self, index):
        order = np.random.default_rng([7, self.epoch]).permutation(self.count)
        order = np.resize(order, len(self) * BATCH) if self.full else order
        return self.samples(order[index * BATCH : (index + 1) * BATCH])

    def samples(self, indices):
        generators = [np.random.default_rng([index, self.epoch]) for index in indices]
        images = [generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for generator in generators]
        return np.stack(images), np.eye(CLASSES, dtype=np.float32)[np.asarray(indices) % CLASSES]


LAST = Batches(VALIDATION, full=False)[1]  # five samples: not a multiple of two or four devices


def build_model(dropout=0.0):
    """A small seeded network with batch norm inside and after a backbone, as in the streams."""
    keras.utils.set_random_seed(3)
    image = x = keras.Input((SIDE, SIDE, 6))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv1")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, name="norm1")(x))
    backbone = keras.Model(image, layers.Conv2D(8, 3, use_bias=False, name="conv2")(x), name="backbone")
    frame = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = layers.Rescaling(1 / 127.5, -1.0)(frame)
    x = backbone(layers.Concatenate()([x, -x]))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, name="norm2")(x))
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(frame, layers.Dense(CLASSES, activation="softmax", dtype="float32", name="scores")(x))


def steps_of(model):
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def fit(model, devices, epochs=EPOCHS, first=0, full=True):
    """Fits a model; returns its history."""
    batches, validation = Batches(TRAIN, full), EvenBatches(Batches(VALIDATION, full=False), devices)
    fitted = model.fit(
        batches, validation_data=validation, callbacks=[StartRound(batches, 0)], initial_epoch=first, epochs=epochs,
        shuffle=False, verbose=0,
    )  # fmt: skip
    return fitted.history


def train(data_parallel, dropout=0.0, synchronized=True, backup=None):
    """Result of a fit, or of a fit that is resumed from a backup."""
    with on_devices("float32", data_parallel, batch_size=BATCH) as devices:
        model = build_model(dropout)
        compile_model(model, RATE, 6, TrainConfig())
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
    """Prints the results of tasks; for a process of its own, with virtual CPUs as devices."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        logical = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], logical)
    print(json.dumps({task: TASKS[task]() for task in tasks}))


def refusal(**arguments):
    try:
        with on_devices(data_parallel=True, **arguments):
            return None
    except ValueError as error:
        return str(error)


@functools.cache
def results_of(backend, devices):
    """Results of all tasks of a case, by name."""
    script = f"""
        import sys
        sys.path[:0] = {[str(path) for path in (ROOT, HERE, HERE.parent)]}
        from test_devices import run_as_script
        run_as_script({devices}, {CASES[backend, devices]})
    """
    flags = f"--xla_force_host_platform_device_count={devices}"
    with tempfile.TemporaryDirectory() as folder:
        printed = run_python(backend, "-c", textwrap.dedent(script), folder=folder, XLA_FLAGS=flags)
    return json.loads(printed.splitlines()[-1])


def each_case_with(task):
    cases = [case for case, tasks in CASES.items() if task in tasks]
    by_case = pytest.mark.parametrize("case", cases, ids=lambda case: f"{case[0]}-{case[1]}")
    return lambda test: pytest.mark.slow(by_case(test))


def largest_difference(one, other, name="weights"):
    return max(np.abs(np.subtract(a, b)).max() for a, b in zip(one[name], other[name], strict=True))


@each_case_with("parallel")
def test_several_devices_compute_what_one_device_computes(case):
    """Weights, batch norm statistics and history, over batches that differ between epochs, the last one padded."""
    single, parallel = (results_of(*case)[name] for name in ("single", "parallel"))
    assert (single["devices"], parallel["devices"]) == (1, case[1])
    assert single["steps"] == parallel["steps"] == EPOCHS * 3  # 20 clips are three batches of eight
    assert largest_difference(single, parallel) < 1e-5
    assert single["history"].keys() == parallel["history"].keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for name, values in single["history"].items():
        np.testing.assert_allclose(parallel["history"][name], values, atol=1e-5, err_msg=name)


@each_case_with("not synchronized")
def test_without_synchronized_batch_norm_the_result_differs(case):
    """So the tolerance above is small enough. (JAX always takes moments over the whole batch.)"""
    results = results_of(*case)
    assert largest_difference(results["single"], results["not synchronized"]) > 1e-3


@each_case_with("parallel")
def test_validation_counts_each_sample_once(case):
    """Defect 17: 13 samples in batches of 8 and 5."""
    parallel = results_of(*case)["parallel"]
    images, targets = Batches(VALIDATION, full=False).samples(range(VALIDATION))
    model = build_model()
    shapes = [weight.shape for weight in model.get_weights()]
    model.set_weights([np.reshape(flat, shape) for flat, shape in zip(parallel["weights"], shapes, strict=True)])
    scores = np.asarray(model.predict_on_batch(images))
    loss = -((0.9 * targets + 0.1 / CLASSES) * np.log(scores)).sum(axis=1).mean()
    assert parallel["history"]["val_loss"][-1] == pytest.approx(loss, rel=1e-4)
    right = scores.argmax(axis=1) == targets.argmax(axis=1)
    assert parallel["history"]["val_accuracy"][-1] == pytest.approx(right.mean())


@each_case_with("resumed")
def test_training_on_several_devices_resumes_from_a_backup(case):
    results = results_of(*case)
    assert results["resumed"]["steps"] == results["parallel"]["steps"]
    assert largest_difference(results["parallel"], results["resumed"]) < 1e-5


@each_case_with("parallel")
def test_prediction_gives_one_row_per_sample(case):
    """And the saved model loads on one device and gives the same scores."""
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
def test_batches_that_devices_cannot_share_are_refused_and_afterwards_nothing_is_distributed(case):
    results = results_of(*case)
    assert "batch_size must be a multiple of the 2 devices" in results["ragged"]
    assert results["ragged"].endswith("(cpu:0, cpu:1). Received: 7")
    assert "XLA for 2 devices" in results["xla"] if case[0] == "tensorflow" else results["xla"] is None
    assert results["distribution"] == "None"


@not_on_torch
def test_one_device_shares_nothing():
    with on_devices(data_parallel=True, xla=True, batch_size=7) as devices:
        assert devices == len(keras.distribution.list_devices()) == 1


@pytest.mark.parametrize("precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_mixed_precision_computes_in_16_bits_and_trains_as_single_precision(precision, tmp_path):
    """Weights and scores are float32. The saved model gives the same scores under the default policy."""
    before, losses = keras.config.dtype_policy(), []
    for name in ("float32", precision):
        with on_devices(name) as devices:
            model = build_model()
            compile_model(model, RATE, 6, TrainConfig())
            start = model.get_weights()
            losses.append(fit(model, devices)["loss"])
    assert keras.config.dtype_policy() == before
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05)
    assert losses[0] != losses[1]
    assert model.get_layer("backbone").output.dtype == precision.removeprefix("mixed_")
    assert {weight.dtype for weight in model.weights} <= {"float32", "uint32", "int32", "int64"}  # and a random state
    assert largest_difference({"weights": start}, {"weights": model.get_weights()}) > 1e-4
    images, single = LAST[0], build_model()
    scores = model.predict_on_batch(images)
    assert np.asarray(scores).dtype == np.float32
    np.testing.assert_allclose(np.sum(scores, axis=1), 1, rtol=1e-5)
    keras.Model(model.input, model.output).save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras").predict_on_batch(images), scores)
    single.set_weights(model.get_weights())
    np.testing.assert_allclose(single.predict_on_batch(images), scores, atol=0.01)


@pytest.mark.slow
@not_on_torch
def test_xla_computes_what_the_plain_step_computes():
    results = []
    for xla in (False, True):
        with on_devices(xla=xla) as devices:
            model = build_model()
            compile_model(model, RATE, 6, TrainConfig(), xla=xla)
            history = fit(model, devices, full=False)
            results.append({"weights": model.get_weights(), "loss": history["loss"]})
        assert model.jit_compile is (xla or keras.backend.backend() == "jax")
    assert largest_difference(*results) < 1e-4
    np.testing.assert_allclose(results[0]["loss"], results[1]["loss"], rtol=1e-5)


def test_batch_norm_is_restored_after_it_was_synchronized():
    model = build_model()
    norms = [model.get_layer("norm2"), model.get_layer("backbone").get_layer("norm1")]
    with pytest.raises(KeyError), synchronized_batch_norm(model, 2):
        assert [norm.synchronized for norm in norms] == [keras.backend.backend() == "tensorflow"] * 2
        raise KeyError
    assert [norm.synchronized for norm in norms] == [False, False]
    with synchronized_batch_norm(model, 1):
        assert not any(norm.synchronized for norm in norms)


def test_samples_that_pad_a_batch_have_weight_0():
    batches, even = Batches(VALIDATION, full=False), EvenBatches(Batches(VALIDATION, full=False), 4)
    images, targets, weights = even[1]
    np.testing.assert_array_equal(images[:5], batches[1][0])
    np.testing.assert_array_equal(targets[5:], [targets[4]] * 3)
    assert images.shape[0] == 8 and weights.dtype == np.float32
    np.testing.assert_allclose(weights, [16 / 13] * 5 + [0] * 3)
    np.testing.assert_array_equal(EvenBatches(batches, 1)[1][2], np.ones(5))
    uneven = EvenBatches(batches, 3)  # batches of 9 and 6 samples
    np.testing.assert_allclose(uneven[0][2], [15 / 13] * 8 + [0])
    np.testing.assert_allclose(uneven[1][2], [15 / 13] * 5 + [0])


def test_an_unknown_precision_is_refused_and_the_policy_is_restored():
    before = keras.config.dtype_policy()
    refused = pytest.raises(ValueError, match="precision must be one of .*mixed_bfloat16.*Received: 'float16'")
    with refused, on_devices("float16"):
        pass
    with pytest.raises(KeyError), on_devices("mixed_bfloat16"):
        raise KeyError
    assert keras.config.dtype_policy() == before


@pytest.mark.parametrize("name", ["data_parallel", "xla"])
def test_what_pytorch_has_not_is_refused(name, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    refused = pytest.raises(ValueError, match=f"{name} needs TensorFlow or JAX. Received: the backend torch. Set KERAS")
    with refused, on_devices(**{name: True}):
        pass
