"""Arrays in, numbers out: accuracy, confusion, bootstrap intervals and McNemar's test. No networks, no files."""

from src.metrics.accuracy import (
    accuracy_table,
    agreement,
    choose_examples,
    class_accuracy,
    compute_metrics,
    confusion_matrix,
    evaluate_split,
    majority_class_accuracy,
    most_confused,
)
from src.metrics.statistics import bootstrap_interval, count_discordant, mcnemar
