"""Multi-task learning: one body learns from two data sets, each with a head and a loss of its own.

Each step takes a batch of both data sets, and its loss is the sum of both losses (Simonyan & Zisserman 2014, section
4). Batch norm is separate, so that a stream is normalised as it will be when it scores: by its own data set alone
(Chang et al. 2019, domain-specific batch normalisation). Only the stream of the own data set is kept.
"""

import dataclasses
import os
from typing import NamedTuple

import keras
import pandas as pd

from models import consensus, leaf_layers
from src.config import TrainConfig, differences
from src.inputs import TrainingBatches
from src.sources import few
from src.store import ClipStore, manifest_digest, read_prepared
from src.training.compiling import OTHER, OWN
from src.training.fitting import Phase
from src.training.runs import Run


class OtherData(NamedTuple):
    """Another prepared data set: `clips` (its training clips), `store`, and `class_names` by class index."""

    clips: pd.DataFrame
    store: ClipStore
    class_names: list[str]


def read_other(run: Run, clips: pd.DataFrame, store: ClipStore, config: TrainConfig) -> OtherData:
    """Reads the training clips of the data set `config.also`, and records its path and digest.

    Args:
        run: of the own data set.
        clips, store: the own data set, from `src.inputs.read_clips`.
        config: `also`, the folder of the other one, relative to the working folder; its subset is the one prepared
            last.

    Raises:
        FileNotFoundError: the folder was never prepared.
        ValueError: its clips were extracted with other parameters (all differences are listed), it has no training
            clips, some of them are of videos that this run validates or tests with, or it has changed since this run
            started.
    """
    table, other = read_prepared(config.also)
    changed = differences(store.config.to_dict(), other.config.to_dict())
    if changed:
        raise ValueError(
            f"also={config.also!r}: the clips of both data sets must be extracted with the same parameters. They "
            f"differ ({store.root} → {other.root}): {'; '.join(changed)}. Prepare one of them again."
        )
    table = table[table.stored]
    train = table[table.split == "train"].reset_index(drop=True)
    if not len(train):
        raise ValueError(f"also={config.also!r}: must have training clips. Found: none that is stored. Prepare some.")
    held_out = clips[clips.split != "train"].digest
    shared = train.video_id[train.digest.isin(held_out)]
    if len(shared):
        raise ValueError(
            f"also={config.also!r}: no training video may be one that this run validates or tests with. Found: "
            f"{len(shared)}, {few(shared)}. Prepare the other data set without them."
        )
    _record(run, other, manifest_digest(table))
    names = train.drop_duplicates("class_index").sort_values("class_index").label.tolist()
    return OtherData(train.assign(class_index=train.label.map(names.index)), other, names)


def add_task(phase: Phase, stream: str, model: keras.Model, other: OtherData, config: TrainConfig) -> Phase:
    """A phase in which a stream also learns from another data set; augmentation and class balance are its own.

    Its flipped and time-reversed classes come from their names, because `flip_map` and `reversal_map` name own classes.
    """
    theirs = dataclasses.replace(config, flip_map=None, reversal_map=None)
    batches = TrainingBatches(*other[:2], stream, other.class_names, theirs, len(phase.training))
    network = build_joint(model, len(other.class_names), config)
    return dataclasses.replace(phase, training=JointBatches(phase.training, batches), network=network)


def build_joint(model: keras.Model, num_classes: int, config: TrainConfig) -> keras.Model:
    """Builds the network of both tasks around a stream.

    Args:
        model: the stream, whose body becomes that of both.
        num_classes: of the other data set.
        config: `consensus`.

    Returns:
        a functional model: {OWN: segments (N, S, …), OTHER: segments (N', S, …)} → the same keys, scores (N, C) and
        (N', C'). All layers of the body are shared but batch norm that is trained, of which each task has its own.
    """
    dropout = model.get_layer("head").get_layer("dropout").rate
    body = _with_own_batch_norm(model.get_layer("body"))
    other = consensus.build_clip_network(
        body, num_classes, model.input.shape[1], config.consensus, dropout, True, f"{OTHER}_stream"
    )
    shape, dtype = model.input.shape[1:], model.input.dtype
    inputs = {name: keras.Input(shape, dtype=dtype, name=name) for name in (OWN, OTHER)}
    return keras.Model(inputs, {OWN: model(inputs[OWN]), OTHER: other(inputs[OTHER])}, name="joint")


class JointBatches(keras.utils.PyDataset):
    """The batches of two `TrainingBatches` of as many steps, under the keys OWN and OTHER."""

    def __init__(self, own: TrainingBatches, other: TrainingBatches):
        super().__init__()
        self.own, self.other = own, other

    def __len__(self):
        return len(self.own)

    def __getitem__(self, index):
        batches = {OWN: self.own[index], OTHER: self.other[index]}
        return tuple({name: batch[part] for name, batch in batches.items()} for part in (0, 1))

    @property
    def epoch(self) -> int:
        """The part of the training that the batches are of, as in `TrainingBatches`."""
        return self.own.epoch

    @epoch.setter
    def epoch(self, epoch: int):
        self.own.epoch = self.other.epoch = epoch


def _with_own_batch_norm(body):
    """A network of the same layers, but with a copy of each batch norm that is trained."""

    def share(layer):
        is_own = isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        return type(layer).from_config(layer.get_config()) if is_own else layer

    other = keras.models.clone_model(body, clone_function=share, recursive=True)
    for layer, copy in zip(leaf_layers(body), leaf_layers(other), strict=True):
        if copy is not layer and layer.weights:
            copy.set_weights(layer.get_weights())
    return other


def _record(run, other, digest):
    """Records the other data set, or checks that it is the one that was recorded."""
    known = run.record.get("notes", {}).get("also")
    if known is not None and known["manifest_digest"] != digest:
        raise ValueError(
            f"{other.root}: the run {run.folder.name!r} also learns from the subset {known['manifest_digest']} that "
            f"was prepared there; now it is {digest}. Prepare that subset again, or choose another run_name."
        )
    run.record_facts(also=known or {"data": os.path.abspath(other.root), "manifest_digest": digest})
