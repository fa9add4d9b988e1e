"""Does fusion help? The streams and all kinds of fusion in one table, and the answer in one sentence."""

import numpy as np
import pandas as pd

from src.config import STREAMS
from src.fusion.late_fusion import KINDS, fit_fusion, out_of_fold_accuracy
from src.metrics import accuracy_interval, count_discordant, sign_flip_test

SIGNIFICANT = 0.05


def fusion_table(
    validation: dict[str, np.ndarray],
    validation_labels: np.ndarray,
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
        validation_labels, test_labels: int (N,), class indices.
        validation_groups, test_groups: (N,); equal values mark similar videos, which folds, intervals and p keep
            together.

    Returns:
        A row per stream and kind of fusion, in the order of `STREAMS` and `KINDS`; columns
        - n: test videos;
        - learned: what was learned on validation, as text;
        - validation: accuracy on validation; out of fold for kinds that learn (`late_fusion.out_of_fold_accuracy`);
        - test, low, high: accuracy on test and its 95 % interval (`src.metrics.accuracy_interval`);
        - only_this, only_other: numbers of test videos that only this row, or only the better stream, gets right;
        - p: of the sign-flip test against the better stream (`src.metrics.sign_flip_test`); NaN for the streams.

    Raises:
        ValueError: scores are not probabilities, or the numbers of scores and labels differ.
    """
    fusions = {kind: fit_fusion(kind, validation, validation_labels, validation_groups) for kind in KINDS}
    scores = {stream: test[stream] for stream in STREAMS} | {kind: fusions[kind].apply(test) for kind in KINDS}
    right = {name: values.argmax(axis=1) == test_labels for name, values in scores.items()}
    other = right[max(STREAMS, key=lambda stream: right[stream].mean())]
    rows = []
    for name, hits in right.items():
        if name in STREAMS:
            learned, p = "", np.nan
            accuracy = float((validation[name].argmax(axis=1) == validation_labels).mean())
        else:
            learned, p = fusions[name].learned, sign_flip_test(hits, other, test_groups)
            accuracy = out_of_fold_accuracy(name, validation, validation_labels, validation_groups)
        interval = accuracy_interval(hits, test_groups)
        rows.append((len(hits), learned, accuracy, hits.mean(), *interval, *count_discordant(hits, other), p))
    columns = ["n", "learned", "validation", "test", "low", "high", "only_this", "only_other", "p"]
    return pd.DataFrame(rows, index=pd.Index(right, name="kind"), columns=columns)


def better_stream(table: pd.DataFrame) -> str:
    """The stream with the higher accuracy on test, which `fusion_table` compares with."""
    return table.loc[list(STREAMS), "test"].idxmax()


def describe_fusion(table: pd.DataFrame) -> str:
    """Says whether the kind that is best on validation (the first in a tie), and the average, beat the better stream.

    "helps": higher accuracy on test, p below 0.05; "is not shown to help": higher, with a larger p; "does not help":
    equal or lower.

    Args:
        table: from `fusion_table`.
    """
    stream = better_stream(table)
    chosen = table.loc[list(KINDS), "validation"].idxmax()  # skips NaN; "average" always has a number
    title = "the average" if chosen == "average" else f"{chosen!r}"
    (verdict, numbers), average = (_compare(table.loc[kind], table.loc[stream, "test"]) for kind in (chosen, "average"))
    sentence = (
        f"Fusion {verdict} here: on {table.loc[stream, 'n']:,} test videos the better stream, {stream}, has an "
        f"accuracy of {table.loc[stream, 'test']:.1%}, and the kind of fusion that is best on validation, {title}, "
        f"one of {numbers}"
    )
    return sentence + ("." if chosen == "average" else f"; the average {average[0]}: {average[1]}.")


def format_p(p: float) -> str:
    """A p-value as text: "p = 0.021", or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _compare(row, stream_accuracy):
    """(verdict, numbers) of a kind's row against the better stream, as text."""
    points = 100 * (row["test"] - stream_accuracy)
    verdict = "does not help" if points <= 0 else "helps" if row["p"] < SIGNIFICANT else "is not shown to help"
    distance = f"{abs(points):.1f} points {'above' if points > 0 else 'below'}" if points else "no difference"
    interval = f"95 % interval {row['low']:.1%} to {row['high']:.1%}"
    return verdict, f"{row['test']:.1%} ({interval}), {distance} ({format_p(row['p'])})"
