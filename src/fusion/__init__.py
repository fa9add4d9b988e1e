"""Two streams' scores → one; what a fusion learns, it learns on validation."""

from src.fusion.late_fusion import KINDS, average_scores, fuse
from src.fusion.report import better_stream, describe_fusion, format_p, fusion_table

__all__ = [
    "KINDS",
    "average_scores",
    "better_stream",
    "describe_fusion",
    "format_p",
    "fuse",
    "fusion_table",
]
