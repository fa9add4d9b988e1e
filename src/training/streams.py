"""Compile, callbacks, one fit a phase; what was interrupted goes on where it stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from models import (
    build_cross_modality,
    build_end_to_end,
    build_finetuned_resnet,
    build_temporal_cnn,
    build_two_stream,
    freeze_backbone,
    measure_flow_scale,
    resolve_weights,
    takes_frames,
    unfreeze_last_stage,
)
from src.config import TrainConfig
from src.files import atomic_path
from src.inputs import (
    EvaluationBatches,
    FeatureBatches,
    FrameFeatures,
    MiddleFeatures,
    StreamInputs,
    TrainingBatches,
    compute_stacks,
)
from src.store import ClipStore
from src.training.callbacks import Backup, BestWeights, EpochBar, History, StartEpoch, write_weights
from src.training.devices import EvenBatches, jit_compile, on_devices, predict, synchronized_batch_norm
from src.training.runs import Run

WEIGHT_DECAY = 0.01
LABEL_SMOOTHING = 0.1  # keeps a stream that knows half of the answer from being sure of the other half
WARM_UP = 0.1  # share of the steps in which the rate rises
SCALE_CLIPS = 64  # training clips, at most, that a cross-modality network takes its scale of flow from


@dataclass(frozen=True)
class Phase:
    """One fit: of what, how long, at which highest rate, on what, and what is set trainable first."""

    name: str
    model: keras.Model
    epochs: int
    learning_rate: float
    training: TrainingBatches
    validation: EvaluationBatches | MiddleFeatures
    set_trainable: Callable[[keras.Model], object] = lambda model: None


def train_spatial(run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig):
    """Fits the spatial stream, or loads it where this run has fitted it.

    With pretrained weights: the head, on features of the frozen backbone that are computed once per frame and kept
    (see `src.inputs.features`), then the last stage at a lower rate, batch norm in inference mode throughout. Without: the
    whole network from the start.

    Args:
        run: where the weights and the history go.
        clips, store, class_names: from `input_pipeline.read_clips`.
        config: how to fit.

    Returns:
        (model, history): the weights of the best epoch by validation loss; DataFrame epoch, phase, loss, accuracy,
        val_loss, val_accuracy, a row an epoch.

    Raises:
        ValueError: the loss was never a number.
    """

    def build(devices):
        network = _network(run, "spatial", config.spatial_weights)
        keras.utils.set_random_seed(config.seed)
        model = build_finetuned_resnet(
            len(class_names), config.crop_size, network["weights"], network["backbone"], config.backbone_preprocessing
        )
        training, validation = _pictures("spatial", clips, store, class_names, config)
        rate = config.spatial_learning_rate
        if not network["pretrained"]:
            return model, [Phase("all layers", model, config.spatial_epochs, rate, training, validation)]
        freeze_backbone(model)
        features = FrameFeatures(build_extractor(model), store, config)
        features.compute(clips[clips.split != "test"], partial(predict, features.extractor, devices=devices))
        kept = FeatureBatches(features, clips, store, class_names, config), MiddleFeatures(features, validation)
        head = Phase("head", build_head(model), config.spatial_epochs, rate, *kept)
        rate = config.fine_tune_learning_rate
        last_stage = Phase(
            "last stage", model, config.fine_tune_epochs, rate, training, validation, unfreeze_last_stage
        )
        return model, [head, last_stage]

    return _train(run, "spatial", build, config)


def train_temporal(run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig):
    """Fits the temporal stream, or loads it where this run has fitted it; as `train_spatial`.

    From scratch, or, with `config.temporal_weights`, from an ImageNet network (cross-modality initialisation), all
    layers at once, with partial batch norm: all but the first in inference mode (TSN, Wang et al. 2016).
    """

    def build(devices):
        model, rate = build_temporal(run, clips, store, class_names, config)
        data = _pictures("temporal", clips, store, class_names, config)
        return model, [Phase("all layers", model, config.temporal_epochs, rate, *data)]

    return _train(run, "temporal", build, config)


def build_temporal(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig
) -> tuple[keras.Model, float]:
    """The temporal network before it is fitted, and its highest learning rate; `run` records which network it is."""
    keras.utils.set_random_seed(config.seed + 1)
    length, size = config.flow_length or store.config.flow_length, config.crop_size_of("temporal")
    inputs = StreamInputs(store, "temporal", config, cache=False)
    if config.temporal_weights == "scratch":
        head = config.temporal_head, config.subtract_mean, inputs.frames_bound
        return build_temporal_cnn(len(class_names), size, length, *head), config.temporal_learning_rate
    network = _network(run, "temporal", config.temporal_weights)
    train = clips[clips.split == "train"].clip_name
    some = train.iloc[:: -(-len(train) // SCALE_CLIPS)]  # of all classes: the table is in their order
    middle = store.config.num_segments // 2
    stacks = np.concatenate([inputs.crop_scored(inputs.read(clip, middle), 1) for clip in some])
    if inputs.frames_bound:
        stacks = compute_stacks(stacks, inputs.frames_bound)
    model = build_cross_modality(
        len(class_names),
        size,
        length,
        measure_flow_scale(stacks, config.subtract_mean),
        network["backbone"],
        network["weights"],
        config.backbone_preprocessing,
        config.subtract_mean,
        inputs.frames_bound,
    )
    return model, config.fine_tune_learning_rate if network["pretrained"] else config.temporal_learning_rate


def build_extractor(model: keras.Model) -> keras.Model:
    """What comes before the head of a spatial network, sharing its layers: frames → features (N, F)."""
    return keras.Model(model.input, model.get_layer("dropout").input, name="features")


def build_head(model: keras.Model) -> keras.Model:
    """What comes after the features of a spatial network, sharing its layers: features (N, F) → scores (N, C)."""
    features = keras.Input(model.get_layer("dropout").input.shape[1:], name="features")
    return keras.Model(features, model.get_layer("scores")(model.get_layer("dropout")(features)), name="head")


def save_two_stream(run: Run, spatial: keras.Model, temporal: keras.Model) -> keras.Model:
    """Joins the fitted streams, saves them as two_stream.keras, and returns the model that was read back."""
    path = run.folder / "two_stream.keras"
    _save(build_two_stream(spatial, temporal), path)
    return keras.models.load_model(path)


def save_end_to_end(
    run: Run, two_stream: keras.Model, class_names: list[str], store: ClipStore, config: TrainConfig,
    height: int, width: int,
) -> keras.Model:  # fmt: skip
    """Saves the model from frames of a size to probabilities as end_to_end.keras, and returns the model read back."""
    path = run.folder / "end_to_end.keras"
    _save(build_end_to_end(two_stream, class_names, store.config, config, height, width), path)
    return keras.models.load_model(path)


def compile_model(model: keras.Model, learning_rate: float, steps: int, xla: bool = False) -> None:
    """Compiles with AdamW, a warm-up and a cosine decay to zero over `steps`, and cross-entropy on probabilities."""
    warm_up = max(1, round(WARM_UP * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - warm_up), warmup_target=learning_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    loss = keras.losses.CategoricalCrossentropy(from_logits=False, label_smoothing=LABEL_SMOOTHING)
    model.compile(optimizer, loss, weighted_metrics=["accuracy"], jit_compile=jit_compile(xla))


def _network(run, stream, weights):
    """The backbone that a run began with, which "auto" need not find again when it goes on."""
    name = f"{stream}_network"
    network = run.record.get("notes", {}).get(name) or resolve_weights(weights, stream)
    run.note(**{name: network})
    return network


def _pictures(stream, clips, store, class_names, config):
    """(training, validation) batches of pictures."""
    training = TrainingBatches(clips, store, stream, class_names, config)
    return training, EvaluationBatches(clips, store, stream, "validation", len(class_names), config)


def _train(run, stream, build, config):
    """Runs the phases that are not done, each from the best weights so far; saves the model of the best epoch."""
    finished, history = run.folder / f"{stream}.keras", History(run.folder / f"history_{stream}.csv")
    if not finished.exists():
        with on_devices(config.precision, config.data_parallel, config.xla, config.batch_size) as devices:
            model, phases = build(devices)
            for number, phase in enumerate(phases):
                history.start(phase.name, first_epoch=sum(earlier.epochs for earlier in phases[:number]))
                with synchronized_batch_norm(phase.model, devices):
                    xla = config.xla or (devices == 1 and takes_frames(model))
                    _run_phase(run.folder, stream, number, phase, history, xla, devices)
            _save(keras.Model(model.input, model.output, name=model.name), finished)  # without its optimizer
    for weights in run.folder.glob(f"*_{stream}_*.weights.h5"):
        weights.unlink()
    model = keras.models.load_model(finished)
    if takes_frames(model):
        model.compile(jit_compile=True)  # several times as fast
    return model, history.table


def _run_phase(folder, stream, number, phase, history, xla, devices):
    """Fits what is left of a phase, and leaves the model with the best weights of this phase and those before."""
    best, backup = folder / f"best_{stream}_{number}.weights.h5", Backup(folder, f"backup_{stream}_{number}")
    bare = keras.Model(phase.model.input, phase.model.output)  # the same layers without an optimizer: what is kept
    if number and not best.exists():
        write_weights(bare, best)  # kept where this phase finds nothing better
    phase.set_trainable(phase.model)
    if history.epochs_done() < phase.epochs:
        compile_model(phase.model, phase.learning_rate, phase.epochs * len(phase.training), xla)
        phase.model.fit(
            phase.training,
            shuffle=False,  # the batches do it, the same way each time
            initial_epoch=backup.restore(phase.model),
            epochs=phase.epochs,
            validation_data=EvenBatches(phase.validation, devices),
            callbacks=[
                StartEpoch(phase.training),
                # In this order, so that an epoch counts as done only when everything else of it is on disk.
                BestWeights(bare, best, history.least_validation_loss()),
                history,
                backup,
                EpochBar(f"{stream} stream, {phase.name}", phase.epochs),
            ],
            verbose=0,
        )
    if not best.exists():
        raise ValueError(
            f"{folder}: the {stream} stream diverged: its validation loss was never a number. "
            "Lower its learning rate, and choose another run_name."
        )
    bare.load_weights(best)


def _save(model: keras.Model, path: Path):
    """Saves a model, atomically."""
    with atomic_path(path) as temporary:
        model.save(temporary)
