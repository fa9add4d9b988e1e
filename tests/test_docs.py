"""The pages agree with the repository: links, module paths, names, and the parameters with their defaults."""

import ast
import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from src.config import ClipConfig, TrainConfig

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "datasets" / "README.md", *sorted(DOCS.rglob("*.md"))]
README_LINES = 180
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
OURS = re.compile(r"(?<![\w./-])((?:src|models|tests|benchmarks|docs)/[\w./-]*)")
COMMAND = re.compile(r"python (?:-m ([\w.]+)|([\w/]+\.py))")
IMPORT = re.compile(r"^from (src\.\w+|models) import ([\w, ]+)", re.MULTILINE)
NAMES_IN_MODULE = re.compile(r"((?:`[\w.]+`(?:,|,? and)? )+)(?:in|of) `([\w/]+\.py)`")
NAME = re.compile(r"`(?:\w+\.)?(\w+)`")  # of a method: without its class

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page):
    """The text of a page without its code blocks."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page):
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table_rows(page):
    """(header cell, cells) of each row of each table; the header cell is the first one of the table."""
    lines = prose(page).splitlines()
    header = None
    for before, line in zip(["", *lines], lines, strict=False):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not before.startswith("|"):
            header = cells[0]
        elif not set(line) <= set("|- :"):
            yield header, cells


def notebook_defaults(name):
    """{name: value} of the cell of a notebook that is tagged "parameters"."""
    cells = json.loads((ROOT / name).read_text(encoding="utf-8"))["cells"]
    (source,) = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    defaults = {}
    for node in ast.parse(source).body:
        target, value = node.targets[0], ast.literal_eval(node.value)
        is_single = isinstance(target, ast.Name)
        names, values = ([target], [value]) if is_single else (target.elts, value)
        defaults |= {name.id: value for name, value in zip(names, values, strict=True)}
    return defaults


def config_defaults(config):
    """{name: default} of a dataclass whose fields all have one."""
    assert all(field.default is not MISSING for field in fields(config))
    return {field.name: field.default for field in fields(config)}


PREPROCESSING = config_defaults(ClipConfig), notebook_defaults("preprocess_data.ipynb")
TRAINING = config_defaults(TrainConfig), notebook_defaults("train_models.ipynb")


@each_page
def test_links_lead_to_files_and_headings(page):
    for link in LINK.findall(prose(page)):
        if re.match("[a-z]+:", link):
            continue  # another site
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page}: the link {link} leads to no file"
        assert not anchor or anchor in anchors(target), f"{page}: {target} has no heading for #{anchor}"


@each_page
def test_paths_of_modules_exist(page):
    for path in (path for code in CODE.findall(prose(page)) for path in OURS.findall(code)):
        assert (ROOT / path).exists(), f"{page}: there is no {path}"


@each_page
def test_commands_run_existing_modules(page):
    for module, script in COMMAND.findall(page.read_text(encoding="utf-8")):
        if script or module.startswith("src."):
            path = ROOT / (script or module.replace(".", "/"))
            found = path.exists() if script else path.with_suffix(".py").exists() or (path / "__main__.py").exists()
            assert found, f"{page}: there is no {script or module} to run"


@each_page
def test_names_are_in_the_modules_that_are_said_to_have_them(page):
    found = [(name, path) for names, path in NAMES_IN_MODULE.findall(prose(page)) for name in NAME.findall(names)]
    for name, path in found:
        defined = re.search(
            rf"^ *(?:def {name}\(|class {name}\b|{name}\b.* = )", (ROOT / path).read_text(), re.MULTILINE
        )
        assert defined, f"{page}: {path} does not define {name}"


@each_page
def test_snippets_import_public_names(page):
    for package, names in IMPORT.findall(page.read_text(encoding="utf-8")):
        public = (ROOT / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
        missing = [name for name in names.split(", ") if not re.search(rf"\b{name}\b", public)]
        assert not missing, f"{page}: {package} does not hand on {missing}"


@pytest.mark.parametrize(
    "page, config, notebook",
    [("preprocess-parameters.md", *PREPROCESSING), ("train-parameters.md", *TRAINING)],
)
def test_the_reference_has_every_parameter_with_its_default(page, config, notebook):
    rows = [cells for header, cells in table_rows(DOCS / "reference" / page) if header == "parameter"]
    documented = {name.strip("`"): ast.literal_eval(default.strip("`")) for name, _, default, *_ in rows}
    assert len(documented) == len(rows), "a parameter is documented twice"
    assert documented == config | notebook


@pytest.mark.parametrize("config, notebook", [PREPROCESSING, TRAINING])
def test_the_notebooks_have_the_defaults_of_the_configuration(config, notebook):
    given = {name: notebook[name] for name in config if notebook.get(name) is not None}
    assert given.items() <= config.items()


def test_how_to_tables_name_existing_parameters():
    known = set().union(*PREPROCESSING, *TRAINING)
    rows = [row for page in (DOCS / "how-to").glob("*.md") for row in table_rows(page) if row[0] == "parameter"]
    named = {name for _, cells in rows for name in CODE.findall(cells[0])}
    assert named and named <= known


def test_the_readme_is_a_page_with_a_map_of_all_packages():
    readme = ROOT / "README.md"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= README_LINES
    folders = {cells[0].strip("`/") for header, cells in table_rows(readme) if header == "folder"}
    packages = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "src").glob("*/__init__.py")}
    assert packages | {"models"} <= folders
