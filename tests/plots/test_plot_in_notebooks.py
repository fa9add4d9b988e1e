"""Figures and tables in a Jupyter kernel, whatever the environment says of the backend."""

import json
import os
from itertools import groupby

import nbformat
import pytest
from conftest import LIMIT
from nbclient import NotebookClient

DRAWING = """
import os
import pandas as pd
from src.plots import plot_class_counts
name = os.fsdecode(b"caf\\xe9 $a$ $b$")
table = pd.DataFrame({"label": [name, "walk"], "split": "train"})
plot_class_counts(table);
"""

GROWING = """
import pandas as pd
from src.plots import GrowingHistory
values = {"loss": [2.0, 1.0], "accuracy": [0.1, 0.5], "val_loss": [2.0, 1.0], "val_accuracy": [0.2, 0.4]}
history = pd.DataFrame({"step": [10, 20], "phase": "all layers"} | values)
curves = GrowingHistory("spatial")
for rounds in range(3):
    curves(history[:rounds], 20)
    print("bar")
axes = curves.keep(history)
"""


def run_cells(*sources):
    """The outputs of each cell, run in a new kernel."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = NotebookClient(notebook, kernel_name="python3", timeout=LIMIT, startup_timeout=LIMIT)
    client.execute(env=os.environ | {"PYTHONPATH": os.getcwd()})
    json.dumps(notebook, ensure_ascii=False).encode()  # no surrogates, which a file could not hold
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend", ["Agg", "agg", "TkAgg", "svg", "inline", "module://matplotlib_inline.backend_inline", ""]
)
def test_a_figure_is_shown_once(monkeypatch, backend):
    monkeypatch.setenv("MPLBACKEND", backend)
    first, second = run_cells(DRAWING, "plot_class_counts(table);")
    for outputs in (first, second):
        assert [list(output["data"]) for output in outputs] == [["text/plain", "image/png"]]


@pytest.mark.slow
def test_a_backend_that_the_notebook_chose_stays(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    *_, last = run_cells("import matplotlib; matplotlib.use('pdf')", DRAWING + "print(matplotlib.get_backend())")
    assert [output.get("text") for output in last] == ["pdf\n"]


@pytest.mark.slow
def test_names_are_shown_as_text_and_not_as_formulas():
    _, printed, table = run_cells(DRAWING, "print(name)", "table")
    assert printed[0].text.startswith("caf") and printed[0].text.endswith(" $a$ $b$\n")
    html = table[0]["data"]["text/html"]
    assert "$a$ $b$" in html and "mathjax_ignore" in html


@pytest.mark.slow
def test_growing_curves_leave_one_figure_above_the_progress_bar():
    shown, last = run_cells(GROWING, "import matplotlib.pyplot as plt; len(plt.get_fignums())")
    kinds = [kind for kind, _ in groupby(output.output_type for output in shown)]  # a stream may come in parts
    assert kinds == ["display_data", "stream"]
    assert shown[0]["data"]["text/plain"].startswith("<Figure size") and "image/png" in shown[0]["data"]
    assert "".join(part.text for part in shown[1:]) == "bar\n" * 3 and last[0]["data"]["text/plain"] == "0"
