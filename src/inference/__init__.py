"""A video file, a camera or a stream → scores, events or features, by the networks of a finished run."""

from src.inference.events import find_events
from src.inference.example import find_scenes, find_video
from src.inference.feature_export import export_features
from src.inference.feature_files import read_features
from src.inference.loading import load_run
from src.inference.neighbours import find_neighbours
from src.inference.prediction import predict_video, score_clip
from src.inference.sliding_window import predict_stream
from src.inference.spacing import measure_spacing
from src.inference.timeline import predict_long_video
