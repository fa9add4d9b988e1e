"""Does fusion help? Each stream and each kind of fusion in one table, and in one sentence."""

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
    """Learns every kind of fusion on validation, and reports it on test.

    The better stream, which fusion is compared with, is the one with the higher accuracy on test, spatial if they are
    equal. Choosing it on validation would be fairer, and could choose the worse one; this makes it hardest to claim
    that fusion helps.

    Args:
        validation, test: "spatial" and "temporal" → float (N, C), after softmax.
        validation_labels, test_labels: int (N,), class indices.
        validation_groups, test_groups: (N,), videos of one group being alike; intervals and folds then keep groups
            whole. p does not know of groups.
        seed: of the bootstrap.

    Returns:
        A row per stream and kind of fusion, in the order of `STREAMS` and `KINDS`; columns
        - n: test videos;
        - learned: what was learned on validation, in words;
        - validation: accuracy on validation, of kinds that learn out of fold (`fusion.out_of_fold_accuracy`);
        - test, low, high: accuracy on test and its 95 % bootstrap interval over videos;
        - only_this, only_other: test videos that only this row, or only the better stream, is right about;
        - p: McNemar's, against the better stream; NaN for the streams.

    Raises:
        ValueError: see `fusion.fit_fusion`.
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
            learned, accuracy = "", float((validation[name].argmax(axis=1) == validation_labels).mean())
        else:
            learned = fusions[name].learned
            accuracy = out_of_fold_accuracy(name, validation, validation_labels, validation_groups)
        low, high = bootstrap_interval(hits, seed=seed, groups=test_groups)
        p = np.nan if name in STREAMS else mcnemar(hits, other)
        rows.append((name, len(hits), learned, accuracy, hits.mean(), low, high, *count_discordant(hits, other), p))
    columns = ["kind", "n", "learned", "validation", "test", "low", "high", "only_this", "only_other", "p"]
    return pd.DataFrame(rows, columns=columns).set_index("kind")


def better_stream(table: pd.DataFrame) -> str:
    """The stream that `fusion_table` compares with."""
    return table.loc[list(STREAMS), "test"].idxmax()


def best_on_validation(table: pd.DataFrame) -> str:
    """The kind of fusion with the highest accuracy on validation, learned kinds out of fold; of equals the first."""
    return table.loc[list(KINDS), "validation"].idxmax()  # never NaN


def describe_fusion(table: pd.DataFrame) -> str:
    """One sentence: does the kind that is best on validation help over the better stream, and does the average?

    "helps" is a higher accuracy on test with p below 0.05; a higher one with a larger p "is not shown to help"; an
    equal or lower one "does not help".

    Args:
        table: from `fusion_table`.
    """
    stream, chosen = better_stream(table), best_on_validation(table)
    title = "the average" if chosen == "average" else f"{chosen!r}"
    sentence = (
        f"Fusion {_verdict(table, chosen)} here: of {table.loc[stream, 'n']:,} test videos "
        f"{stream}, the better stream, is right about {table.loc[stream, 'test']:.1%}, and {title}, "
        f"the best on validation, about {_numbers(table, chosen)}"
    )
    if chosen != "average":
        sentence += f"; the average {_verdict(table, 'average')}: {_numbers(table, 'average')}"
    return sentence + "."


def format_p(p: float) -> str:
    """A p-value to read: "p = 0.021", or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _verdict(table, kind):
    if table.loc[kind, "test"] <= table.loc[better_stream(table), "test"]:
        return "does not help"
    return "helps" if table.loc[kind, "p"] < SIGNIFICANT else "is not shown to help"


def _numbers(table, kind):
    row, points = table.loc[kind], 100 * (table.loc[kind, "test"] - table.loc[better_stream(table), "test"])
    distance = f"{abs(points):.1f} points {'above' if points > 0 else 'below'}" if points else "no more and no less"
    interval = f"95 % interval {row['low']:.1%} to {row['high']:.1%}"
    return f"{row['test']:.1%} ({interval}), {distance} ({format_p(row['p'])})"
