"""What each video of a subset is, by its header: length, frame rate and size, before anything is decoded."""

import math
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from src.progress import progress
from src.video import Excerpt, VideoError, probe_video

READERS = 8  # threads: files on a slow disk or a network are waited for at the same time
NUMBERS = ["frames", "seconds", "rate", "width", "height"]


def read_fingerprint(subset: pd.DataFrame) -> pd.DataFrame:
    """Probes the videos of a subset, without decoding: a few milliseconds each; a file of several clips is opened once.

    Args:
        subset: an annotation table, from `src.subsets.choose_subset` or `src.store.read_subset`.

    Returns:
        a row per row of `subset`, with the same index: `video_id`, `label`, `split`; as float `frames`, `seconds`,
        `rate` (frames/s), `width`, `height` (pixels, as displayed), all NaN where a video cannot be opened; and
        `reason`, why not, "" where it can. Damage that only decoding shows is not found.
    """
    excerpts = [Excerpt.of(row) for row in subset.itertuples()]
    files = list(dict.fromkeys((excerpt.path, _text(excerpt.rate)) for excerpt in excerpts))
    with ThreadPoolExecutor(READERS) as readers:
        probes = dict(zip(files, progress(readers.map(_probe, files), len(files), "probing", "video"), strict=True))
    rows = [_describe(excerpt, probes[excerpt.path, _text(excerpt.rate)]) for excerpt in excerpts]
    found = pd.DataFrame(rows, columns=[*NUMBERS, "reason"], index=subset.index).astype(dict.fromkeys(NUMBERS, float))
    return subset[["video_id", "label", "split"]].join(found)


def _probe(file):
    """The `Probe` of a whole file, or the text of its error."""
    path, rate = file
    try:
        return probe_video(Excerpt(path, rate=float(rate or "nan")))
    except (VideoError, OSError) as error:
        return str(error)


def _describe(excerpt, probe):
    try:
        if isinstance(probe, str):
            raise VideoError(probe)
        part = probe if excerpt.is_whole else probe.cut(excerpt)
    except VideoError as error:
        return [math.nan] * len(NUMBERS) + [str(error)]
    return [part.frames, part.seconds, part.rate, part.width, part.height, ""]


def _text(rate):
    """A rate as a key of a dict, in which NaN would not equal itself."""
    return "" if math.isnan(rate) else repr(rate)
