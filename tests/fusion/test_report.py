"""The table and the sentence: right numbers, nothing learned from test, and no claim that they do not support."""

import re

import numpy as np
import pandas as pd
import pytest
from made_scores import accuracy, make_scores, random_labels

from src.fusion.late_fusion import KINDS, UNLEARNED, fit_fusion, out_of_fold_hits
from src.fusion.report import better_stream, chosen_kind, describe_fusion, fusion_table
from src.metrics.statistics import accuracy_interval, sign_flip_test

LABELS, TEST_LABELS = random_labels(60, 3), random_labels(90, 3, seed=1)
VALIDATION, TEST = make_scores(LABELS, 3, spatial=1, temporal=1.5), make_scores(TEST_LABELS, 3, 1, 1, 1.5)
ROWS = ["spatial", "temporal", *KINDS]


@pytest.fixture(scope="module")
def table():
    return fusion_table(VALIDATION, LABELS, TEST, TEST_LABELS)


def make_table(validation=None, **rows):
    """A table of 200 test videos, each row (test, p); `validation` has (accuracy, p) of kinds, else (0.5, 1)."""
    accuracies = {name: (0.5, 1.0) for name in ROWS} | rows
    table = pd.DataFrame(accuracies, index=["test", "p"]).T
    table.loc[["spatial", "temporal"], "p"] = np.nan
    columns = {name: (0.5, 1.0) for name in ROWS} | (validation or {})
    table[["validation", "validation_p"]] = pd.DataFrame(columns).T
    return table.assign(n=200, low=table["test"] - 0.05, high=table["test"] + 0.05)


def test_each_row_is_a_stream_or_a_kind_with_its_numbers(table):
    assert table.index.tolist() == ROWS
    measured = ["validation", "validation_p", "test", "low", "high", "only_this", "only_other", "p"]
    assert table.columns.tolist() == ["n", "learned", *measured]
    assert (table["n"] == 90).all()
    temporal = TEST["temporal"].argmax(axis=1) == TEST_LABELS
    assert better_stream(table) == "temporal"
    for kind in KINDS:
        right = fit_fusion(kind, VALIDATION, LABELS).apply(TEST).argmax(axis=1) == TEST_LABELS
        row = table.loc[kind]
        assert row["test"] == right.mean() and (row["low"], row["high"]) == accuracy_interval(right)
        assert (row["only_this"], row["only_other"]) == ((right & ~temporal).sum(), (temporal & ~right).sum())
        assert row["p"] == sign_flip_test(right, temporal)
        hits = out_of_fold_hits(KINDS, VALIDATION, LABELS)
        held_out = hits[kind], hits["average"]
        assert row["validation"] == held_out[0].mean() and row["validation_p"] == sign_flip_test(*held_out)
    for stream in ("spatial", "temporal"):
        assert table.loc[stream, "validation"] == accuracy(VALIDATION[stream], LABELS)
        assert table.loc[stream, "test"] == accuracy(TEST[stream], TEST_LABELS)
        assert table.loc[stream, ["p", "validation_p"]].isna().all() and table.loc[stream, "learned"] == ""


def test_what_is_learned_does_not_depend_on_test(table):
    """Defect 6: other labels of the same test videos, and other test videos, change what is measured only."""
    relabelled = fusion_table(VALIDATION, LABELS, TEST, np.roll(TEST_LABELS, 1))
    assert (relabelled["test"] != table["test"]).any()
    other = fusion_table(VALIDATION, LABELS, make_scores(TEST_LABELS, 3, seed=9), TEST_LABELS)
    for changed in (relabelled, other):
        learned = ["learned", "validation", "validation_p"]
        pd.testing.assert_frame_equal(changed[learned], table[learned])


def test_without_validation_the_average_is_used(table):
    found = fusion_table(None, None, TEST, TEST_LABELS)
    assert found.index.tolist() == ["spatial", "temporal", *UNLEARNED]
    measured = ["test", "low", "high", "only_this", "only_other", "p"]
    pd.testing.assert_frame_equal(found[measured], table.loc[found.index, measured])
    assert found[["validation", "validation_p"]].isna().all(axis=None) and chosen_kind(found) == "average"
    sentence = describe_fusion(found, "validation")
    assert sentence.startswith("The average is used: there are no other clips to choose another kind by. Fusion ")
    assert " here: on 90 validation videos the better stream" in sentence


def test_the_better_stream_is_the_better_on_test():
    swapped = {"spatial": TEST["temporal"], "temporal": TEST["spatial"]}
    found = fusion_table(VALIDATION, LABELS, swapped, TEST_LABELS)
    assert better_stream(found) == "spatial" and found.loc["spatial", "only_other"] == 0
    assert found.loc["temporal", "only_other"] > 0
    same = fusion_table(VALIDATION, LABELS, dict.fromkeys(TEST, TEST["spatial"]), TEST_LABELS)
    assert better_stream(same) == "spatial" and same.loc["average", "p"] == 1


