"""The prepared data on disk: clips, subsets, digests. (`src.store.unused` is a command, and not imported here.)"""

from src.store import encoding
from src.store.clip_store import ClipStore
from src.store.digests import read_digest, read_digests
from src.store.encoding import Clip
from src.store.manifest import manifest_digest, name_clips
from src.store.records import list_subsets, read_choice, read_prepared, read_subset, record_subset
