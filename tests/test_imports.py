"""The data's way has one direction: a module imports only from those above it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = [
    *("config", "progress"),
    *("sample_textures", "sample_rendering", "sample_dataset"),
    *("video_table", "ssv2", "archive_parts", "archive", "annotations", "subset", "folds"),
    *("sampling", "video", "farneback_steps", "farneback", "optical_flow", "flow_input"),
    *("clip_store", "manifest", "digests", "workers", "extraction", "plan", "preprocessing", "unused", "flow_accuracy"),
    *("class_maps", "augmentation", "pictures", "input_pipeline"),
    *(
        "models.resampling",
        "models.farneback",
        "models.backbones",
        "models.finetuned_resnet",
        "models.temporal_cnn",
        "models.cross_modality",
        "models.two_stream",
        "models.end_to_end",
    ),
    *("device_extraction", "devices", "features", "runs", "callbacks", "training", "learning_check"),
    *(
        "metrics",
        "statistics",
        "calibration",
        "fusion",
        "fusion_report",
        "evaluation",
        "probes",
        "inference",
        "live",
        "comparison",
    ),
    *("plots", "result_plots", "fusion_plots"),
]
USE_KERAS = {
    *("device_extraction", "input_pipeline", "features", "devices", "runs", "callbacks", "training", "learning_check"),
    *("evaluation", "probes", "inference", "live"),
}
USE_TENSORFLOW = {"devices"}  # tf.distribute, which Keras has no name for, where TensorFlow is the backend
FILES = sorted([*(ROOT / "src").glob("*.py"), *(ROOT / "models").glob("*.py")])
every_module = pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")


def name_of(path):
    """As in `ORDER`; "" for src/__init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part not in ("src", "__init__"))


def imported(path):
    """Full names of all that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here. Found: a relative one, line {node.lineno}"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own_modules(path):
    """The modules of `ORDER` that a file imports."""
    names = {name.removeprefix("src.") for name in imported(path) if name.split(".")[0] in ("src", "models")}
    return {module for module in ORDER for name in names if name == module or name.startswith(f"{module}.")}


def test_every_module_has_its_place():
    assert {name_of(path) for path in FILES} <= {*ORDER, "", "models"}


@every_module
def test_modules_import_only_from_those_above(path):
    name = name_of(path)
    above = ORDER[: ORDER.index(name)] if name in ORDER else []
    assert own_modules(path) <= set(above)


@every_module
def test_nothing_imports_tensorflow(path):
    uses = any(name.split(".")[0] == "tensorflow" for name in imported(path))
    assert not uses or name_of(path) in USE_TENSORFLOW


@every_module
def test_keras_is_kept_where_it_belongs(path):
    uses = any(name.split(".")[0] == "keras" for name in imported(path))
    assert not uses or path.parent.name == "models" or name_of(path) in USE_KERAS


def test_preprocessing_needs_neither_keras_nor_figures():
    """Its processes start in a second, not in ten."""
    needed, waiting = set(), {"preprocessing"}
    while waiting:
        module = waiting.pop()
        needed.add(module)
        waiting |= own_modules(ROOT / "src" / f"{module}.py") - needed
    packages = {name.split(".")[0] for module in needed for name in imported(ROOT / "src" / f"{module}.py")}
    assert needed >= {"video", "optical_flow", "clip_store", "config", "extraction", "plan"}
    assert not packages & {"keras", "tensorflow", "jax", "torch", "matplotlib", "sklearn"}
