"""The table of runs, from folders as runs leave them; means and standard deviations against module `statistics`."""

import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest

from src.config import ClipConfig, TrainConfig
from src.evaluation.comparison import SCORED, SEGMENTS_CROPS, compare_runs
from src.training import start_run

DIGEST = "0123456789ab"
NUMBERS = ["n", "seeds", SEGMENTS_CROPS, "spatial", "spatial sd", "temporal", "temporal sd", "fused", "fused sd"]

pytestmark = pytest.mark.filterwarnings("error")


def make_entry(fused, n):
    """metrics.json's entry of a split; the streams' numbers follow from the fused one's."""
    top1 = {"spatial": fused / 2, "temporal": fused / 4, "fused": fused}
    return {"n": n, "majority_class": 0.5} | {s: {"top1": top1[s], "top5": 1.0, "balanced": top1[s]} for s in SCORED}


def write_run(root, name, fused=0.5, n=8, clips=None, digest=DIGEST, network=None, **training):
    """Writes config.json and metrics.json as a run does; returns its folder."""
    clips, config, folder = clips or ClipConfig(), TrainConfig(**training), root / name
    metrics = {split: make_entry(fused, n) for split in ("validation", "test")}
    segments = config.test_segments or clips.num_segments
    metrics["protocol"] = {"subset": digest, "store": clips.key, "segments": segments}
    metrics["protocol"] |= {"crops": config.test_crops, "seed": config.seed}
    record = {"manifest_digest": digest, "clips": clips.to_dict(), "training": config.to_dict()}
    record |= {"notes": {"spatial_network": {"backbone": network, "weights": None}}} if network else {}
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(record))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def edit(path, change):
    """Rewrites a JSON file after `change` has altered its content."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


# Rows


def test_means_and_deviations_are_those_of_the_runs_in_any_order(tmp_path):
    rng = np.random.default_rng(0)
    top1 = {length: rng.random(seeds).tolist() for length, seeds in ((1, 1), (5, 3), (10, 4))}
    folders = [
        write_run(tmp_path, f"L{length}-{number}", fused, flow_length=length, seed=number)
        for length, values in top1.items()
        for number, fused in enumerate(values)
    ]
    table = compare_runs(rng.permutation(folders).tolist())
    assert table.columns.tolist() == ["runs", "flow_length", *NUMBERS] and set(table.n) == {8}
    table = table.set_index("flow_length")
    assert sorted(table.index) == [1, 5, 10] and table.runs[1] == "L1-0"
    for length, values in top1.items():
        assert table.seeds[length] == len(values)
        deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
        for stream, share in (("fused", 1), ("spatial", 1 / 2), ("temporal", 1 / 4)):
            assert table[stream][length] == pytest.approx(share * statistics.mean(values))
            assert table[f"{stream} sd"][length] == pytest.approx(share * deviation, nan_ok=True)


def test_rows_are_in_the_order_of_their_first_run(tmp_path):
    first, second = write_run(tmp_path, "b"), write_run(tmp_path, "a", augment=False)
    assert compare_runs([first, second]).runs.tolist() == ["b", "a"]
    assert compare_runs(tmp_path).runs.tolist() == ["a", "b"]


def test_the_split_is_that_asked_for(tmp_path):
    folder = write_run(tmp_path, "a", 0.25)
    edit(folder / "metrics.json", lambda metrics: metrics.update(validation=make_entry(0.75, 4)))
    assert compare_runs(folder, "validation")[["n", "fused"]].iloc[0].tolist() == [4, 0.75]
    assert compare_runs(folder, "test")[["n", "fused"]].iloc[0].tolist() == [8, 0.25]


# What differs between the rows


def test_only_the_fields_that_differ_are_columns_and_keep_their_values(tmp_path):
    write_run(tmp_path, "a", 1 / 3, flow_length=None, spatial_weights=None)
    write_run(tmp_path, "b", 2 / 3, flow_length=5, spatial_weights="compact", flip_map={"left": "right"})
    table = compare_runs(tmp_path).round(2)
    assert table.fused.tolist() == [0.33, 0.67]
    assert table.columns.tolist() == ["runs", "spatial_weights", "flow_length", "flip_map", *NUMBERS]
    assert table.flow_length.tolist() == [None, 5] and type(table.flow_length[1]) is int
    assert table.spatial_weights.tolist() == [None, "compact"]
    assert table.flip_map.tolist() == [None, {"left": "right"}]


def test_a_field_that_an_older_run_lacks_is_not_set(tmp_path):
    new, old = write_run(tmp_path, "new", seed=1), write_run(tmp_path, "old")
    edit(old / "config.json", lambda record: record["training"].pop("time_reversal"))
    for order in ([new, old], [old, new]):
        table = compare_runs(order).set_index("runs")
        assert table.time_reversal.to_dict() == {"new": False, "old": "(not set)"}


def test_another_network_found_by_auto_is_another_row(tmp_path):
    for name, backbone in (("online", "resnet50"), ("offline", "compact")):
        write_run(tmp_path, name, network=backbone)
    assert compare_runs(tmp_path).spatial_weights.tolist() == ["auto (compact)", "auto (resnet50)"]


def test_runs_of_one_name_are_told_apart_by_their_path(tmp_path):
    folders = [write_run(tmp_path / place, "plain", augment=place == "x") for place in ("x", "y")]
    assert compare_runs([tmp_path / "x", tmp_path / "y"]).runs.tolist() == [str(folder) for folder in folders]


# Protocols


@pytest.mark.parametrize(
    "changed, line",
    [
        ({"digest": "ba9876543210"}, "subset: '0123456789ab' → 'ba9876543210'"),
        ({"clips": ClipConfig(flow_bound=5)}, f"store: '{ClipConfig().key}' → '{ClipConfig(flow_bound=5).key}'"),
        ({"test_segments": 1}, "segments: 6 → 1"),
        ({"test_crops": 10}, "crops: 3 → 10"),
        ({"n": 9}, "n: 8 → 9"),
    ],
)
def test_numbers_of_another_protocol_are_refused_or_shown_on_request(tmp_path, changed, line):
    folders = [write_run(tmp_path, "a"), write_run(tmp_path, "b", seed=1), write_run(tmp_path, "c", seed=2, **changed)]
    with pytest.raises(ValueError, match=re.escape(line)) as error:
        compare_runs(folders)
    message = str(error.value)
    assert f"Against {folders[0]}: {folders[2]} ({line})" in message and str(folders[1]) not in message
    assert "allow_mixed=True" in message
    table = compare_runs(folders, allow_mixed=True)
    assert table.runs.tolist() == ["a, b", "c"] and table.seeds.tolist() == [2, 1]
    assert set(table) - {"runs", *NUMBERS} == {line.split(":")[0]} & {"subset", "store"}
    new_value = line.split("→ ")[1].strip("'")
    shown = table.drop(columns=["runs", "seeds"]).iloc[1].astype(str)
    assert shown.str.contains(rf"(?:^|× ){new_value}(?: ×|$)").any()


def test_all_runs_that_do_not_fit_are_named_at_once(tmp_path):
    write_run(tmp_path, "a")
    for name in "bc":
        write_run(tmp_path, name, test_crops=1, n=4)
    write_run(tmp_path, "d", digest="ba9876543210")
    with pytest.raises(ValueError) as error:
        compare_runs(tmp_path)
    b, c, d = (tmp_path / name for name in "bcd")
    assert f": {b}, {c} (crops: 3 → 1, n: 8 → 4); {d} (subset: " in str(error.value)


def test_the_table_carries_its_protocol(tmp_path):
    for seed in range(3):
        write_run(tmp_path, f"a{seed}", seed=seed, test_segments=1)
    line = f"test, n = 8, 1 segment × 3 crops, subset {DIGEST}, store {ClipConfig().key}, seed 0 / 1 / 2"
    assert compare_runs(tmp_path).attrs["protocol"] == line
    write_run(tmp_path, "b", n=4, test_segments=1, test_crops=1)
    mixed = line.replace("n = 8", "n = 8 / 4").replace("3 crops", "3 / 1 crops")
    assert compare_runs(tmp_path, allow_mixed=True).round(2).attrs["protocol"] == mixed


def test_older_runs_compare_with_one_another_but_not_with_new_ones(tmp_path):
    """They did not record their crops and the version of the extraction, which may have been any."""
    old = [write_run(tmp_path, f"old-{seed}", seed=seed) for seed in range(2)]
    old.append(write_run(tmp_path, "other", clips=ClipConfig(short_side=256)))
    for folder in old:  # from before metrics.json had a protocol, and TrainConfig these fields
        edit(folder / "metrics.json", lambda metrics: metrics.pop("protocol"))
        edit(folder / "config.json", lambda run: [run["training"].pop(f"test_{name}s") for name in ("segment", "crop")])
    table = compare_runs(old[:2])
    assert table.seeds.tolist() == [2] and table[SEGMENTS_CROPS].tolist() == ["6 × (not set)"]
    with pytest.raises(ValueError, match="short_side=128.* → .*short_side=256"):
        compare_runs(old)
    new = write_run(tmp_path, "new")
    with pytest.raises(ValueError, match=r"store: .*, crops: 3 → '\(not set\)'"):
        compare_runs([new, old[0]])
    assert compare_runs([new, old[0]], allow_mixed=True)[SEGMENTS_CROPS].tolist() == ["6 × 3", "6 × (not set)"]


def test_runs_recorded_under_the_old_names_of_fields_and_metrics_compare_with_new_ones(tmp_path):
    for name in ("new", "old"):
        folder = write_run(tmp_path, name, flip_map={"left": "right"})
    for path in folder.iterdir():
        text = path.read_text().replace("flip_map", "mirror_map").replace("majority_class", "chance")
        path.write_text(text.replace("balanced", "mean_class"))
    assert compare_runs(tmp_path).runs.tolist() == ["new, old"]  # and no warning


# Which runs


def test_runs_without_numbers_are_named_and_left_out(tmp_path):
    tested, untested, unfinished = (write_run(tmp_path, name) for name in ("tested", "untested", "unfinished"))
    edit(untested / "metrics.json", lambda metrics: metrics.pop("test"))
    (unfinished / "metrics.json").unlink()
    (tmp_path / "other").mkdir()
    with pytest.warns(UserWarning) as found:
        table = compare_runs(tmp_path)
    assert table.runs.tolist() == ["tested"] and len(found) == 1
    for line in (f"{untested} (no test split in metrics.json)", f"{unfinished} (no metrics.json)"):
        assert line in str(found[0].message)
    assert str(tested) not in str(found[0].message)


def test_runs_without_any_numbers_are_refused(tmp_path):
    folder = write_run(tmp_path, "untested")
    edit(folder / "metrics.json", lambda metrics: metrics.pop("test"))
    with pytest.raises(ValueError, match=r"test numbers.*Received: .*untested \(no test split in metrics\.json\)"):
        compare_runs(folder)
    with pytest.raises(ValueError, match="Received: an empty list"):
        compare_runs([])


def test_a_folder_without_runs_is_refused(tmp_path):
    write_run(tmp_path / "runs", "a")
    (tmp_path / "empty").mkdir()
    for name, found in (("rnus", "no such folder"), ("empty", "neither config.json nor a folder with one")):
        with pytest.raises(ValueError, match=f"{name}: must be the folder of a run.*Received: {found}"):
            compare_runs([tmp_path / "runs", tmp_path / name])


def test_files_of_other_programs_are_named(tmp_path):
    run, other = write_run(tmp_path, "a"), tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"architectures": []}')
    with pytest.warns(
        UserWarning, match="Left out of the comparison: .*other/config.json: must be the record of a run"
    ):
        assert compare_runs(tmp_path).runs.tolist() == ["a"]
    with pytest.raises(ValueError, match="other/config.json: must be the record of a run"):
        compare_runs([run, other])
    for content, message in (("{", "metrics.json: must be JSON"), ('{"test": {"n": 1}}', "an entry is missing")):
        (run / "metrics.json").write_text(content)
        with pytest.raises(ValueError, match=message):
            compare_runs(run)
    (run / "metrics.json").write_text("[]")
    with pytest.raises(ValueError, match="A run must have test numbers"):
        compare_runs(run)


def test_a_run_given_twice_counts_once(tmp_path):
    folder = write_run(tmp_path, "a")
    for given in ([folder, tmp_path], [str(folder), folder], [tmp_path / "a" / ".." / "a", folder]):
        table = compare_runs(given)
        assert table.runs.tolist() == ["a"] and table.seeds.tolist() == [1]


def test_a_repeated_run_with_other_numbers_is_warned_about_and_counts_as_one_seed(tmp_path):
    first, again = write_run(tmp_path, "a", 0.2), write_run(tmp_path, "a-again", 0.4)
    write_run(tmp_path, "a-once-more", 0.2)  # equal to the first: counts once
    write_run(tmp_path, "b", 0.7, seed=1)
    with pytest.warns(UserWarning, match="same configuration and seed 0, but not the same numbers") as found:
        row = compare_runs(tmp_path).iloc[0]
    message = str(found[0].message)
    assert str(first) in message and str(again) in message and "fused top1: 0.2 → 0.4" in message
    assert row.seeds == 2 and row.fused == pytest.approx((0.3 + 0.7) / 2)
    assert row["fused sd"] == pytest.approx(statistics.stdev([0.3, 0.7]))


def test_it_reads_what_a_run_writes(tmp_path):
    clips, config = ClipConfig(), TrainConfig(seed=3)
    run = start_run("real", "datasets/tiny", DIGEST, clips, config, ["a", "b"], root=tmp_path)
    protocol = {"subset": DIGEST, "store": clips.key, "segments": clips.num_segments, "crops": 3, "seed": 3}
    run.write_metrics({"test": make_entry(0.5, 8), "protocol": protocol})
    write_run(tmp_path, "written-here", 0.7, seed=4)
    assert compare_runs(tmp_path)[["runs", "seeds"]].iloc[0].tolist() == ["real, written-here", 2]


def test_runs_beside_a_run_are_taken_if_they_have_its_protocol(tmp_path):
    own = write_run(tmp_path, "b", 0.5)
    alone = compare_runs(own, beside=True)
    assert alone.runs.tolist() == ["b"] and alone.attrs["folders"] == [str(own)]
    write_run(tmp_path, "a", 0.7, seed=1)
    write_run(tmp_path, "of another subset", digest="other")
    write_run(tmp_path, "of fewer clips", n=7)
    (tmp_path / "not a run").mkdir()
    (tmp_path / "not a run" / "config.json").write_text("[1]")
    (tmp_path / "not a file" / "config.json").mkdir(parents=True)
    (write_run(tmp_path, "not evaluated") / "metrics.json").unlink()
    found = compare_runs(own, beside=True)
    assert found.runs.tolist() == ["b, a"] and [Path(folder).name for folder in found.attrs["folders"]] == ["b", "a"]
