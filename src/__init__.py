"""The data's way, one stage per module: videos on disk to frames and flow, to batches, to scores, to pictures."""

import logging
import os

# Read once, when OpenCV and TensorFlow are first imported. A broken video is reported through our own ledger;
# FFmpeg's own lines, one per damaged packet, would bury it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
# TensorFlow greets every process with a dozen lines on its own build, and calls a missing GPU an error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Each of a run's networks is traced for each number of views, a few times in all. That is meant.
logging.getLogger("tensorflow").addFilter(lambda record: "triggered tf.function retracing" not in record.getMessage())
