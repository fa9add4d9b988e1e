"""Arrays in, numbers out: accuracy, intervals, paired tests."""

from src.metrics.accuracy import (
    accuracy_table,
    choose_examples,
    class_accuracy,
    compute_metrics,
    confusion_matrix,
    evaluate_split,
    majority_class_accuracy,
    most_confused,
)
from src.metrics.statistics import agreement, bootstrap_interval, count_discordant, mcnemar

__all__ = [
    "accuracy_table",
    "agreement",
    "bootstrap_interval",
    "choose_examples",
    "class_accuracy",
    "compute_metrics",
    "confusion_matrix",
    "count_discordant",
    "evaluate_split",
    "majority_class_accuracy",
    "mcnemar",
    "most_confused",
]
