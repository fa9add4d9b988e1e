"""Training each stream: its network, its data, and the phases in which it is fitted."""

from functools import partial

import keras
import pandas as pd

from models import freeze_backbone, unfreeze_last_stage
from src.config import TrainConfig
from src.inputs import EvaluationBatches, FeatureBatches, FrameFeatures, MiddleFeatures, TrainingBatches
from src.store import ClipStore
from src.training.devices import predict
from src.training.fitting import Phase, fit_stream
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
        training, validation = _image_batches("spatial", clips, store, class_names, config)
        rate = config.spatial_learning_rate
        if not pretrained:
            return model, [Phase("all layers", model, config.spatial_epochs, rate, training, validation)]
        freeze_backbone(model)
        features = FrameFeatures(build_extractor(model), store, config)
        features.compute(clips[clips.split != "test"], partial(predict, features.extractor, devices=devices))
        data = FeatureBatches(features, clips, store, class_names, config), MiddleFeatures(features, validation)
        head = Phase("head", build_head(model), config.spatial_epochs, rate, *data)
        rate, data = config.fine_tune_learning_rate, (training, validation)
        last_stage = Phase("last stage", model, config.fine_tune_epochs, rate, *data, unfreeze_last_stage)
        return model, [head, last_stage]

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
        data = _image_batches("temporal", clips, store, class_names, config)
        return model, [Phase("all layers", model, config.temporal_epochs, rate, *data)]

    return fit_stream(run, "temporal", build, config)


def _image_batches(stream, clips, store, class_names, config):
    training = TrainingBatches(clips, store, stream, class_names, config)
    return training, EvaluationBatches(clips, store, stream, "validation", len(class_names), config)
