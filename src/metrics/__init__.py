"""Arrays in, numbers out: accuracy, confusion, exact intervals and the sign-flip test. No networks, no files."""

from src.metrics.accuracy import (
    accuracy_table,
    agreement,
    choose_examples,
    compute_metrics,
    confusion_matrix,
    evaluate_split,
    majority_class_accuracy,
    most_confused,
)
from src.metrics.class_scores import class_scores
from src.metrics.statistics import accuracy_interval, count_discordant, sign_flip_test
