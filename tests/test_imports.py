"""The data's way has one direction: a package imports only from those above it, and only their public names."""

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = (
    *(
        "src.config_checks",
        "src.config",
        "src.devices",
        "src.progress",
        "src.printing",
        "src.units",
        "src.files",
        "src.image_folder",
        "src.ownership",
    ),
    *("src.sample", "src.sources", "src.flow", "src.video", "src.subsets", "src.fingerprint", "models", "src.store"),
    *("src.preprocessing", "src.inputs", "src.training", "src.metrics", "src.fusion", "src.attention"),
    *("src.evaluation", "src.cross_validation", "src.inference", "src.plots", "src.atlas"),
)
FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "models").glob("*.py")])
READERS = sorted([*(ROOT / "benchmarks").glob("*.py"), *ROOT.glob("*.ipynb"), ROOT / "run_notebooks.py"])
MANY_FIGURES = {"src.plots"}  # one name a figure


def parse(path):
    """The code of a module or of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = (cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
        text = "\n".join("".join(source) for source in cells)
    return ast.parse(text)


def imported(path):
    """(module, name) of all that a file imports, also inside functions; name is "" for `import module`."""
    found = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here. Found: a relative one, line {node.lineno}"
            found |= {(node.module, alias.name) for alias in node.names}
    return found


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module):
    """The entry of `ORDER` that a module of ours belongs to, or None."""
    return next((entry for entry in ORDER if module == entry or module.startswith(f"{entry}.")), None)


def public_names(package):
    """The names that a package's `__init__` imports and so hands on; None for a single module."""
    path = ROOT / package.replace(".", "/") / "__init__.py"
    return {name for _, name in imported(path)} if path.is_file() else None


PUBLIC = {package: public_names(package) for package in ORDER}


def check_public(path, own=None):
    """From another package a file imports nothing but its public names."""
    for module, name in imported(path):
        module, name = (f"src.{name}", "") if module == "src" else (module, name)
        package = package_of(module)
        if package is None or package == own:
            continue
        assert module == package, f"{path}: import from {package}, not from {module}"
        assert not name or PUBLIC[package] is None or name in PUBLIC[package], (
            f"{path}: {package} does not hand on {name}"
        )


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_packages_import_only_from_those_above(path):
    own = package_of(module_name(path))
    assert own or module_name(path) == "src", f"{path}: its package has no place in ORDER"
    check_public(path, own)
    used = {package_of(f"src.{name}" if module == "src" else module) for module, name in imported(path)} - {None, own}
    assert used <= set(ORDER[: ORDER.index(own)] if own else ())


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.name)
def test_notebooks_and_benchmarks_use_public_names(path):
    check_public(path)


@pytest.mark.parametrize("package", [package for package in ORDER if PUBLIC[package]])
def test_modules_of_a_package_import_in_one_direction(package):
    files = [path for path in FILES if package_of(module_name(path)) == package and path.name != "__init__.py"]
    modules = {module_name(path) for path in files}
    graph = {}
    for path in files:
        names = {name for module, name in imported(path) for name in (module, f"{module}.{name}")}
        graph[module_name(path)] = names & modules
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_a_package_has_few_names():
    many = {package: len(names) for package, names in PUBLIC.items() if names and len(names) > 14}
    assert set(many) <= MANY_FIGURES


def test_tensorflow_is_imported_in_one_place():
    """tf.distribute, which Keras has no name for, where TensorFlow is the backend."""
    users = [module_name(path) for path in FILES if any(m.split(".")[0] == "tensorflow" for m, _ in imported(path))]
    assert users == ["src.training.devices"]


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [("src.preprocessing", {"matplotlib", "sklearn"}), ("src.plots", set()), ("run_notebooks", set())],
)
def test_what_needs_no_network_loads_no_keras(module, unneeded):
    """The processes of the extraction start in a second, not in ten, and so does the first notebook."""
    program = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(done.stdout.split())
    assert {"numpy", "src"} <= loaded
    assert not loaded & {"keras", "tensorflow", "jax", "torch", *unneeded}
