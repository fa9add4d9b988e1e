"""Late fusion: the scores of two streams → one.

`late_fusion.fit_fusion` learns a fusion on validation, `calibration` the temperatures for it; `report` compares all
kinds of fusion on test.
"""

from src.fusion.late_fusion import KINDS, average_scores, fit_fusion, fuse
from src.fusion.report import better_stream, describe_fusion, format_p, fusion_table

__all__ = [
    "KINDS",
    "average_scores",
    "better_stream",
    "describe_fusion",
    "fit_fusion",
    "format_p",
    "fuse",
    "fusion_table",
]
