"""Figures: one per function, which draws and returns the Axes, and never calls `plt.show`."""

from src.plots.accuracy import plot_confusion_matrices, plot_probes
from src.plots.attention import plot_attention
from src.plots.augmentation import plot_draws
from src.plots.class_scores import plot_class_scores
from src.plots.clip import play_clip, plot_segment_timeline, plot_stored_and_fresh
from src.plots.data import plot_class_counts, plot_flow, plot_flow_stack
from src.plots.fingerprint import plot_class_strips, plot_fingerprint
from src.plots.fusion import plot_fusion
from src.plots.history import GrowingHistory, plot_histories, plot_history
from src.plots.label_errors import plot_label_errors
from src.plots.motion import plot_motion
from src.plots.neighbours import plot_neighbours
from src.plots.predictions import plot_predictions, plot_video_prediction
from src.plots.reliability import plot_reliability
from src.plots.style import flow_to_rgb, full_colour
from src.plots.timeline import plot_timeline
