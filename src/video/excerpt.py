"""A clip as a part of a file: where it is, and the seconds of it that count."""

import os
from math import isnan, nan
from pathlib import Path
from typing import NamedTuple

import pandas as pd

FRAME_RATE = 25.0  # frames/s of images, and of streams without timestamps, whose rate is not known


class Excerpt(NamedTuple):
    """A video file or a folder of images, or a part of it.

    Attributes:
        path: of the file or folder.
        start: seconds after the first frame of the file. The clip's frames are those shown at `start` or later and
            before `end`, by their timestamps. NaN is the first frame.
        end: likewise; NaN is the end of the file. An `end` after the end of the file is the end of the file.
        rate: of a folder of images, frames/s; NaN is `FRAME_RATE`. Of a file, it is not used.
    """

    path: str
    start: float = nan
    end: float = nan
    rate: float = nan

    @classmethod
    def of(cls, source: "str | Path | Excerpt | object") -> "Excerpt":
        """The excerpt of a path, which is the whole file, or of a row of the annotation table, or of an excerpt.

        A row is any object with `path`; `start`, `end` and `rate` that it lacks, or that are None, are NaN.
        """
        if isinstance(source, cls):
            return source
        if isinstance(source, str | Path):
            return cls(os.fspath(source))
        numbers = (getattr(source, name, None) for name in ("start", "end", "rate"))
        return cls(os.fspath(source.path), *(nan if pd.isna(number) else float(number) for number in numbers))

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole file."""
        return isnan(self.start) and isnan(self.end)

    def __str__(self) -> str:
        if self.is_whole:
            return self.path
        end = "the end" if isnan(self.end) else f"{self.end:g} s"
        return f"{self.path} ({0 if isnan(self.start) else self.start:g} s to {end})"
