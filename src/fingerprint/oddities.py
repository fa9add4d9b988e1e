"""What is odd about the videos of a subset, in sentences."""

import pandas as pd

from src.printing import wrap
from src.sources import few, printable

FAR = 4  # times the median length: a clip that is far longer
CLOSE = 0.02  # relative difference of frame rates that are taken for one, such as 29.97 and 30
NAMED = 5  # videos that a sentence names
COMMON = 4  # sizes and rates that a sentence lists


def describe_oddities(fingerprint: pd.DataFrame, window_length: int = 11) -> list[str]:
    """Describes what a person should know before the extraction, each sentence naming up to five videos.

    Args:
        fingerprint: from `read_fingerprint`.
        window_length: frames of a window, L + 1; a shorter clip is extended by frames without motion.

    Returns:
        sentences, in lines to print, about videos that cannot be read, sizes and rates that differ, clips that are far
        longer than the others or too short, and classes without a readable clip; none if nothing is odd.
    """
    readable = fingerprint[fingerprint.frames.notna()]
    found = [*_describe_unreadable(fingerprint[fingerprint.frames.isna()])]
    if len(readable):
        found += [_describe_sizes(readable), _describe_rates(readable), *_describe_lengths(readable, window_length)]
        found += [_describe_lost(fingerprint, readable)]
    return [wrap(sentence, indent="    ") for sentence in found if sentence]


def _describe_unreadable(videos):
    """One line for all, and one for each of the first videos, because reasons are sentences."""
    if len(videos):
        yield f"{_count(videos, 'cannot', 'cannot')} be read:"
    for name, reason in zip(videos.video_id[:NAMED], videos.reason, strict=False):
        yield f"  {printable(name)}: {printable(reason)}"
    if len(videos) > NAMED:
        yield f"  and {len(videos) - NAMED:,} more"


def _describe_sizes(videos):
    sizes = videos.width.astype(int).astype(str) + " × " + videos.height.astype(int).astype(str)
    if sizes.nunique() == 1:
        return None
    shapes = (videos.width > videos.height).groupby(videos.width != videos.height).mean()
    both = " Some are upright, some are wide." if 0 < shapes.get(True, 0) < 1 else ""
    return f"Sizes differ: {_list_common(sizes, 'px')}.{both}"


def _describe_rates(videos):
    rates = videos.rate.sort_values()
    groups = (rates.diff() > CLOSE * rates).cumsum()
    if groups.max() == 0:
        return None
    rates = rates.groupby(groups).transform("median").map("{:.4g}".format)
    return (
        f"Frame rates differ: {_list_common(rates, 'frames/s')}. At a higher rate, the same motion is fewer pixels a "
        "frame, and a stack is a shorter time."
    )


def _describe_lengths(videos, window_length):
    median = videos.seconds.median()
    far = videos[videos.seconds > FAR * median].sort_values("seconds", ascending=False)
    short = videos[videos.frames < window_length].sort_values("frames")
    if len(far):
        yield (
            f"{_count(far, 'is', 'are')} more than {FAR} times as long as the median of {median:.1f} s: "
            f"{_name(far, far.seconds.map('{:.1f} s'.format))}. Cut to the action, with start and end in a CSV."
        )
    if len(short):
        yield (
            f"{_count(short, 'has', 'have')} fewer frames than a window of {window_length}, extended by still frames: "
            f"{_name(short, short.frames.map('{:.0f} frames'.format))}."
        )


def _describe_lost(fingerprint, readable):
    """Classes of a split of which no video can be read."""
    pairs = (
        fingerprint.groupby(["label", "split"])
        .size()
        .index.difference(readable.groupby(["label", "split"]).size().index)
    )
    if pairs.empty:
        return None
    return f"No video can be read of: {few([f'{label} ({split})' for label, split in pairs], NAMED)}."


def _count(videos, one, many):
    return f"1 video {one}" if len(videos) == 1 else f"{len(videos):,} videos {many}"


def _name(videos, notes):
    names = [f"{name} ({note})" for name, note in zip(videos.video_id, notes, strict=True)]
    return few(names[:NAMED], NAMED) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")


def _list_common(values, unit):
    counts = values.value_counts()
    rest = f", and {len(counts) - COMMON:,} more" if len(counts) > COMMON else ""
    return ", ".join(f"{value} ({count:,})" for value, count in counts[:COMMON].items()) + f" {unit}{rest}"
