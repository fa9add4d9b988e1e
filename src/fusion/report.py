"""Does fusion help? The streams and all kinds of fusion in one table, the kind to use, and the answer in a sentence."""

import numpy as np
import pandas as pd

from src.config import STREAMS
from src.fusion.late_fusion import KINDS, UNLEARNED, fit_fusions, out_of_fold_hits
from src.metrics import accuracy_interval, sign_flip_test

SIGNIFICANT = 0.05
COLUMNS = [
    "n", "learned", "validation", "validation_p", "test", "low", "high", "only_this", "only_other", "p"
]  # fmt: skip


def fusion_table(
    validation: dict[str, np.ndarray] | None,
    validation_labels: np.ndarray | None,
    test: dict[str, np.ndarray],
    test_labels: np.ndarray,
    validation_groups: np.ndarray | None = None,
    test_groups: np.ndarray | None = None,
) -> pd.DataFrame:
    """Learns every kind of fusion on validation, and evaluates it on test.

    Fusion is compared with the better stream, the one with the higher accuracy on test (spatial if they are equal).
    Choosing it on test rather than on validation favours the stream, so fusion meets the strictest comparison.

    Args:
        validation, test: "spatial" and "temporal" → float (N, C), after softmax.
            Without validation (None; `test` may then be it), the table has only the kinds that learn nothing.
        validation_labels, test_labels: int (N,), class indices.
        validation_groups, test_groups: (N,); equal values mark similar videos, which folds, intervals and p keep
            together.

    Returns:
        A row per stream and kind of fusion, in the order of `STREAMS` and `KINDS`; columns
        - n: test videos;
        - learned: what was learned on validation, as text;
        - validation: accuracy on validation; out of fold for kinds that learn (`late_fusion.out_of_fold_hits`), NaN if
          the clips cannot be divided into folds;
        - validation_p: p of the sign-flip test of these hits against the average's; NaN for the streams;
        - test, low, high: accuracy on test and its 95 % interval (`src.metrics.accuracy_interval`);
        - only_this, only_other: numbers of test videos that only this row, or only the better stream, gets right;
        - p: of the sign-flip test against the better stream (`src.metrics.sign_flip_test`); NaN for the streams.

    Raises:
        ValueError: scores are not probabilities, or the numbers of scores and labels differ.
    """
    if validation is None:
        fusions = fit_fusions(UNLEARNED, test, test_labels)  # which learn nothing from it
        held_out = dict.fromkeys((*STREAMS, *UNLEARNED))
    else:
        known = validation, validation_labels, validation_groups
        fusions = fit_fusions(KINDS, *known)
        held_out = {stream: validation[stream].argmax(axis=1) == validation_labels for stream in STREAMS}
        held_out |= out_of_fold_hits(KINDS, *known)
    scores = {stream: test[stream] for stream in STREAMS}
    scores |= {kind: fitted.apply(test) for kind, fitted in fusions.items()}
    right = {name: values.argmax(axis=1) == test_labels for name, values in scores.items()}
    other = right[max(STREAMS, key=lambda stream: right[stream].mean())]
    rows = []
    for name, hits in right.items():
        row = {"n": len(hits), "learned": "" if name in STREAMS else fusions[name].learned}
        row["validation"], row["validation_p"] = _compare_hits(held_out[name], held_out["average"], validation_groups)
        row["test"], row["p"] = _compare_hits(hits, other, test_groups)
        row["low"], row["high"] = accuracy_interval(hits, test_groups)
        row["only_this"], row["only_other"] = (hits & ~other).sum(), (other & ~hits).sum()
        rows.append(row)
    table = pd.DataFrame(rows, index=pd.Index(right, name="kind"), columns=COLUMNS)
    table.loc[list(STREAMS), ["validation_p", "p"]] = np.nan
    return table


def _compare_hits(hits, other, groups):
    """(accuracy, p of the sign-flip test against other hits); NaN if there are none."""
    return (np.nan, np.nan) if hits is None else (hits.mean(), sign_flip_test(hits, other, groups))


def chosen_kind(table: pd.DataFrame) -> str:
    """The kind of fusion to use: the most accurate on validation if it beats the average by more than noise.

    More than noise is p below 0.05 in the sign-flip test of out-of-fold hits; otherwise, and without validation, it is
    "average". Of kinds that are equally accurate, the first in the table is taken. Test has no part in it.

    Args:
        table: from `fusion_table`.
    """
    kind = _best_on_validation(table)
    return kind if table.loc[kind, "validation_p"] < SIGNIFICANT else "average"


def better_stream(table: pd.DataFrame) -> str:
    """The stream with the higher accuracy on test, which `fusion_table` compares with."""
    return table.loc[list(STREAMS), "test"].idxmax()


def describe_fusion(table: pd.DataFrame, split: str = "test") -> str:
    """Says which kind of fusion is used and why, and whether it, and the average, beat the better stream.

    "helps": higher accuracy on test, p below 0.05; "is not shown to help": higher, with a larger p; "does not help":
    equal or lower.

    Args:
        table: from `fusion_table`.
        split: the split that its column "test" is of.
    """
    stream, kind, best = better_stream(table), chosen_kind(table), _best_on_validation(table)
    values = table.loc[best, "validation"], table.loc["average", "validation"], table.loc[best, "validation_p"]
    numbers = "{:.1%} against the average's {:.1%}, {}".format(*values[:2], format_p(values[2]))
    if table["validation"].isna().all():
        choice = "The average is used: there are no other clips to choose another kind by."
    elif kind != "average":
        choice = f"{kind!r} is used, because it is more accurate on validation: {numbers}."
    elif best != "average":
        choice = f"The average is used: {best!r}, the best on validation, is not better by more than noise ({numbers})."
    else:
        choice = "The average is used: no kind of fusion is more accurate on validation."
    (verdict, numbers), average = (_compare(table.loc[name], table.loc[stream, "test"]) for name in (kind, "average"))
    sentence = (
        f"Fusion {verdict} here: on {table.loc[stream, 'n']:,} {split} videos the better stream, {stream}, has an "
        f"accuracy of {table.loc[stream, 'test']:.1%}, and the fusion that is used one of {numbers}"
    )
    return f"{choice} {sentence}" + ("." if kind == "average" else f"; the average {average[0]}: {average[1]}.")


def format_p(p: float) -> str:
    """A p-value as people write it: "p < 0.001", "p = 0.021", "p = 0.42"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _best_on_validation(table):
    accuracies = table["validation"].drop(list(STREAMS)).dropna()
    return accuracies.idxmax() if len(accuracies) else "average"


def _compare(row, stream_accuracy):
    """(verdict, numbers) of a kind's row against the better stream, as text."""
    points = 100 * (row["test"] - stream_accuracy)
    verdict = "does not help" if points <= 0 else "helps" if row["p"] < SIGNIFICANT else "is not shown to help"
    distance = f"{abs(points):.1f} points {'above' if points > 0 else 'below'}" if points else "no difference"
    interval = f"95 % interval {row['low']:.1%} to {row['high']:.1%}"
    return verdict, f"{row['test']:.1%} ({interval}), {distance} ({format_p(row['p'])})"
