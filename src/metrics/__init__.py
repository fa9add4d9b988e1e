"""Arrays in, numbers out: accuracy, intervals, the sign-flip test, labels that may be wrong. No networks, no files."""

from src.metrics.accuracy import (
    accuracy_table,
    agreement,
    choose_examples,
    compute_metrics,
    confusion_matrix,
    describe_protocol,
    evaluate_split,
    majority_class_accuracy,
    most_confused,
)
from src.metrics.class_scores import class_scores
from src.metrics.label_errors import find_label_errors
from src.metrics.statistics import accuracy_interval, sign_flip_test
