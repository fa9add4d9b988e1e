"""What is on disk: clips, manifests, digests."""

from src.store.clip_store import Clip, ClipStore, clip_name, encode_clip, encode_frame, join_tiles, split_tiles
from src.store.digests import read_digest, read_digests
from src.store.manifest import manifest_digest, read_prepared, record_subset

__all__ = [
    "Clip",
    "ClipStore",
    "clip_name",
    "encode_clip",
    "encode_frame",
    "join_tiles",
    "manifest_digest",
    "read_digest",
    "read_digests",
    "read_prepared",
    "record_subset",
    "split_tiles",
]
