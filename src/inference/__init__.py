"""A video or a stream → an answer."""

from src.inference.prediction import load_run, predict_video, score_segments
from src.inference.sliding_window import predict_long_video, predict_stream

__all__ = [
    "load_run",
    "predict_long_video",
    "predict_stream",
    "predict_video",
    "score_segments",
]
