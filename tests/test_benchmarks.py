"""Benchmarks can be imported and explain themselves, and the pages show the tables that they wrote."""

import argparse
import importlib
import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import make_subset, prepare, write_good

from src.config import ClipConfig, TrainConfig
from src.cross_validation import HeldOut
from src.inputs import read_clips

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import ablation  # noqa: E402
import command  # noqa: E402
import fits  # noqa: E402
import large_sets  # noqa: E402
import large_sets_stages  # noqa: E402
import last_weights  # noqa: E402
import looking  # noqa: E402
import order  # noqa: E402
import pages  # noqa: E402
import recognition  # noqa: E402
import tables  # noqa: E402
import transfer  # noqa: E402

import training  # noqa: E402

SHARED = {
    "accelerator_data",
    "accelerator_flow",
    "accelerator_networks",
    "accelerator_rows",
    "command",
    "fits",
    "large_sets_stages",
    "tables",
}  # modules without a command of their own
PROGRAMS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem not in SHARED)
TABLE = pd.DataFrame({"way": ["plain", "full"], "seed": [0, 0], "fused": [0.41, 1 / 3]})
PAGE = "Before\n<!-- table: speed -->\n<!-- end -->\nAfter\n"


@pytest.fixture
def origin(monkeypatch):
    """The origin of a table, as of a run of benchmarks/speed.py."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(sys, "argv", ["/somewhere/benchmarks/speed.py", "data", "--clips", "3"])
    return command.describe_origin()


@pytest.mark.parametrize("name", PROGRAMS)
def test_benchmark_explains_itself(name):
    module = importlib.import_module(name)
    assert Path(module.__file__).parent == BENCHMARKS
    assert f"python benchmarks/{name}.py" in module.__doc__
    assert callable(module.main)


def test_origin_names_no_absolute_path(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    arguments = [str(ROOT / "datasets" / "a"), "--set", "weights=/home/someone/w.keras", "my clips"]
    found = command.describe_command([str(BENCHMARKS / "speed.py"), *arguments])
    assert found == "KERAS_BACKEND=jax python benchmarks/speed.py datasets/a --set weights=w.keras 'my clips'"


def test_table_is_read_as_it_was_written(tmp_path, origin):
    assert tables.write_table("speed", TABLE, ["way", "seed"], tmp_path)
    found, table = tables.read_table("speed", tmp_path)
    assert found == origin
    assert found["command"] == "python benchmarks/speed.py data --clips 3"
    assert table.to_dict("list") == {"way": ["plain", "full"], "seed": ["0", "0"], "fused": ["0.410", "0.333"]}


def test_partial_run_leaves_a_table_as_it_is(tmp_path, capsys):
    tables.write_table("speed", TABLE, ["way", "seed"], tmp_path)
    before = (tmp_path / "speed.csv").read_bytes()
    assert not tables.write_table("speed", TABLE[1:].assign(fused=0.5), ["way", "seed"], tmp_path)
    assert (tmp_path / "speed.csv").read_bytes() == before
    assert "speed.csv: unchanged, because this run lacks its rows [('plain', '0')]" in capsys.readouterr().out
    more = pd.concat([TABLE, TABLE.assign(seed=1)])
    assert tables.write_table("speed", more, ["way", "seed"], tmp_path)
    assert len(tables.read_table("speed", tmp_path)[1]) == 4


def test_table_is_written_only_under_a_name_that_was_given(tmp_path, capsys):
    assert not tables.write_table(None, TABLE, ["way", "seed"], tmp_path)
    assert not list(tmp_path.iterdir())
    assert "--table NAME writes docs/results/NAME.csv" in capsys.readouterr().out
    assert command.make_parser("").parse_args([]).table is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.975, "0.975"), (0.41, "0.410"), (1.0, "1.00"), (405.2, "405"), (25307.4, "25307"), (1.6e-4, "0.000160")],
)
def test_floats_have_three_significant_digits(value, text, tmp_path):
    tables.write_table("one", pd.DataFrame({"key": ["a"], "value": [value]}), ["key"], tmp_path)
    assert tables.read_table("one", tmp_path)[1]["value"].tolist() == [text]


def test_page_shows_the_table_and_its_origin(tmp_path, origin):
    tables.write_table("speed", TABLE, ["way", "seed"], tmp_path / "docs" / "results")
    page = tmp_path / "README.md"
    page.write_text(PAGE)
    assert pages.update_pages(tmp_path, write=False) == [page]
    assert page.read_text() == PAGE
    assert pages.update_pages(tmp_path, write=True) == [page]
    text = page.read_text()
    assert "| way | seed | fused |\n| --- | ---: | ---: |\n| plain | 0 | 0.410 |\n| full | 0 | 0.333 |\n" in text
    assert f"`{origin['command']}`, {origin['date']}, {origin['machine']}, commit {origin['commit']}\n" in text
    assert text.startswith("Before\n") and text.endswith("<!-- end -->\nAfter\n")
    assert pages.update_pages(tmp_path, write=False) == []


def test_page_names_the_source_of_published_numbers(tmp_path):
    (tmp_path / "others.csv").write_text("# published: A et al. 2021, table 2\nway,top-1\naverage,33.9\nours,\n")
    text = pages.render_block("others", None, tmp_path)
    assert "| way | top-1 |\n| --- | ---: |\n| average | 33.9 |\n| ours |  |\n" in text
    assert "`others.csv`: published in A et al. 2021, table 2; not measured here\n" in text


def test_page_shows_rows_of_the_accelerator(tmp_path, origin):
    values = [("layer", "clips 8", "pairs/s", 2.647e4, "jax"), ("layer", "clips 1", "pairs/s", 0.5, "jax")]
    values += [("layer", "clips 8", "pairs/s", 4.0, "torch"), ("layer", "clips 8", "MB", 1.0, "jax")]
    values += [("cores", "clips 8", "pairs/s", 3.0, ""), ("copy", "clips 8", "GB/s", 5.0, "jax")]
    table = pd.DataFrame(values, columns=["row", "parameters", "unit", "value", "backend"])
    tables.write_table("card", table, list(table), tmp_path)
    text = pages.render_block("card", None, tmp_path, "layer; cores in pairs/s")
    assert "| parameters | layer, jax, pairs/s | layer, torch, pairs/s | cores, pairs/s |\n" in text
    assert "| clips 8 | 26470 | 4.00 | 3.00 |\n| clips 1 | 0.500 |  |  |\n" in text
    assert "| parameters | GB/s |\n| --- | ---: |\n| clips 8 | 5.00 |\n" in pages.render_block(
        "card", None, tmp_path, "copy"
    )
    assert pages.BLOCK.search(text)["of"] == "layer; cores in pairs/s"


def test_page_shows_means_by_columns(tmp_path, origin):
    tables.write_table("speed", pd.concat([TABLE, TABLE.assign(seed=1, fused=[0.43, 1])]), ["way", "seed"], tmp_path)
    text = pages.render_block("speed", "way", tmp_path)
    assert "| way | seeds | fused |\n| --- | ---: | ---: |\n| plain | 2 | 0.420 |\n| full | 2 | 0.666 |\n" in text
    assert text.startswith("<!-- table: speed by way -->\n")
    assert pages.BLOCK.search(text)["by"] == "way"


def test_a_table_without_a_file_is_not_measured(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(PAGE + "<!-- table: summary -->\n<!-- end -->\n")
    measured = pd.DataFrame({"way": "full", "seed": [0, 1], "spatial": 0.5, "temporal": 0.7, "fused": [0.7, 0.8]})
    majority = pd.DataFrame({"way": ["majority class"], "seed": 0, "spatial": 1 / 6, "temporal": 1 / 6, "fused": 1 / 6})
    measured = pd.concat([majority, measured]).assign(n=60)
    tables.write_table("recognition_ut", measured, ["way", "seed"], tmp_path / "docs" / "results")
    pages.update_pages(tmp_path, write=True)
    text = page.read_text()
    assert "<!-- table: speed -->\n*Not measured yet: no `speed.csv`.*\n<!-- end -->\nAfter\n" in text
    assert "one fold a sequence | this project | none | 60 | 2 | 0.167 | 0.500 | 0.700 | 0.750 |" in text
    assert "From `docs/results/recognition_ut.csv`.\n" in text
    assert pages.update_pages(tmp_path, write=True) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [("", "none"), ("--set a=1 --set b=x", "a=1, b=x"), ("--set a=1 --set b=2 --set c=3", "3, chosen for this data")],
)
def test_summary_says_which_parameters_were_set(given, text):
    assert pages.describe_parameters({"command": f"python benchmarks/recognition.py data {given}"}) == text


def test_pages_of_the_repository_are_up_to_date():
    stale = pages.update_pages(ROOT, write=False)
    assert not stale, f"run: python benchmarks/pages.py. Out of date: {stale}"


def test_check_names_the_page_of_a_changed_table(tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png"))
    shutil.copy(ROOT / "README.md", tmp_path)
    table = tmp_path / "docs" / "results" / "store_formats_gray.csv"
    table.write_text(table.read_text() + table.read_text().splitlines()[-1] + "\n")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks/pages.py", "--check"])
    with pytest.raises(SystemExit, match="1"):
        pages.main()
    assert capsys.readouterr().out == "docs/results/format.md: out of date\n"


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("| a |\n| --- |\n| 0.5 |", True),
        ("| a |\n| --- |\n| one of 2016 |", False),  # no measured number
        ("Measured by hand: 2026-11-27,\n2 cores.\n\n| 0.5 |", False),
        ("Measured by hand on 2 cores.\n\n| 0.5 |", True),  # when?
        ("Published:\n\n| 0.5 |", False),
        ("<!-- table: speed -->\n| 0.5 |\n\n`speed.csv`: …\n<!-- end -->", False),
        ("<!-- table: speed -->\n*Not measured yet: no `speed.csv`.*\n<!-- end -->", True),
    ],
)
def test_a_table_says_where_its_numbers_are_from(text, without, tmp_path):
    (tmp_path / "page.md").write_text(
        f"# Page\n\n## Other\n\nMeasured by hand: 2026-11-27, 2 cores.\n\n## Speed\n\n{text}\n"
    )
    assert pages.find_without_origin(tmp_path) == (["page.md: Speed"] if without else [])


def run_benchmark(monkeypatch, module, *arguments):
    """The table that the main function of a benchmark would write."""
    kept = []
    monkeypatch.setattr(module, "write_table", lambda name, table, keys: kept.append(table))
    monkeypatch.setattr(sys, "argv", [f"{module.__name__}.py", *map(str, arguments)])
    module.main()
    return kept[0]


def run_recognition(monkeypatch, folder, *options):
    """The accuracies by way that benchmarks/recognition.py finds on a prepared folder, in networks of two steps."""
    steps = [argument for name in ("spatial_steps", "temporal_steps") for argument in ("--set", f"{name}=2")]
    given = (folder, "--seeds", 1, *steps, "--set", "crop_size=32", *options)
    return run_benchmark(monkeypatch, recognition, *given).set_index("way")


def test_without_folds_the_splits_of_the_folder_are_used():
    clips = pd.DataFrame({"video_id": ["a"]})
    assert fits.divide(clips, argparse.Namespace(folds=None))[0] is clips


@pytest.mark.slow
def test_folds_answer_each_clip_once(tiny_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run_recognition(monkeypatch, tiny_store[0], "--folds", 3, "--ways", "majority class", "statistics")
    assert (found.n == 24).all()
    assert found.loc["statistics", "temporal"] > 0.9  # still, right and left
    assert found.loc["majority class", ["spatial", "temporal", "fused"]].nunique() == 1


@pytest.mark.slow
def test_recognition_continues_with_what_is_fitted(tiny_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = run_recognition(monkeypatch, tiny_store[0])
    assert first.index.tolist() == ["majority class", "statistics", "plain", "full"]
    assert first.loc["full", ["svm", "used", "fused, balanced"]].between(0, 1).all()
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.keras")}
    assert len(trained) == 2 * 2
    pd.testing.assert_frame_equal(run_recognition(monkeypatch, tiny_store[0]), first)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.keras")} == trained


@pytest.mark.slow
def test_backbone_has_the_temporal_stream_of_full(tiny_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = shutil.copytree(tiny_store[0], tmp_path / "data")  # features are written beside the clips
    images = keras.Input((32, 32, 3))
    keras.Model(images, keras.layers.Conv2D(4, 3, 16)(images)).save("backbone.keras")
    found = run_recognition(monkeypatch, root, "--ways", "full", "backbone", "--backbone", "backbone.keras")
    assert found.temporal.nunique() == 1
    assert len(list(tmp_path.rglob("temporal.keras"))) == 1
    assert len(list(tmp_path.rglob("spatial.keras"))) == 2


def test_fewer_segments_are_evenly_spaced_over_the_stored_ones(tiny_store):
    clips, store, _ = read_clips(tiny_store[0])
    one, name = fits.FewerSegments(store, 1), clips.clip_name[0]
    assert one.config.num_segments == 1
    np.testing.assert_array_equal(one.read_frame(name, 0), store.read_frame(name, 1))
    np.testing.assert_array_equal(one.read_stack(name, 0), store.read_stack(name, 1))
    assert store.config.num_segments == 2


def test_summary_of_answers_counts_by_hand():
    answers = pd.DataFrame(
        {"group": list("aabc"), "label": [0, 0, 0, 1], "spatial": 0, "temporal": 1, "fused": [0, 0, 1, 1]}
    )
    found = recognition.summarize(answers)
    assert (found["n"], found["spatial"], found["temporal"], found["fused"]) == (4, 0.75, 0.25, 0.75)
    assert np.isnan(found["svm"]) and np.isnan(found["used"])
    assert found["temporal, balanced"] == 0.5
    assert found["fused, balanced"] == pytest.approx((2 / 3 + 1) / 2)


def test_last_and_best_weights_are_compared_by_hand():
    validation = np.array([[1, 1, 0], [1, 1, 1], [1, 1, 1], [0, 1, 1]], bool)
    test = np.array([[1, 0], [0, 0], [1, 1], [1, 0]], bool)
    assert last_weights.best_round(validation) == 2  # the latest of two
    found = last_weights.compare({"validation": validation, "test": test}, "all")
    assert found == {"n": 2, "last": 1, "best": 2, "rounds before the last": 1}
    one = last_weights.compare({"validation": validation[:, 1:2], "test": test}, 1)  # right in all rounds
    assert (one["best"], one["rounds before the last"]) == (1, 0)
    rows = [{"seed": seed, "validation clips": "all", **found} for seed in (0, 1)]
    table = last_weights.summarize(pd.DataFrame(rows + [rows[0] | {"best": 0}]))
    assert table.loc[0, ["last", "best"]].tolist() == [0.5, 0.75]  # mean of (2 + 0) / 4 and 2 / 2
    assert table.loc[0, "best - last, points"] == 25


@pytest.mark.slow
def test_rounds_are_fitted_once_and_kept(tiny_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clips, store, class_names = read_clips(tiny_store[0])
    config = TrainConfig(temporal_crop_size=32, temporal_steps=12, batch_size=4)
    right = last_weights.fit_rounds(clips, store, class_names, config)
    assert {split: rounds.shape for split, rounds in right.items()} == {"validation": (12, 6), "test": (12, 6)}
    monkeypatch.setattr(last_weights, "predict_scores", None)
    np.testing.assert_equal(last_weights.fit_rounds(clips, store, class_names, config), right)


def test_tests_of_order_are_answered_by_hand():
    rows = pd.DataFrame({"class_index": [0, 1, 2]})
    spatial = np.array([[0.5, 0.3, 0.2], [0.2, 0.1, 0.7], [0.1, 0.2, 0.7]])  # the second is wrong, and so in the pair
    temporal = np.array([[0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])  # the first is wrong
    scores = {
        "spatial": dict.fromkeys(order.TESTS, spatial),
        "temporal": {"in order": temporal, "reversed": temporal[::-1], "shuffled": temporal},
    }
    found = order.answer_clips(scores, rows, ["open", "close", "hold"], ["close", "open"]).mean()
    assert found[["spatial", "temporal", "fused"]].to_list() == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert found[["spatial, reversed", "temporal, reversed"]].to_list() == pytest.approx([2 / 3, 1 / 3])
    assert found[["spatial, pair", "temporal, pair", "fused, pair"]].to_list() == [0.5, 0.5, 0.5]
    alone = order.answer_clips({"spatial": scores["spatial"]}, rows, ["open", "close", "hold"], None)
    assert list(alone) == ["spatial", "spatial, reversed", "spatial, shuffled"]


def test_cost_of_a_store_is_that_of_its_files(tiny_store):
    clips, store, _ = read_clips(tiny_store[0])
    cost = order.measure_store(clips, store)
    files = [path for path in store.folder.rglob("*") if path.is_file() and path.parent != store.folder]
    assert cost["kB a clip"] == pytest.approx(sum(path.stat().st_size for path in files) / len(clips) / 1000)
    assert cost["s to extract a clip"] > 0


def test_every_exchanged_label_is_found_where_all_answers_are_right():
    labels = np.repeat(np.arange(4), 15)
    scores = 0.1 + 0.6 * np.eye(4)[labels]
    held_out = HeldOut(pd.DataFrame({"class_index": labels}), {"fused": scores}, None, "")
    table = looking.find_flipped(held_out, list("abcd")).set_index("labels exchanged")
    assert (table["among as many first"] == table.index).all() and (table.clips == 60).all()
    assert (table["suspect"] <= table.index).all() and (table["suspect"] == table["suspect in all"]).all()


def test_mask_is_cropped_as_the_streams_see_it():
    mask = np.zeros((240, 320), bool)
    mask[:, 160:] = True
    found = looking.crop_mask(mask, 128, "spatial", TrainConfig(crop_size=64))
    assert found.shape == (64, 64) and found[:, 32:].all() and not found[:, :32].any()


def test_drawn_textures_rest_or_drift():
    window = looking.draw_texture(np.random.default_rng(0), np.array([2, -1]), 2, 3, (40, 60))
    assert window.shape == (2, 3, 40, 60)
    np.testing.assert_array_equal(window[:, 0, 1:, :-2], window[:, 1, :-1, 2:])
    frames, stacks = looking.draw_clip(np.random.default_rng(0), "still texture", ClipConfig(short_side=32))
    assert frames.shape == (6, 32, 43, 3) and stacks.shape == (6, 32, 43, 20) and (stacks == 128).all()


@pytest.mark.slow
def test_ways_of_order_are_fitted_once_and_continued(tiny_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = "--set", "temporal_steps=2", "--set", "temporal_crop_size=32", "--seeds", 1, "--streams", "temporal"
    first = run_benchmark(monkeypatch, order, tiny_store[0], *given, "--ways", "average", "both")
    assert first.way.tolist() == ["average", "both"] and (first.n == 6).all() and (first.segments == 2).all()
    assert first.loc[0, "temporal"] == first.loc[0, "temporal, reversed"] == first.loc[0, "temporal, shuffled"]
    assert (first["temporal, s"] > 0).all() and "fused" not in first
    monkeypatch.setattr(fits, "fit", None)
    pd.testing.assert_frame_equal(
        run_benchmark(monkeypatch, order, tiny_store[0], *given, "--ways", "average", "both"), first
    )


@pytest.mark.slow
def test_ablation_changes_a_parameter_or_the_segments_in_each_row(tiny_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = "--set", "temporal_steps=2", "--set", "temporal_crop_size=32", "--seeds", 0
    rows = "--rows", "defaults", "one segment", "mean subtracted"
    table = run_benchmark(monkeypatch, ablation, tiny_store[0], *small, *rows)
    assert table["row"].tolist() == ["defaults", "one segment", "mean subtracted"]
    assert (table.n == 6).all()
    runs = [json.loads(path.read_text()) for path in tmp_path.rglob("config.json")]
    found = {(run["clips"]["num_segments"], run["training"]["subtract_mean"]) for run in runs}
    assert found == {(2, False), (1, False), (2, True)}


@pytest.mark.slow
def test_time_of_training_has_a_row_for_each_network(tiny_store, monkeypatch):
    table = run_benchmark(monkeypatch, training, tiny_store[0], "--rounds", 1, "--clips", 6).set_index("network")
    assert table.index.tolist() == ["temporal, small", "temporal, cnn_m", "spatial, compact"]
    assert (table.clips == 6).all() and (table["inputs a step"] == 16 * 2).all()
    assert (table["s a step"] > 0).all() and table.loc["temporal, small", "÷ temporal, small"] == 1


@pytest.mark.slow
def test_transfer_has_a_row_for_each_way_of_using_another_data_set(tiny_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subset = make_subset(write_good(tmp_path, 6))
    prepare(subset.assign(split=["train"] * 4 + ["test"] * 2), tmp_path / "other")
    small = "--set", "temporal_steps=2", "--set", "temporal_crop_size=32", "--seeds", 0
    table = run_benchmark(monkeypatch, transfer, tiny_store[0], "other", *small)
    assert table["way"].tolist() == ["alone", "started from", "multi-task"] and (table.n == 6).all()
    runs = {path.parent: json.loads(path.read_text())["training"] for path in tmp_path.rglob("runs/*/*/config.json")}
    used = sorted((run["temporal_weights"] == "scratch", run["also"]) for run in runs.values() if run["also"])
    assert used == [(True, "other")]
    started = [run["temporal_weights"] for run in runs.values() if run["temporal_weights"] != "scratch"]
    assert len(runs) == 4 and len(started) == 1 and tmp_path / started[0] in runs


def test_large_sets_are_extrapolated_from_the_two_largest():
    """By hand: 9,000 clips more take 9 s and 18 MB more, and 90,000 more 90 s and 180 MB; memory does not shrink."""
    row = large_sets.tabulate({1_000: (1.0, 2.0), 10_000: (10.0, 20.0)})
    assert row["10,000: s"] == "10.0" and (row["100,000: s"], row["100,000: MB"]) == ("(100)", "(200)")
    assert large_sets.tabulate({1_000: (1.0, 9.0), 10_000: (2.0, 8.0)})["100,000: MB"] == "(8.00)"
    assert large_sets.tabulate({1_000: (1.0, 2.0), 100_000: (4.0, 5.0)})["100,000: s"] == "4.00"


@pytest.mark.parametrize(("part", "stage"), [("scores", "predictions as CSV"), ("scores", "doubtful labels")])
def test_a_stage_of_large_sets_is_measured(part, stage, tmp_path):
    seconds, megabytes = large_sets.run_stage(large_sets_stages.STAGES[part][stage], 60, tmp_path / "60")
    assert seconds > 0 and megabytes >= 0