def test_groups_widen_intervals_and_stay_whole():
    groups, test_groups = np.arange(60) // 6, np.arange(90) // 10
    found = fusion_table(VALIDATION, LABELS, TEST, TEST_LABELS, groups, test_groups)
    right = TEST["temporal"].argmax(axis=1) == TEST_LABELS
    assert tuple(found.loc["temporal", ["low", "high"]]) == accuracy_interval(right, test_groups)
    temporal, average = right, fit_fusion("average", VALIDATION, LABELS).apply(TEST).argmax(axis=1) == TEST_LABELS
    assert found.loc["average", "p"] == sign_flip_test(average, temporal, test_groups)
    hits = out_of_fold_hits(["svm", "average"], VALIDATION, LABELS, groups)
    assert found.loc["svm", "validation"] == hits["svm"].mean()
    assert found.loc["svm", "validation_p"] == sign_flip_test(hits["svm"], hits["average"], groups)


def test_with_one_validation_clip_per_class_kinds_that_learn_have_no_validation_accuracy():
    labels = np.arange(3)
    found = fusion_table(make_scores(labels, 3), labels, make_scores(labels, 3, seed=1), labels)
    assert (
        found.loc[[kind for kind in KINDS if kind not in UNLEARNED], ["validation", "validation_p"]]
        .isna()
        .all(axis=None)
    )
    assert chosen_kind(found) == "average"


@pytest.mark.parametrize(
    ("validation", "kind"),
    [
        ({}, "average"),
        ({"svm": (0.6, 0.049)}, "svm"),
        ({"svm": (0.6, 0.05)}, "average"),
        ({"svm": (0.4, 0.01)}, "average"),
        ({"svm": (0.6, 0.01), "weighted": (0.6, 0.01), "logistic": (0.55, 0.01)}, "weighted"),
        ({"svm": (np.nan, np.nan), "spatial": (0.9, np.nan)}, "average"),
    ],
)
def test_a_kind_is_used_that_validation_prefers_to_the_average_by_more_than_noise(validation, kind):
    assert chosen_kind(make_table(validation, svm=(0.4, 0.5), logistic=(0.9, 0.0))) == kind


def test_the_average_is_nearly_always_used_where_nothing_is_better():
    """Two streams that are equally good and independent, of 60 clips in 20 groups."""
    groups, chosen = np.arange(60) // 3, []
    for seed in range(6):
        labels = random_labels(60, 3, seed)
        scores = make_scores(labels, 3, seed, 1.5, 1.5)
        chosen.append(chosen_kind(fusion_table(scores, labels, scores, labels, groups, groups)))
    assert chosen.count("average") == 6


NOT_PREFERRED = "The average is used: no kind of fusion is more accurate on validation. "


def test_a_sentence_when_the_average_helps():
    assert describe_fusion(make_table(temporal=(0.7, 1), average=(0.76, 0.021))) == NOT_PREFERRED + (
        "Fusion helps here: on 200 test videos the better stream, temporal, has an accuracy of 70.0%, and the fusion "
        "that is used one of 76.0% (95 % interval 71.0% to 81.0%), 6.0 points above (p = 0.021)."
    )


@pytest.mark.parametrize(
    "rows, verdict, numbers",
    [
        # A published project has 65 spatial, 42 temporal, 59 fused.
        ({"spatial": (0.65, 1), "average": (0.59, 0.0004)}, "does not help", "59.0% _, 6.0 points below (p < 0.001)"),
        ({}, "does not help", "50.0% _, no difference (p = 1.00)"),
        ({"average": (0.52, 0.05)}, "is not shown to help", "52.0% _, 2.0 points above (p = 0.050)"),
    ],
)
def test_a_sentence_when_fusion_is_worse_or_not_significantly_better(rows, verdict, numbers):
    sentence = describe_fusion(make_table(**rows))
    start = f"{NOT_PREFERRED}Fusion {verdict} here: on 200 test videos the better stream, spatial, has"
    assert sentence.startswith(start)
    assert re.sub(r"\(95 % interval .*?\)", "_", sentence).endswith(f"one of {numbers}.")


def test_the_sentence_is_about_the_kind_that_is_used_and_the_average():
    """Not the kind best on test: that would choose on test."""
    rows = {"svm": (0.56, 0.03), "average": (0.48, 0.6), "logistic": (0.9, 0.0)}
    sentence = describe_fusion(make_table({"svm": (0.8, 0.002)}, **rows))
    assert sentence.startswith(
        "'svm' is used, because it is more accurate on validation: 80.0% against the average's 50.0%, p = 0.002. "
        "Fusion helps here"
    )
    assert "the fusion that is used one of 56.0%" in sentence
    assert sentence.endswith(
        "; the average does not help: 48.0% (95 % interval 43.0% to 53.0%), 2.0 points below (p = 0.60)."
    )
    assert "logistic" not in sentence


def test_the_sentence_names_a_kind_that_is_better_by_no_more_than_noise():
    sentence = describe_fusion(make_table({"svm": (0.55, 0.2)}, average=(0.52, 0.05)))
    assert sentence.startswith(
        "The average is used: 'svm', the best on validation, is not better by more than noise (55.0% against the "
        "average's 50.0%, p = 0.20). Fusion is not shown to help here"
    )
