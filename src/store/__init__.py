"""The prepared data on disk: clips, manifests, digests. (`src.store.unused` is a command, and not imported here.)"""

from src.store.clip_store import ClipStore, clip_name
from src.store.digests import read_digest, read_digests
from src.store.encoding import Clip, encode_clip, encode_frame, join_tiles, split_tiles
from src.store.manifest import manifest_digest, read_prepared, record_subset
