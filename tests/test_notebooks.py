"""Both notebooks, run from top to bottom on a tiny data set, with nothing but their parameters changed."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest

from run_notebooks import _for_git, execute

ROOT = Path(__file__).parents[1]
RUN = ROOT / "runs" / "test_notebooks"


@pytest.fixture(scope="module", params=["store", "layer"])
def executed(request, tiny_ssv2, tmp_path_factory):
    data = tmp_path_factory.mktemp("notebooks")
    shutil.rmtree(RUN, ignore_errors=True)
    store = {"source": str(tiny_ssv2), "output": str(data), "short_side": 48, "num_segments": 2, "flow_length": 3}
    store["flow_source"] = request.param
    train = {"data": str(data), "run_name": RUN.name, "spatial_weights": "compact", "crop_size": 32}
    train |= {"training": {"subtract_mean": False}}  # all that moves in these clips is the whole picture
    parameters = {"preprocess_data": store, "train_models": train | {"spatial_epochs": 1, "temporal_epochs": 1}}
    yield {
        name: execute(nbformat.read(ROOT / f"{name}.ipynb", as_version=4), values, data / f"{name}.ipynb")
        for name, values in parameters.items()
    }
    shutil.rmtree(RUN)


def test_every_figure_is_shown(executed):
    for notebook in executed.values():
        code = [cell for cell in notebook.cells if cell.cell_type == "code" and "import" not in cell.source]
        drawing = [cell for cell in code if "plot_" in cell.source]
        assert len(drawing) >= 4
        for cell in drawing:
            assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source


def test_the_run_leaves_what_it_promises(executed):
    metrics = json.loads((RUN / "metrics.json").read_text())
    assert metrics["protocol"] | {"subset": "", "store": ""} == {
        "subset": "", "store": "", "segments": 2, "crops": 3, "seed": 0,
    }  # fmt: skip
    for split in ("validation", "test"):
        assert set(metrics[split]) == {"n", "majority_class", "spatial", "temporal", "fused"}
    for name in ("config.json", "history_spatial.csv", "history_temporal.csv", "scores_test.npz", "two_stream.keras"):
        assert (RUN / name).is_file()


def test_what_git_keeps_has_no_trace_of_the_run(executed):
    for notebook in executed.values():
        kept = _for_git(nbformat.from_dict(notebook))
        code = [cell for cell in kept.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
        assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in kept.cells)
