import csv
import json
import re

import pandas as pd
import pytest
from conftest import SHARED_DATA

from src.sample import VIDEO_FOLDER
from src.sources import read_source
from src.subsets.class_maps import flipped_classes, reversed_classes
from src.subsets.classes import choose_labels, class_sets, name_class_set
from src.subsets.subset import choose_subset

SSV2 = SHARED_DATA / "ssv2"
SIZES = {"mini-ssv2": 87, "camera": 6, "left-right": 6, "opposites": 34, "pretending": 36}

needs_lists = pytest.mark.skipif(not SSV2.is_dir(), reason=f"the published lists are not in {SSV2}")


def make_table(labels):
    return pd.DataFrame({"label": list(labels), "class_index": range(len(labels))})


def test_sizes_of_the_sets():
    assert {name: len(labels) for name, labels in class_sets().items()} == SIZES
    assert all(labels == tuple(sorted(set(labels))) for labels in class_sets().values())


def test_the_sets_agree_with_the_maps_of_classes():
    """Of every opposite the reversed class is in the set, and of every left-right class the flipped one."""
    for name, find in (("opposites", reversed_classes), ("left-right", flipped_classes)):
        found = find(list(class_sets()[name]))
        assert (found >= 0).all() and (found != range(len(found))).all()
    pretended = [label for label in class_sets()["pretending"] if label.startswith("Pretending")]
    assert len(pretended) == SIZES["pretending"] / 2


@needs_lists
def test_the_sets_are_the_published_ones():
    lines = (SSV2 / "mini_ssv2.txt").read_text().splitlines()
    assert set(class_sets()["mini-ssv2"]) == {line.strip() for line in lines if line.strip()}
    maps = json.loads((SSV2 / "augmentation_mappings.json").read_text())
    assert set(class_sets()["left-right"]) == set(maps["left/right"])
    blocks = re.split(r"\n\n+", (SSV2 / "contrastive_groups_list.txt").read_text())
    groups = [{line for line in block.splitlines() if line and not line.startswith("#")} for block in blocks]
    pretended = [{label.startswith("Pretending") for label in group} for group in groups]
    both = [group for group, kinds in zip(groups, pretended, strict=True) if kinds == {True, False}]
    assert set(class_sets()["pretending"]) == set().union(*both) and len(both) == 18


@needs_lists
def test_every_set_is_in_a_download_of_all_templates(tmp_path):
    with (SSV2 / "templates.csv").open() as file:
        templates = [row["template"] for row in csv.DictReader(file)]
    assert len(templates) == 174
    (tmp_path / VIDEO_FOLDER).mkdir()
    (tmp_path / "labels.json").write_text(json.dumps({name: str(index) for index, name in enumerate(templates)}))
    for first, split in ((0, "train"), (174, "validation"), (348, "test")):
        ids = [str(first + index) for index in range(174)]
        for video_id in ids:
            (tmp_path / VIDEO_FOLDER / f"{video_id}.webm").touch()
        entries = [{"id": video_id, "template": name} for video_id, name in zip(ids, templates, strict=True)]
        (tmp_path / f"{split}.json").write_text(json.dumps(entries))
    answers = [f"{348 + index};{name}\n" for index, name in enumerate(templates)]
    (tmp_path / "test-answers.csv").write_text("".join(answers))
    table = read_source(tmp_path)
    for name, size in SIZES.items():
        subset = choose_subset(table, name)
        assert (len(subset), subset.label.nunique()) == (3 * size, size)
        assert tuple(sorted(subset.label.unique())) == class_sets()[name]
        assert name_class_set(subset.label) == name


def test_missing_classes_are_counted_and_named_with_the_closest_spelling():
    labels = list(class_sets()["camera"])
    spelled = [labels[0].replace("your", "a"), *labels[1:]]
    with pytest.raises(
        ValueError, match=r"'camera' is a set of 6 classes.*Missing: 1: 'Approaching something"
    ) as error:
        choose_labels(make_table(spelled), "camera", 0)
    assert f"the source has {spelled[0]!r}" in str(error.value) and "whole data set as source" in str(error.value)
    with pytest.raises(ValueError, match=r"Missing: 87: .*, and 82 more"):
        choose_labels(make_table(["walk", "run"]), "mini-ssv2", 0)


def test_a_label_of_the_source_wins_over_a_set():
    table = make_table([*class_sets()["camera"], "camera"])
    assert choose_labels(table, "camera", 0) == ["camera"]
    assert choose_labels(table[:-1], "camera", 0) == list(class_sets()["camera"])


def test_a_set_is_named_alone():
    table = make_table(class_sets()["camera"])
    with pytest.raises(ValueError, match="given alone: classes='camera'"):
        choose_labels(table, ["camera", table.label[0]], 0)
    with pytest.raises(ValueError, match=r"Unknown: \['mini_ssv2'\]\. Close: \['mini-ssv2'\]"):
        choose_labels(table, "mini_ssv2", 0)


def test_only_exactly_its_classes_have_the_name_of_a_set():
    labels = [*class_sets()["opposites"], *class_sets()["opposites"]]
    assert name_class_set(labels) == "opposites"
    assert name_class_set(labels[1:34]) is None and name_class_set([*labels, "walk"]) is None
