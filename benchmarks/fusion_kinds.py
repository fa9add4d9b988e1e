"""Accuracy of each kind of fusion on drawn scores, by the number of validation clips and by what the streams know.

    python benchmarks/fusion_kinds.py [--draws 10]

No data are needed. Logits are normal, that of the true class is higher, so that a stream has the accuracy asked for;
softmax of the logits times that height is calibrated. Streams are independent or share half of the noise's variance,
and classes are 2, 6 or 8: a row is the mean over these and the draws, on 1000 test clips each.
"""

from itertools import product

import command
import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import softmax
from tables import write_table

from src.fusion import KINDS, fit_fusion

CLASSES = (2, 6, 8)
SHARED = (0.0, 0.5)  # of the variance of the noise
CLIPS = (12, 40, 200)
ACCURACIES = ((0.55, 0.75), (0.6, 0.78), (0.75, 0.55), (0.7, 0.7))
POWERS = {  # of the scores of spatial and temporal: above 1 makes them overconfident
    "calibrated": (1, 1),
    "spatial overconfident": (4, 1),
    "spatial underconfident": (1 / 30, 1),
    "both overconfident": (3, 3),
}
TEST_CLIPS = 1000


def main():
    """Prints and writes one table: a row for each number of clips, pair of accuracies and confidence."""
    parser = command.make_parser(__doc__)
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    rows = []
    for clips, accuracies, confidence in product(CLIPS, ACCURACIES, POWERS):
        cases = product(CLASSES, SHARED, range(arguments.draws))
        found = pd.DataFrame([measure(clips, accuracies, POWERS[confidence], *case) for case in cases])
        spatial, temporal = accuracies
        given = {"validation clips": clips, "spatial": spatial, "temporal": temporal, "confidence": confidence}
        rows.append(given | found.mean().to_dict())
    table = pd.DataFrame(rows)
    print(table.round(3).to_string(index=False))
    gains = table[list(KINDS)].sub(table["average"], axis=0).mul(100).groupby(table["validation clips"])
    print(f"\npoints above the average, mean:\n{gains.mean().round(1).to_string()}")
    print(f"\nin the worst row:\n{gains.min().round(1).to_string()}")
    write_table(arguments.table, table, keys=["validation clips", "spatial", "temporal", "confidence"])


def measure(clips, accuracies, powers, num_classes, shared, seed) -> dict[str, float]:
    """Test accuracy by kind of fusion, each learned on one draw of validation clips."""
    rng = np.random.default_rng([seed, clips, num_classes])
    labels, test_labels = np.arange(clips) % num_classes, np.arange(TEST_CLIPS) % num_classes
    heights = [find_height(accuracy, num_classes) for accuracy in accuracies]
    validation, test = (draw_scores(rng, y, num_classes, heights, powers, shared) for y in (labels, test_labels))
    fused = {kind: fit_fusion(kind, validation, labels).apply(test) for kind in KINDS}
    return {kind: (scores.argmax(axis=1) == test_labels).mean() for kind, scores in fused.items()}


def draw_scores(rng, labels, num_classes, heights, powers, shared):
    """{"spatial", "temporal"}: float (N, C), probabilities."""
    size, common = (len(labels), num_classes), rng.normal(size=(len(labels), num_classes))
    scores = {}
    for stream, height, power in zip(("spatial", "temporal"), heights, powers, strict=True):
        logits = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=size)
        logits[np.arange(len(labels)), labels] += height
        scores[stream] = softmax(power * height * logits, axis=1)
    return scores


def find_height(accuracy, num_classes):
    """How much higher the true class's logit is for a stream of this accuracy."""
    noise = np.random.default_rng(0).normal(size=(20_000, num_classes))
    margins = noise[:, 1:].max(axis=1) - noise[:, 0]
    return brentq(lambda height: (margins < height).mean() - accuracy, -1, 8, xtol=1e-3)


if __name__ == "__main__":
    main()
