"""Runs the two notebooks from top to bottom, as `make demo` and `make notebooks` do.

python run_notebooks.py                    the executed copies go to executed/; nothing in git changes
python run_notebooks.py --renew            also replaces the outputs kept in git and the images in docs/images,
                                           by a run in a new, empty folder
"""

import argparse
import base64
import io
import json
import os
import re
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from PIL import Image, ImageSequence

from src.metrics import accuracy_table, describe_protocol  # not from src.evaluation: Keras would take seconds

ROOT = Path(__file__).resolve().parent
NOTEBOOKS = ("preprocess_data.ipynb", "train_models.ipynb")
RUN_NAME = "demo"
SHOWN = 8  # slowest cells that are listed
EXECUTED = "executed"  # a folder of its own: in those of the data and of the run, it would be a foreign file
IMAGES = ROOT / "docs" / "images"
# Figures kept in git have few colours and fewer pixels, and animations fewer bytes: 300 KB a notebook at most.
KEPT_COLOURS = {NOTEBOOKS[0]: 48, NOTEBOOKS[1]: 32}
KEPT_STYLE = "figure.dpi: 75\nsavefig.dpi: 100\n"  # matplotlibrc
KEPT_BYTES = 14_000  # of an animation
ANIMATION = re.compile("(?<=data:image/webp;base64,)[A-Za-z0-9+/=]+")
# TensorFlow's lines about its own build, written before any setting of a log level counts.
GREETING = re.compile(r"[IWE]\d{4} \d\d:|WARNING: All log messages before absl|To enable the following instructions")


