"""A stored clip beside a fresh extraction of its video: what the store's JPEG changed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.flow import STEPS, ZERO, compute_flow, stack_fields
from src.preprocessing.extraction import extract_clip
from src.printing import wrap
from src.store import encoding, read_prepared
from src.video import Excerpt


@dataclass(frozen=True)
class Comparison:
    """A clip as it is stored, and as its video gives it now.

    Attributes:
        video_id, label: of the clip.
        stored_frames, fresh_frames: uint8 (S, H, W, 3), RGB.
        stored_stacks, fresh_stacks: uint8 (S, H, W, 2L), quantized flow.
        flow_bound: displacement of the largest code, px/frame.
        is_same: whether the fresh clip, encoded, gives the stored files byte for byte.
    """

    video_id: str
    label: str
    stored_frames: np.ndarray
    fresh_frames: np.ndarray
    stored_stacks: np.ndarray
    fresh_stacks: np.ndarray
    flow_bound: float
    is_same: bool

    def __str__(self):
        frames = _difference(self.stored_frames, self.fresh_frames)
        steps = _difference(np.maximum(self.stored_stacks, ZERO - STEPS), self.fresh_stacks)
        pixels = self.flow_bound / STEPS
        found = (
            "gives the stored files again, byte for byte" if self.is_same else "gives other files than the stored ones"
        )
        return wrap(
            f"Clip {self.video_id}, extracted again, {found}. JPEG changed its frames by {frames.mean():.1f} grey "
            f"levels on average and {frames.max()} at most, of 255, and its flow by {pixels * steps.mean():.3f} "
            f"px/frame on average and {pixels * steps.max():.1f} at most, of {self.flow_bound:g}."
        )


def compare_stored(root: str | Path, video_id: str, subset: str | None = None) -> Comparison:
    """Extracts a stored clip again, and compares.

    Args:
        root: the folder of the prepared data set.
        video_id: of the clip.
        subset: the name of a subset; None is the one that was prepared last.

    Raises:
        ValueError: the subset has no stored clip of this id.
        VideoError: its video cannot be used any more.
    """
    table, store = read_prepared(root, subset)
    rows = table[(table.video_id == video_id) & table.stored]
    if rows.empty:
        raise ValueError(f"{root}: no clip with video_id {video_id!r} is stored. Give one of check_store's table.")
    row, config = next(rows.itertuples()), store.config
    fresh = extract_clip(Excerpt.of(row), config)
    files = encoding.encode_clip(fresh, store.read_info(row.clip_name)["video"])
    folder, segments = store.folder / row.clip_name, range(config.num_segments)
    return Comparison(
        video_id,
        row.label,
        np.stack([store.read_frame(row.clip_name, segment) for segment in segments]),
        fresh.frames,
        np.stack([store.read_stack(row.clip_name, segment) for segment in segments]),
        fresh.stacks if fresh.stacks is not None else _compute_stacks(fresh, config),
        config.flow_bound,
        all((folder / name).read_bytes() == content for name, content in files.items()),
    )


def _compute_stacks(clip, config):
    """The stacks of a clip that holds grey frames."""
    windows = (clip.window(segment, config.window_length) for segment in range(config.num_segments))
    flows = (compute_flow(window, config.flow_algorithm) for window in windows)
    return np.stack([stack_fields(flow, config.flow_length, config.flow_bound) for flow in flows])


def _difference(first, second):
    return np.abs(first.astype(np.int16) - second)
