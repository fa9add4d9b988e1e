"""The devices of a backend, also of one whose devices Keras does not list."""

import keras
import pytest

from src.devices import list_devices, on_cpu


def test_under_pytorch_the_device_is_that_of_a_tensor(monkeypatch):
    assert list_devices() == keras.distribution.list_devices()
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setattr(keras.distribution, "list_devices", None)  # which Keras has not for this backend
    assert list_devices() == [str(keras.ops.zeros(()).device)]


@pytest.mark.parametrize(
    ("devices", "expected"), [(["cpu:0", "cpu:1"], True), (["cpu"], True), (["gpu:0"], False), (["cuda:0"], False)]
)
def test_a_cpu_is_told_from_accelerators(monkeypatch, devices, expected):
    monkeypatch.setattr("src.devices.list_devices", lambda: devices)
    assert on_cpu() is expected
