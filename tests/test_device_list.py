"""The devices of a backend, also of one whose devices Keras does not list."""

import keras
import pytest

from src.devices import jit_compile, list_devices, on_cpu


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras lists no devices for PyTorch")
def test_the_devices_are_those_that_keras_lists():
    assert list_devices() == keras.distribution.list_devices()


def test_under_pytorch_the_device_is_that_of_a_tensor(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setattr(keras.distribution, "list_devices", None, raising=False)  # which Keras has not for this backend
    assert list_devices() == [str(keras.ops.zeros(()).device)]


@pytest.mark.parametrize(
    ("devices", "expected"), [(["cpu:0", "cpu:1"], True), (["cpu"], True), (["gpu:0"], False), (["cuda:0"], False)]
)
def test_a_cpu_is_told_from_accelerators(monkeypatch, devices, expected):
    monkeypatch.setattr("src.devices.list_devices", lambda: devices)
    assert on_cpu() is expected


def test_pytorch_compiles_nothing(monkeypatch):
    """A network that computes flow would be compiled else, for minutes."""
    for backend, compiled in {"tensorflow": [False, True], "jax": [True, True], "torch": [False, False]}.items():
        monkeypatch.setattr(keras.backend, "backend", lambda backend=backend: backend)
        assert [jit_compile(False), jit_compile(True)] == compiled
