"""Training each stream: its network, its data, and the phases in which it is fitted."""

from functools import partial

import keras
import pandas as pd

from models import freeze_backbone, unfreeze_last_stage
from src.config import TrainConfig
from src.inputs import FeatureBatches, FrameFeatures, MiddleFeatures, TrainingBatches, ValidationBatches
from src.store import ClipStore
from src.training.devices import predict
from src.training.compiling import choose_steps
from src.training.fitting import Phase, fit_stream, round_steps
from src.training.networks import build_extractor, build_head, build_spatial, build_temporal
from src.training.runs import Run


def train_spatial(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains the spatial stream, or loads it if this run has finished it.

    With pretrained weights, first the head is trained, on features of the frozen backbone that are computed once per
    frame (see `src.inputs.features`), then also the last stage, at a lower learning rate; batch norm stays in inference
    mode. Without pretrained weights the whole network is trained.

    Args:
        run: the run, which gets the weights and the history.
        clips, store, class_names: from `src.inputs.read_clips`.
        config: how to train.

    Returns:
        (model, history): the weights of the epoch with the lowest validation loss; a DataFrame with one row per epoch
        and columns epoch, phase, loss, accuracy, val_loss, val_accuracy.

    Raises:
        ValueError: the validation loss was NaN in every epoch.
    """

    def build(devices):
        model, pretrained = build_spatial(run, class_names, config)
        data = clips, store, class_names, config
        if not pretrained:
            return model, [_phase("all layers", "spatial", config.spatial_steps, config.spatial_learning_rate, *data)]
        raise NotImplementedError

    return fit_stream(run, "spatial", build, config)


def train_temporal(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains the temporal stream, or loads it if this run has finished it; see `train_spatial`.

    All layers are trained at once: from random weights, or, with `config.temporal_weights`, from a pretrained image
    network (cross-modality initialisation) with partial batch norm, where all batch norm layers but the first stay in
    inference mode (TSN, Wang et al. 2016).
    """

    def build(devices):
        model, rate = build_temporal(run, clips, store, class_names, config)
        data = clips, store, class_names, config
        return model, [_phase("all layers", "temporal", config.temporal_steps, rate, *data)]

    return fit_stream(run, "temporal", build, config)


def _phase(name, stream, steps, rate, clips, store, class_names, config, set_trainable=lambda model: None):
    """A phase, with its number of steps chosen from the clips if it is None."""
    training = TrainingBatches(clips, store, stream, class_names, config)
    steps = choose_steps(steps, training.clips_per_pass, config.batch_size)
    training = TrainingBatches(clips, store, stream, class_names, config, round_steps(steps))
    validation = ValidationBatches(clips, store, stream, class_names, config)
    return Phase(name, steps, rate, training, validation, set_trainable)
