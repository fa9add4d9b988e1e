"""Video files and streams → frames: which frames of a clip, and which crops of a frame."""

from src.video import crops
from src.video.excerpt import Excerpt
from src.video.probing import probe_video
from src.video.reading import count_frames, read_frames
from src.video.rules import VideoError, stored_size
from src.video.sampling import segment_centers
from src.video.segments import pad_window, read_segments, read_windows
from src.video.stream import FrameStream
