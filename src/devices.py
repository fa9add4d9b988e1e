"""The devices of the backend of Keras."""

import keras


def list_devices() -> list[str]:
    """The devices of the backend, such as "gpu:0"; under PyTorch the one that Keras uses, because Keras lists none."""
    if keras.backend.backend() == "torch":
        return [str(keras.ops.zeros(()).device)]
    return keras.distribution.list_devices()


def on_cpu() -> bool:
    """Whether the backend has nothing but CPUs to compute on."""
    return all(name.lower().startswith("cpu") for name in list_devices())
