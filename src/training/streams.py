"""Training each stream: its network, its data, and the phases in which it is fitted."""

from dataclasses import dataclass
from functools import partial

import keras
import pandas as pd

from models import unfreeze_last_stage
from src.config import TrainConfig
from src.inputs import FrameFeatures, TrainingBatches, ValidationBatches
from src.store import ClipStore
from src.training.compiling import choose_steps
from src.training.devices import predict
from src.training.fitting import OnRound, Phase, fit_stream, round_steps
from src.training.head import fit_head
from src.training.multi_task import add_task, read_other
from src.training.networks import build_spatial, build_temporal
from src.training.runs import Run


@dataclass(frozen=True)
class StreamPlan:
    """What a training will do: the network, the features that its head is fitted to, if any, and then the phases."""

    model: keras.Model
    features: FrameFeatures | None
    phases: list[Phase]


def train_spatial(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig,
    on_round: OnRound | None = None,
) -> tuple[keras.Model, pd.DataFrame]:  # fmt: skip
    """Trains the spatial stream, or loads it if this run has finished it.

    With pretrained weights, the head is fitted to features of the frozen backbone, which are computed once per frame
    (see `src.inputs.features` and `src.training.head`). Then, with `config.fine_tune_steps`, the last stage is trained,
    too; batch norm stays in inference mode. Without pretrained weights the whole network is trained.
    With `config.also` it learns from another data set, too, unless its backbone is frozen (see
    `src.training.multi_task`).

    Args:
        run: the run, which gets the weights, the history, and logs for TensorBoard.
        clips, store, class_names: from `src.inputs.read_clips`.
        config: how to train.
        on_round: called before the first round and after each one, with the history so far and the number of steps of
            the whole training; such as `src.plots.GrowingHistory`.

    Returns:
        (model, history): the last weights; a DataFrame with columns step, phase, loss, accuracy, val_loss,
        val_accuracy (NaN without validation clips), one row for each round of steps. It is empty if only a head was
        fitted.

    Raises:
        ValueError: the loss is not finite.
    """

    return _train(run, "spatial", clips, store, class_names, config, on_round)


def train_temporal(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig,
    on_round: OnRound | None = None,
) -> tuple[keras.Model, pd.DataFrame]:  # fmt: skip
    """Trains the temporal stream, or loads it if this run has finished it; see `train_spatial`.

    All layers are trained at once: from random weights, or, with `config.temporal_weights`, from another run (see
    `src.training.transfer`) or from a pretrained image network (cross-modality initialisation) with partial batch norm,
    where all batch norm layers but the first stay in inference mode (TSN, Wang et al. 2016).
    """
    return _train(run, "temporal", clips, store, class_names, config, on_round)


def plan_stream(
    run: Run, stream: str, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig
) -> StreamPlan:
    """Builds the network of a stream, and plans how it is trained; the run records what was chosen for it."""
    data = clips, store, class_names, config
    if stream == "spatial":
        model, pretrained = build_spatial(run, store, class_names, config)
        steps, rate = config.spatial_steps, config.spatial_learning_rate
    else:
        model, rate = build_temporal(run, clips, store, class_names, config)
        steps, pretrained = config.temporal_steps, False  # a pretrained one has no head to fit first
    other = read_other(run, clips, store, config) if config.also else None  # its errors come now, in any case
    if not pretrained:
        phase = _phase(run, "all layers", stream, steps, rate, *data)
        return StreamPlan(model, None, [add_task(phase, stream, model, other, config) if other else phase])
    extractor = keras.Model(model.input, model.get_layer("unfold_segments").output)
    phases, steps, rate = [], config.fine_tune_steps, config.fine_tune_learning_rate
    if steps:
        phases.append(_phase(run, "last stage", stream, steps, rate, *data, unfreeze_last_stage))
    return StreamPlan(model, FrameFeatures(extractor, store, config), phases)


def _train(run, stream, clips, store, class_names, config, on_round):
    def build(devices):
        plan = plan_stream(run, stream, clips, store, class_names, config)
        if plan.features:
            _fit_head(run, plan, clips[clips.split == "train"], class_names, devices)
        return plan.model, plan.phases

    return fit_stream(run, stream, build, config, on_round)


def _fit_head(run, plan, train, class_names, devices):
    """Fits the layer "scores" of a spatial network whose backbone is frozen."""
    plan.features.compute(train, partial(predict, plan.features.extractor, devices=devices))
    inputs, classes = plan.features.read_inputs(train, class_names)
    head = plan.model.get_layer("head")
    kernel, bias, report = fit_head(inputs, classes, train.group.to_numpy(), len(class_names), head.input_shape[-1])
    head.get_layer("scores").set_weights([kernel, bias])
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
