"""What uses Keras passes its tests under the other backends, too, without TensorFlow, where they are installed."""

import json

import pytest
from on_backend import run_python

WITHOUT_TENSORFLOW = """
import importlib.machinery as machinery
import sys
import pytest

find = machinery.PathFinder.find_spec
machinery.PathFinder.find_spec = lambda name, *rest: None if name == "tensorflow" else find(name, *rest)
sys.exit(pytest.main(sys.argv[1:]))
"""  # None in sys.modules would not do: Keras takes a name that is there for a module
FOLDERS = ("models", "inputs", "training", "evaluation", "attention", "cross_validation", "inference")


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_folder_passes(backend, folder):
    run_python(backend, "-c", WITHOUT_TENSORFLOW, "-m", "not slow", "-p", "no:cacheprovider", f"tests/{folder}")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_both_notebooks_run(backend):
    run_python(backend, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_notebooks.py")


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["spatial", "temporal"])
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_same_steps_reach_the_same_loss(backend, stream, tiny_store, tmp_path):
    """From the same weights, on the same batches, as benchmarks/backends.py measures them."""
    data, weights = str(tiny_store[0]), str(tmp_path / "first.weights.h5")
    fit = ("benchmarks/backends.py", data, "--steps", "3", "--fit", stream, weights)
    losses = [json.loads(run_python(name, *fit).splitlines()[-1])["loss"] for name in (backend, "tensorflow")]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-3)
