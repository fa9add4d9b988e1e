"""The devices of the backend of Keras, and whether it compiles for them."""

import keras


def list_devices() -> list[str]:
    """The devices of the backend, such as "gpu:0"; under PyTorch the one that Keras uses, because Keras lists none."""
    if keras.backend.backend() == "torch":
        return [str(keras.ops.zeros(()).device)]
    return keras.distribution.list_devices()


def on_cpu() -> bool:
    """Whether the backend has nothing but CPUs to compute on."""
    return all(name.lower().startswith("cpu") for name in list_devices())


def jit_compile(xla: bool) -> bool:
    """The argument `jit_compile` of `model.compile`: whether XLA compiles the steps.

    Always true for JAX: without it, an epoch would take minutes. Never for PyTorch, which has no XLA: Keras would hand
    whole steps to `torch.compile`, which takes minutes where a network computes flow.
    """
    return keras.backend.backend() == "jax" or (xla and keras.backend.backend() != "torch")
