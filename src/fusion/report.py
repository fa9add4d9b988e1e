"""Does fusion help? The streams and all kinds of fusion in one table, and the answer in one sentence."""

import numpy as np
import pandas as pd

from src.config import STREAMS
from src.fusion.late_fusion import KINDS, fit_fusion, out_of_fold_accuracy
from src.metrics import bootstrap_interval, count_discordant, mcnemar

SIGNIFICANT = 0.05


def fusion_table(
    validation: dict[str, np.ndarray],
    validation_labels: np.ndarray,
    test: dict[str, np.ndarray],
    test_labels: np.ndarray,
    validation_groups: np.ndarray | None = None,
    test_groups: np.ndarray | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Learns every kind of fusion on validation, and evaluates it on test.

    Fusion is compared with the better stream, the one with the higher accuracy on test (spatial if they are equal).
    Choosing it on test rather than on validation favours the stream: the claim that fusion helps is then hardest.

    Args:
        validation, test: "spatial" and "temporal" → float (N, C), after softmax.
        validation_labels, test_labels: int (N,), class indices.
        validation_groups, test_groups: (N,); equal values mark similar videos. Folds and intervals keep groups whole;
            p ignores them.
        seed: of the bootstrap.

    Returns:
        A row per stream and kind of fusion, in the order of `STREAMS` and `KINDS`; columns
        - n: test videos;
        - learned: what was learned on validation, as text;
        - validation: accuracy on validation; out of fold for kinds that learn (`late_fusion.out_of_fold_accuracy`);
        - test, low, high: accuracy on test and its 95 % bootstrap interval over videos;
        - only_this, only_other: test videos that only this row, or only the better stream, gets right;
        - p: of McNemar's test against the better stream; NaN for the streams.

    Raises:
        ValueError: as for `late_fusion.fit_fusion`.
    """
    fusions = {kind: fit_fusion(kind, validation, validation_labels, validation_groups) for kind in KINDS}
    scores = {stream: test[stream] for stream in STREAMS} | {kind: fusions[kind].apply(test) for kind in KINDS}
    if np.shape(test_labels) != (len(test["spatial"]),):
        count = len(test["spatial"])
        raise ValueError(f"test_labels must be one for each of {count} test videos. Received: {np.shape(test_labels)}")
    right = {name: values.argmax(axis=1) == test_labels for name, values in scores.items()}
    other = right[max(STREAMS, key=lambda stream: right[stream].mean())]
    rows = []
    for name, hits in right.items():
        if name in STREAMS:
            learned, p = "", np.nan
            accuracy = float((validation[name].argmax(axis=1) == validation_labels).mean())
        else:
            learned, p = fusions[name].learned, mcnemar(hits, other)
            accuracy = out_of_fold_accuracy(name, validation, validation_labels, validation_groups)
        interval = bootstrap_interval(hits, seed=seed, groups=test_groups)
        rows.append((len(hits), learned, accuracy, hits.mean(), *interval, *count_discordant(hits, other), p))
    columns = ["n", "learned", "validation", "test", "low", "high", "only_this", "only_other", "p"]
    return pd.DataFrame(rows, index=pd.Index(right, name="kind"), columns=columns)


def better_stream(table: pd.DataFrame) -> str:
    """The stream with the higher accuracy on test, which `fusion_table` compares with."""
    return table.loc[list(STREAMS), "test"].idxmax()


def best_on_validation(table: pd.DataFrame) -> str:
    """The kind of fusion with the highest accuracy on validation (out of fold, if it learns); of ties the first."""
    return table.loc[list(KINDS), "validation"].idxmax()  # skips NaN; "average" always has a number


def describe_fusion(table: pd.DataFrame) -> str:
    """Says in one sentence whether the kind that is best on validation, and the average, beat the better stream.

    "helps": higher accuracy on test, p below 0.05; "is not shown to help": higher, with a larger p; "does not help":
    equal or lower.

    Args:
        table: from `fusion_table`.
    """
    stream, chosen = better_stream(table), best_on_validation(table)
    title = "the average" if chosen == "average" else f"{chosen!r}"
    sentence = (
        f"Fusion {_verdict(table, chosen)} here: on {table.loc[stream, 'n']:,} test videos the better stream, "
        f"{stream}, has an accuracy of {table.loc[stream, 'test']:.1%}, and the kind of fusion that is best on "
        f"validation, {title}, one of {_numbers(table, chosen)}"
    )
    if chosen != "average":
        sentence += f"; the average {_verdict(table, 'average')}: {_numbers(table, 'average')}"
    return sentence + "."


def format_p(p: float) -> str:
    """A p-value as text: "p = 0.021", or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _verdict(table, kind):
    if table.loc[kind, "test"] <= table.loc[better_stream(table), "test"]:
        return "does not help"
    return "helps" if table.loc[kind, "p"] < SIGNIFICANT else "is not shown to help"


def _numbers(table, kind):
    row, points = table.loc[kind], 100 * (table.loc[kind, "test"] - table.loc[better_stream(table), "test"])
    distance = f"{abs(points):.1f} points {'above' if points > 0 else 'below'}" if points else "no difference"
    interval = f"95 % interval {row['low']:.1%} to {row['high']:.1%}"
    return f"{row['test']:.1%} ({interval}), {distance} ({format_p(row['p'])})"
