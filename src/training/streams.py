"""Training each stream: its network, its data, and the phases in which it is fitted."""

from functools import partial

import keras
import pandas as pd

from models import unfreeze_last_stage
from src.config import TrainConfig
from src.inputs import FrameFeatures, TrainingBatches, ValidationBatches
from src.store import ClipStore
from src.training.compiling import choose_steps
from src.training.devices import predict
from src.training.fitting import Phase, fit_stream, round_steps
from src.training.head import fit_head
from src.training.multi_task import add_task, read_other
from src.training.networks import build_spatial, build_temporal
from src.training.runs import Run


def train_spatial(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains the spatial stream, or loads it if this run has finished it.

    With pretrained weights, the head is fitted to features of the frozen backbone, which are computed once per frame
    (see `src.inputs.features` and `src.training.head`). Then, with `config.fine_tune_steps`, the last stage is trained,
    too; batch norm stays in inference mode. Without pretrained weights the whole network is trained.
    With `config.also` it learns from another data set, too, unless its backbone is frozen (see
    `src.training.multi_task`).

    Args:
        run: the run, which gets the weights and the history.
        clips, store, class_names: from `src.inputs.read_clips`.
        config: how to train.

    Returns:
        (model, history): the last weights; a DataFrame with columns step, phase, loss, accuracy, val_loss,
        val_accuracy (NaN without validation clips), one row for each round of steps. It is empty if only a head was
        fitted.

    Raises:
        ValueError: the loss is not finite.
    """

    def build(devices):
        model, pretrained = build_spatial(run, store, class_names, config)
        data = clips, store, class_names, config
        other = read_other(run, clips, store, config) if config.also else None  # its errors come now, in any case
        if not pretrained:
            phase = _phase(run, "all layers", "spatial", config.spatial_steps, config.spatial_learning_rate, *data)
            return model, [add_task(phase, "spatial", model, other, config) if other else phase]
        _fit_head(run, model, clips, store, class_names, config, devices)
        if not config.fine_tune_steps:
            return model, []
        rate = config.fine_tune_learning_rate
        return model, [_phase(run, "last stage", "spatial", config.fine_tune_steps, rate, *data, unfreeze_last_stage)]

    return fit_stream(run, "spatial", build, config)


def train_temporal(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains the temporal stream, or loads it if this run has finished it; see `train_spatial`.

    All layers are trained at once: from random weights, or, with `config.temporal_weights`, from another run (see
    `src.training.transfer`) or from a pretrained image network (cross-modality initialisation) with partial batch norm,
    where all batch norm layers but the first stay in inference mode (TSN, Wang et al. 2016).
    """

    def build(devices):
        model, rate = build_temporal(run, clips, store, class_names, config)
        data = clips, store, class_names, config
        phase = _phase(run, "all layers", "temporal", config.temporal_steps, rate, *data)
        other = read_other(run, clips, store, config) if config.also else None
        return model, [add_task(phase, "temporal", model, other, config) if other else phase]

    return fit_stream(run, "temporal", build, config)


def _fit_head(run, model, clips, store, class_names, config, devices):
    """Fits the layer "scores" of a spatial network whose backbone is frozen."""
    train = clips[clips.split == "train"]
    extractor = keras.Model(model.input, model.get_layer("unfold_segments").output)
    features = FrameFeatures(extractor, store, config)
    features.compute(train, partial(predict, extractor, devices=devices))
    inputs, classes = features.read_inputs(train, class_names)
    groups, num_features = train.group.to_numpy(), model.get_layer("head").input_shape[-1]
    kernel, bias, report = fit_head(inputs, classes, groups, len(class_names), num_features)
    model.get_layer("head").get_layer("scores").set_weights([kernel, bias])
    run.record_facts(spatial_head=report)


def _phase(
    run, name, stream, steps, rate, clips, store, class_names, config, set_trainable=lambda model: None
):  # fmt: skip
    """A phase. If its number of steps is None, it is chosen once, and recorded."""
    training = TrainingBatches(clips, store, stream, class_names, config)
    steps = steps or _choose_once(run, stream, training)
    training = TrainingBatches(clips, store, stream, class_names, config, round_steps(steps))
    validation = ValidationBatches(clips, store, stream, class_names, config)
    return Phase(name, steps, rate, training, validation, set_trainable)


def _choose_once(run, stream, training):
    """The steps that the run recorded; otherwise those that are chosen now (the rule may change)."""
    name, clips = f"{stream}_steps", len(training.clips)
    chosen = run.record.get("notes", {}).get(name) or {
        "steps": choose_steps(clips, training.num_segments, training.batch_size),
        "clips": clips,
    }
    run.record_facts(**{name: chosen})
    return chosen["steps"]
