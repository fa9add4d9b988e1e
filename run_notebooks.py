"""Runs the two notebooks top to bottom, as `make demo` and `make notebooks` do.

    python run_notebooks.py                    executed copies go beside their results, nothing in git changes
    python run_notebooks.py --renew            the outputs kept in git, and the README's pictures, are replaced
"""

import argparse
import base64
import json
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from src.evaluation import describe_protocol
from src.metrics import accuracy_table

NOTEBOOKS = ("preprocess_data.ipynb", "train_models.ipynb")
DATA, RUN_NAME = "datasets/ssv2-mini", "demo"
PICTURES = Path("docs/images")
# TensorFlow's lines about its own build, written before any setting of a log level counts.
GREETING = re.compile(r"[IWE]\d{4} \d\d:|WARNING: All log messages before absl|To enable the following instructions")


def main():
    """Both notebooks on the bundled sample; the table of accuracies at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renew", action="store_true", help="replace the outputs kept in git")
    renew = parser.parse_args().renew
    run = Path("runs") / RUN_NAME
    for name, results, parameters in zip(NOTEBOOKS, (Path(DATA), run), ({}, {"run_name": RUN_NAME}), strict=True):
        print(f"\n{name}", flush=True)
        results.mkdir(parents=True, exist_ok=True)
        executed = execute(nbformat.read(name, as_version=4), parameters, results / name)
        if renew:
            nbformat.write(_for_git(executed), name)
            _write_pictures(executed)
    accuracies = json.loads((run / "metrics.json").read_text())
    print("\n" + accuracy_table(accuracies).round(3).to_string())
    print(describe_protocol(accuracies["protocol"], "test", accuracies["test"]["n"]))
    print(f"\nWhere to look: {run}/train_models.ipynb and {DATA}/preprocess_data.ipynb (the executed notebooks),")
    print(f"{run}/*.png (figures), {run}/*.keras (models), {run}/metrics.json (numbers).")


def execute(notebook, parameters: dict, copy: Path):
    """Runs a notebook, with `parameters` set after its cell of that tag; the executed copy is kept even on failure."""
    place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    if parameters:
        values = nbformat.v4.new_code_cell("\n".join(f"{name} = {value!r}" for name, value in parameters.items()))
        values.metadata["tags"] = ["injected-parameters"]
        notebook.cells.insert(place + 1, values)
    client = NotebookClient(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": "."}})
    client.on_cell_start = lambda cell, cell_index: _announce(cell)
    try:
        client.execute()
    finally:
        nbformat.write(_tidy(notebook), copy)
    return notebook


def _announce(cell):
    if cell.cell_type == "markdown" and cell.source.startswith("#"):
        print("  " + cell.source.splitlines()[0].lstrip("# "), flush=True)


def _tidy(notebook):
    """What a reader would see: a progress bar redraws itself after each carriage return; no path of this machine."""
    for cell in notebook.cells:
        merged = []
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and merged and merged[-1].get("name") == output.name:
                merged[-1].text += output.text
            else:
                merged.append(output)
        for output in merged:
            if output.output_type == "stream":
                lines = output.text.replace(f"{Path.cwd()}/", "").split("\n")
                lines = [line.rsplit("\r", 1)[-1] for line in lines if not GREETING.match(line)]
                output.text = "\n".join(lines)
        merged = [output for output in merged if output.get("text", "-").strip()]
        if cell.cell_type == "code":
            cell.outputs = merged
    return notebook


def _for_git(notebook):
    """Without the injected cell and without times, and counted 1..N: what changes in git is what was changed."""
    notebook.cells = [c for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.metadata.pop("execution", None)
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    return notebook


def _write_pictures(notebook):
    """The picture of each cell tagged picture-NAME becomes docs/NAME.png, for the README."""
    PICTURES.mkdir(exist_ok=True)
    for cell in notebook.cells:
        names = [tag.removeprefix("picture-") for tag in cell.metadata.get("tags", []) if tag.startswith("picture-")]
        outputs = [output.get("data", {}) for output in cell.get("outputs", [])]
        pictures = [data["image/png"] for data in outputs if "image/png" in data]
        for name, picture in zip(names, pictures, strict=False):  # most cells have no such tag
            (PICTURES / f"{name}.png").write_bytes(base64.b64decode(picture))


if __name__ == "__main__":
    sys.exit(main())
