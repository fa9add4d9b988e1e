"""Python under any backend of Keras, in a process of its own; tests of a backend that is not installed are skipped."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


def run_python(backend: str, *arguments: str, folder: Path = ROOT, **environment: str) -> str:
    """What a Python process with `arguments` prints under a backend, on CPU, with `folder` as its working directory."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend}, the Keras backend of this test, is not installed")
    environment = os.environ | ON_CPU | environment | {"KERAS_BACKEND": backend}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout
