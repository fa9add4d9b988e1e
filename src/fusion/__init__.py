"""Late fusion: the scores of two streams → one.

`fit_fusion` learns on validation (modules `learning`, `calibration`); `fusion_table` compares all kinds on test;
`chosen_kind` is the one to use, chosen on validation; `fit_threshold` learns the score below which a clip is none of
the classes.
"""

from src.fusion.late_fusion import KINDS, Fusion, average_scores, fit_fusion
from src.fusion.reliability import calibration_error, reliability_table
from src.fusion.report import better_stream, chosen_kind, describe_fusion, format_p, fusion_table
from src.fusion.threshold import fit_threshold
