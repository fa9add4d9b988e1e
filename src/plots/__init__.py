"""One figure per function, returned and never shown."""

from src.plots.data import plot_batch, plot_class_counts, plot_flow, plot_flow_error, plot_flow_stack, plot_frames
from src.plots.fusion import plot_agreement, plot_fusion
from src.plots.results import (
    plot_accuracies,
    plot_class_accuracy,
    plot_confusion_matrices,
    plot_history,
    plot_predictions,
    plot_probes,
    plot_timeline,
    plot_video_prediction,
)

__all__ = [
    "plot_accuracies",
    "plot_agreement",
    "plot_batch",
    "plot_class_accuracy",
    "plot_class_counts",
    "plot_confusion_matrices",
    "plot_flow",
    "plot_flow_error",
    "plot_flow_stack",
    "plot_frames",
    "plot_fusion",
    "plot_history",
    "plot_predictions",
    "plot_probes",
    "plot_timeline",
    "plot_video_prediction",
]
