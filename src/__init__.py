"""The data's way, one stage per module: videos on disk to frames and flow, to batches, to scores, to pictures."""

import os

# OpenCV reads these once, when it is first imported. A broken video is reported through our own ledger;
# FFmpeg's own lines, one per damaged packet, would bury it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
