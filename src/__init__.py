"""Two-stream action recognition, one package per stage: from videos on disk to frames and flow, batches and scores."""

import logging
import os

# OpenCV and TensorFlow read these variables when they are first imported. Broken videos are reported in failures.csv;
# FFmpeg's own messages, one per damaged packet, would hide it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
# TensorFlow prints a dozen lines about its build in every process, and reports a missing GPU as an error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Each network is traced once for each number of crops, which is intended; TensorFlow warns about it.
logging.getLogger("tensorflow").addFilter(lambda record: "triggered tf.function retracing" not in record.getMessage())