def main():
    """Runs both notebooks on the bundled sample, and prints the table of accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renew", action="store_true", help="replace the outputs kept in git")
    if not parser.parse_args().renew:
        run_both(ROOT)
        return
    with tempfile.TemporaryDirectory() as folder:
        executed = run_both(Path(folder), KEPT_STYLE)
        for notebook in executed.values():
            _write_images(notebook, Path(folder) / "runs" / RUN_NAME)
    for name, notebook in executed.items():
        nbformat.write(_for_git(notebook, KEPT_COLOURS[name]), ROOT / name)


def run_both(folder: Path, style: str | None = None) -> dict:
    """Runs both notebooks with `folder` as their working directory; returns the executed notebooks by name.

    `style` is the content of a matplotlibrc.
    """
    run = folder / "runs" / RUN_NAME
    if style:
        (folder / "matplotlibrc").write_text(style)
    executed = {}
    for name, parameters in zip(NOTEBOOKS, ({}, {"run_name": RUN_NAME}), strict=True):
        print(f"\n{name}", flush=True)
        notebook = nbformat.read(ROOT / name, as_version=4)
        executed[name] = execute(notebook, parameters, folder / EXECUTED / name, folder)
    print("\nThe slowest cells:", *slowest_cells(executed), sep="\n")
    accuracies = json.loads((run / "metrics.json").read_text())
    print("\n" + accuracy_table(accuracies).round(3).to_string())
    print(describe_protocol(accuracies["protocol"], "test", accuracies["test"]["n"]))
    if folder == ROOT:
        print(f"\nWhere to look: {EXECUTED}/*.ipynb (the executed notebooks), and in runs/{RUN_NAME}: *.png (figures),")
        print("*.keras (models), metrics.json (numbers), atlas.html (the clips behind the numbers).")
    return executed


def execute(notebook, parameters: dict, copy: Path, folder: Path = ROOT):
    """Runs a notebook in a working directory, with `parameters` set after its cell with that tag.

    The executed copy is written even if the notebook fails. It shows outputs of this run alone.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    if parameters:
        values = nbformat.v4.new_code_cell("\n".join(f"{name} = {value!r}" for name, value in parameters.items()))
        values.metadata["tags"] = ["injected-parameters"]
        notebook.cells.insert(place + 1, values)
    client = NotebookClient(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": folder}})
    client.on_cell_start = lambda cell, cell_index: _announce(cell)
    try:
        client.execute(env=os.environ | {"PYTHONPATH": str(ROOT)})
    finally:
        copy.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(_tidy(notebook, folder), copy)
    return notebook


def slowest_cells(executed: dict, count: int = SHOWN) -> list[str]:
    """A line for each of the slowest cells, the slowest first: its seconds, notebook and heading.

    Args:
        executed: executed notebooks by name.
        count: of lines, at most.
    """
    lines = []
    for name, notebook in executed.items():
        heading = ""
        for cell in notebook.cells:
            heading = _heading(cell) or heading
            if times := cell.metadata.get("execution"):
                begin, end = times["iopub.execute_input"], times["shell.execute_reply"]
                seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
                lines.append((seconds, f"{seconds:6.1f} s  {name}: {heading}"))
    return [line for _, line in sorted(lines, reverse=True)[:count]]


def _announce(cell):
    if heading := _heading(cell):
        print("  " + heading, flush=True)


def _heading(cell) -> str:
    """The heading that a cell begins with, or nothing."""
    is_heading = cell.cell_type == "markdown" and cell.source.startswith("#")
    return cell.source.splitlines()[0].lstrip("# ") if is_heading else ""


def _tidy(notebook, folder):
    """Keeps of each output what a reader would see: the last state of progress bars, and no path of this machine."""
    for cell in notebook.cells:
        merged = []
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and merged and merged[-1].get("name") == output.name:
                merged[-1].text += output.text
            else:
                merged.append(output)
        for output in merged:
            if output.output_type == "stream":
                lines = output.text.replace(f"{folder}/", "").replace(f"{ROOT}/", "").split("\n")
                lines = [line.rsplit("\r", 1)[-1] for line in lines if not GREETING.match(line)]
                output.text = "\n".join(lines)
            if folder == ROOT and "text/html" in output.get("data", {}):  # the copy lies one folder deeper
                output.data["text/html"] = output.data["text/html"].replace('src="runs/', 'src="../runs/')
        merged = [output for output in merged if output.get("text", "-").strip()]
        if cell.cell_type == "code":
            cell.outputs = merged
    return notebook


def _for_git(notebook, colours):
    """Removes the injected cell and times, counts the cells 1..N, and reduces the figures to so many colours."""
    notebook.cells = [c for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.metadata.pop("execution", None)
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _shrink(output.data["image/png"], colours)
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = ANIMATION.sub(_shrink_animation, output.data["text/html"])
    return notebook


def _shrink(png: str, colours: int) -> str:
    """A figure, base64 PNG, with a palette."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    image = image.quantize(colours, kmeans=2, dither=Image.Dither.NONE)
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def _shrink_animation(found: re.Match) -> str:
    """An animation, base64 WebP, of the same frames and speed, in fewer bytes."""
    from src.plots import play_clip  # imported here: matplotlib is not needed without --renew

    images = ImageSequence.Iterator(Image.open(io.BytesIO(base64.b64decode(found[0]))))
    frames, times = zip(*((np.asarray(image.convert("RGB")), image.info["duration"]) for image in images), strict=True)
    repeated = np.repeat(frames, np.array(times) // min(times), axis=0)  # WebP joins equal frames
    return base64.b64encode(play_clip(repeated, sum(times) / 1000, "", KEPT_BYTES).webp).decode()


def _write_images(notebook, run):
    """Writes the figure of each cell tagged figure-NAME as docs/images/NAME.png: as the run saved it, or as shown."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for cell in notebook.cells:
        names = [tag.removeprefix("figure-") for tag in cell.metadata.get("tags", []) if tag.startswith("figure-")]
        outputs = [output.get("data", {}) for output in cell.get("outputs", [])]
        images = [data["image/png"] for data in outputs if "image/png" in data]
        for name, image in zip(names, images, strict=False):  # most cells have no such tag
            saved = run / f"{name}.png"
            (IMAGES / saved.name).write_bytes(saved.read_bytes() if saved.exists() else base64.b64decode(image))


if __name__ == "__main__":
    sys.exit(main())
