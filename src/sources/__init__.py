"""Any source of videos (an SSv2 download, class folders, a CSV, the sample) → one annotation table."""

from src.sources.archive import unpack_subset
from src.sources.names import few, printable
from src.sources.source import default_output, read_source
from src.sources.spans import add_background_clips
from src.sources.video_table import COLUMNS, OBJECTS, SPLITS, check_disjoint, seeded_keys
