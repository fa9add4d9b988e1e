"""Arrays in, numbers out: accuracy, confusion, exact intervals, a test, doubtful labels. No networks, no files."""

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
from src.metrics.label_errors import find_label_errors
from src.metrics.statistics import accuracy_interval, sign_flip_test
