"""What uses Keras passes its tests under the other backends, too, without TensorFlow, where they are installed."""

import pytest
from backends import run_python

# Where tensorflow is None, importing it fails as where it is not installed.
PYTEST = "import sys; sys.modules['tensorflow'] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
FOLDERS = ("models", "inputs", "training", "evaluation", "attention", "cross_validation", "inference")


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_folder_passes(backend, folder):
    run_python(backend, "-c", PYTEST, "-m", "not slow", "-p", "no:cacheprovider", f"tests/{folder}")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_both_notebooks_run(backend):
    run_python(backend, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_notebooks.py")
