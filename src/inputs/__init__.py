"""The store → batches of network inputs. Crops and augmentation are chosen here, when a batch is made."""

from src.inputs.batches import (
    EvaluationBatches,
    TrainingBatches,
    ValidationBatches,
    fill_places,
    scored_segments,
)
from src.inputs.data_set import read_clips
from src.inputs.examples import Draw, read_draws, read_examples
from src.inputs.features import FrameFeatures
from src.inputs.input_format import compute_stacks, scored_inputs
from src.inputs.makers import MAKERS
from src.inputs.stream_inputs import StreamInputs
