"""The store → batches of network inputs."""

from src.inputs.batches import (
    EvaluationBatches,
    TrainingBatches,
    compute_stacks,
    read_batches,
    read_clips,
    read_examples,
    scored_segments,
)
from src.inputs.features import FeatureBatches, FrameFeatures, MiddleFeatures
from src.inputs.stream_inputs import StreamInputs, scored_inputs

__all__ = [
    "EvaluationBatches",
    "FeatureBatches",
    "FrameFeatures",
    "MiddleFeatures",
    "StreamInputs",
    "TrainingBatches",
    "compute_stacks",
    "read_batches",
    "read_clips",
    "read_examples",
    "scored_inputs",
    "scored_segments",
]
