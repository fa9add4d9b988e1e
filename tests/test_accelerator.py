"""The benchmark of an accelerator runs at a tiny size, without one, and measures nothing twice."""

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import accelerator  # noqa: E402
from accelerator_rows import COLUMNS, FAILED, Rows, read_rows  # noqa: E402


@pytest.fixture
def rows(tmp_path):
    """Rows of a file that is not there yet, for which an hour is left."""
    return Rows(tmp_path / "rows.csv", time.time() + 3600)


def measured(rows):
    """(unit, value) of each row in the file."""
    return [(row["unit"], row["value"]) for row in read_rows(rows.path)]


def test_each_unit_becomes_a_row(rows):
    rows.measure("copy", {"values": 3, "dtype": "float32"}, lambda: {"GB/s": 1234.56, "ms": 2.0})
    first, second = read_rows(rows.path)
    assert tuple(first) == COLUMNS
    assert (first["row"], first["parameters"], first["value"], first["unit"]) == (
        "copy", "values 3, dtype float32", "1235", "GB/s",
    )  # fmt: skip
    assert (second["value"], second["unit"]) == ("2", "ms")
    assert first["backend"] == rows.backend and first["device"] == rows.device


def test_what_the_file_has_is_not_measured_again(rows):
    rows.measure("copy", {"values": 3}, lambda: {"GB/s": 1.0})
    again = Rows(rows.path, rows.until)
    again.measure("copy", {"values": 3}, lambda: {"GB/s": 2.0})
    again.measure("copy", {"values": 4}, lambda: {"GB/s": 3.0})
    assert measured(rows) == [("GB/s", "1"), ("GB/s", "3")]


def test_rows_follow_the_comments_of_a_file(rows):
    rows.path.write_text("# command: python benchmarks/accelerator.py\n")
    rows.measure("copy", {}, lambda: {"GB/s": 1.0})
    rows.measure("copy", {"values": 4}, lambda: {"GB/s": 3.0})
    assert measured(rows) == [("GB/s", "1"), ("GB/s", "3")]
    assert rows.path.read_text().splitlines()[:2] == ["# command: python benchmarks/accelerator.py", ",".join(COLUMNS)]


def test_an_error_is_a_row_and_is_tried_again(rows):
    rows.measure("copy", {}, lambda: 1 / 0)
    assert measured(rows) == [(FAILED, "ZeroDivisionError: division by zero")]
    Rows(rows.path, rows.until).measure("copy", {}, lambda: {"GB/s": 2.0})
    assert measured(rows)[1:] == [("GB/s", "2")]


def test_nothing_starts_when_the_time_is_over(rows, capsys):
    rows.until = time.time() - 1
    rows.measure("copy", {"values": 3}, lambda: {"GB/s": 1.0})
    assert measured(rows) == []
    assert "copy, values 3" in capsys.readouterr().out


def test_rows_of_cores_have_no_backend(rows):
    rows.measure("OpenCV", {}, lambda: {"pairs/s": 1.0}, cores=True)
    assert read_rows(rows.path)[0]["backend"] == ""


def test_chosen_sections_share_the_time(tmp_path, monkeypatch):
    started = {}
    monkeypatch.setattr(accelerator, "start_section", lambda name, arguments, seconds: started.update({name: seconds}))
    monkeypatch.setattr(accelerator, "finish", lambda *arguments: None)
    given = ["--csv", str(tmp_path / "rows.csv"), "--minutes", "2", "--backends", "jax", "--sections"]
    monkeypatch.setattr(sys, "argv", ["accelerator.py", *given, "data", "other-flow"])
    accelerator.main()
    assert list(started) == ["data"]  # the other one is for a second backend
    assert started["data"] == pytest.approx(120, abs=5)
    monkeypatch.setattr(sys, "argv", ["accelerator.py", *given, "networks"])
    accelerator.main()
    assert list(started) == ["data", "networks", "few-workers", "head"]


@pytest.mark.slow
def test_all_sections_run_at_a_tiny_size(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    backend = accelerator.find_backends()[0]
    arguments = ["--csv", str(path), "--tiny", "--minutes", "60", "--backends", backend]
    monkeypatch.setattr(sys, "argv", ["accelerator.py", *arguments])
    accelerator.main()
    found = read_rows(path)
    assert [row for row in found if row["unit"] == FAILED] == []
    assert {row["row"] for row in found} >= {
        "agreement with OpenCV", "layer, compiled", "stage of the layer", "OpenCV", "training, spatial",
        "training, temporal", "one-file model", "extraction", "batches", "training from the store", "head",
    }  # fmt: skip
    extracted = {row["parameters"].removeprefix("flow on ") for row in found if row["row"] == "extraction"}
    assert extracted == {"device, workers 2, clips 6", "cores, workers 2, clips 6", "cores, workers 1, clips 3"}
    agreement = [float(row["value"]) for row in found if row["unit"] == "px, mean of the worst clip"]
    assert max(agreement) < 1e-4
    assert all(float(row["value"]) > 0 for row in found if row["unit"].endswith("/s"))
