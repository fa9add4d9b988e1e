"""Trained streams → scores of a split, baselines and probes; several runs → one table."""

from src.evaluation.baseline import baseline_scores, describe_baselines
from src.evaluation.comparison import compare_runs
from src.evaluation.predictions import predictions_table
from src.evaluation.probes import ORDERS, probe_streams
from src.evaluation.scores import average_crops, digest_weights, evaluation_protocol, predict_scores, score_split
