"""What was understood of a source, as a tree of a few lines."""

import textwrap
from pathlib import Path

from src.sources.names import few, printable
from src.sources.video_table import SPLITS, Reading

MAX_CLASSES = 6  # that are named
WIDTH = 110  # characters of a line
WRAPPING = {"break_long_words": False, "break_on_hyphens": False, "replace_whitespace": False}


def describe_reading(source: str | Path, reading: Reading) -> str:
    """The source's kind, classes, splits and groups, and what is left aside, a line each."""
    table = reading.table
    counts = table["label"].value_counts().sort_index()
    classes = few((f"{label} ({count})" for label, count in counts.items()), MAX_CLASSES)
    lines = [f"{len(table)} videos in {len(counts)} classes: {classes}"]
    by_split = table["split"].value_counts()
    splits = ", ".join(f"{split} ({by_split[split]})" for split in SPLITS if split in by_split)
    lines.append(f"splits: {splits or 'none; they are drawn by seed and group'}")
    if reading.groups:
        lines.append(f"groups: {reading.groups}")
    spans, frames = table[["start", "end"]].notna().any(axis=1).sum(), table["rate"].notna().sum()
    if spans:
        lines.append(f"parts of longer videos, by start and end: {spans}")
    if frames:
        lines.append(f"folders of images: {frames}, at {table['rate'].max():g} frames/s (frame_rate)")
    lines += [f"left aside: {sentence}" for sentence in reading.left_aside]
    tree = []
    for number, line in enumerate(lines, 1):
        sign, rest = ("├─", "│ ") if number < len(lines) else ("└─", "  ")
        tree += textwrap.wrap(line, WIDTH, initial_indent=f"  {sign} ", subsequent_indent=f"  {rest}     ", **WRAPPING)
    return "\n".join([f"{printable(source)}: {printable(reading.kind)}", *tree])
