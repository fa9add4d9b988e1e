"""Both notebooks, run from top to bottom on a tiny data set, with nothing but their parameters changed."""

import base64
import io
import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient.exceptions import CellExecutionError
from PIL import Image

from run_notebooks import KEPT_BYTES, _for_git, _shrink, execute, slowest_cells
from src.plots import play_clip

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ("preprocess_data.ipynb", "train_models.ipynb")
RUN = "test_notebooks"


@pytest.fixture(scope="module", params=["store", "layer"])
def executed(request, tiny_ssv2, tmp_path_factory):
    """(executed notebooks, folder of the run), in a folder of their own."""
    folder = tmp_path_factory.mktemp("notebooks")
    store = {"source": str(tiny_ssv2), "short_side": 48, "num_segments": 2, "flow_length": 3}
    store["flow_source"] = request.param
    train = {"run_name": RUN, "spatial_weights": "compact", "crop_size": 32, "spatial_steps": 1, "temporal_steps": 1}
    notebooks = [
        execute(nbformat.read(ROOT / name, as_version=4), parameters, folder / name, folder)
        for name, parameters in zip(NOTEBOOKS, (store, train), strict=True)
    ]
    return notebooks, folder / "runs" / RUN


@pytest.mark.slow
def test_every_figure_is_shown(executed):
    for notebook in executed[0]:
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        drawing = [cell for cell in code if "plots.plot_" in cell.source and "plot_histories" not in cell.source]
        assert len(drawing) >= 4
        for cell in drawing:
            assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source


@pytest.mark.slow
def test_the_run_leaves_what_it_promises(executed):
    run = executed[1]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["protocol"] | {"subset": "", "store": ""} == {
        "subset": "", "store": "", "segments": 2, "crops": 3, "seed": 0,
    }  # fmt: skip
    for split in ("validation", "test"):
        assert set(metrics[split]) == {"n", "majority_class", "spatial", "temporal", "fused", "baselines"}
    for name in ("config.json", "history_spatial.csv", "history_temporal.csv", "scores_test.npz", "two_stream.keras"):
        assert (run / name).is_file()


@pytest.mark.slow
def test_outputs_for_git_have_no_trace_of_the_run(executed):
    for notebook in executed[0]:
        kept = _for_git(nbformat.from_dict(notebook), 96)
        code = [cell for cell in kept.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
        assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in kept.cells)


def test_the_slowest_cells_are_named_by_their_headings():
    cells = [nbformat.v4.new_markdown_cell("# Title"), *(nbformat.v4.new_code_cell("1") for _ in range(3))]
    cells.insert(2, nbformat.v4.new_markdown_cell("## Middle\n\nIts text."))
    for cell, second in zip((cells[1], cells[3]), (3, 9), strict=True):  # the last one was not run
        ends = f"2026-01-01T00:00:{second:02d}.5Z"
        cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z", "shell.execute_reply": ends}
    executed = {"a.ipynb": nbformat.v4.new_notebook(cells=cells)}
    assert slowest_cells(executed) == ["   9.5 s  a.ipynb: Middle", "   3.5 s  a.ipynb: Title"]
    assert slowest_cells(executed, count=1) == ["   9.5 s  a.ipynb: Middle"]


@pytest.mark.slow
def test_the_copy_of_a_run_that_fails_shows_nothing_of_another(tmp_path):
    cells = ["1 + 1", "1 / 0", "'later'"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.cells[0].metadata["tags"] = ["parameters"]
    for cell in notebook.cells:
        cell.outputs = [nbformat.v4.new_output("stream", text="of another run")]
        cell.execution_count = 7
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(notebook, {}, tmp_path / "copy" / "failed.ipynb", tmp_path)
    kept = nbformat.read(tmp_path / "copy" / "failed.ipynb", as_version=4).cells
    assert [output.output_type for cell in kept for output in cell.outputs] == ["execute_result", "error"]
    assert [cell.execution_count for cell in kept] == [1, 2, None]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_in_git_is_small_and_has_one_parameter_a_line(name):
    assert (ROOT / name).stat().st_size <= 300_000
    cells = json.loads((ROOT / name).read_text())["cells"]
    (parameters,) = (cell for cell in cells if "parameters" in cell["metadata"].get("tags", []))
    for line in parameters["source"]:
        assert line.split("#")[0].count("=") == 1 and "# " in line, line


def test_a_shrunk_figure_looks_alike():
    ramp = np.linspace(0, 255, 200).astype(np.uint8)
    figure = np.stack([np.tile(ramp, (100, 1)), np.full((100, 200), 90, np.uint8), np.zeros((100, 200), np.uint8)], -1)
    content = io.BytesIO()
    Image.fromarray(figure).save(content, "PNG")
    content = _shrink(base64.b64encode(content.getvalue()).decode(), 96)
    small = Image.open(io.BytesIO(base64.b64decode(content)))
    assert small.mode == "P"
    assert np.abs(np.asarray(small.convert("RGB"), int) - figure).mean() < 3


def test_an_animation_for_git_is_small_and_plays_alike():
    rng = np.random.default_rng(0)
    textures = np.kron(rng.integers(60, 200, (9, 16, 20, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    frames = textures[[0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8]] + rng.integers(0, 20, (1, 128, 160, 1), np.uint8)
    animation = play_clip(frames, 2.4, "run", most_bytes=10**6)
    cell = nbformat.v4.new_code_cell(
        outputs=[nbformat.v4.new_output("display_data", {"text/html": animation._repr_html_()})]
    )
    kept = _for_git(nbformat.v4.new_notebook(cells=[cell]), 96).cells[0].outputs[0].data["text/html"]
    before, after = animation._repr_html_().split(","), kept.split(",")
    assert len(after[1]) < len(before[1]) and after[0] == before[0]  # the same element
    content = base64.b64decode(after[1].split('"')[0])
    assert len(content) <= KEPT_BYTES
    image, milliseconds = Image.open(io.BytesIO(content)), []
    for number in range(image.n_frames):
        image.seek(number)
        image.load()
        milliseconds.append(image.info["duration"])
    assert milliseconds == [600, *[200] * 7, 400]
