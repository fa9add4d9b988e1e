"""The spatial stream: an RGB frame of each segment → class probabilities."""

from pathlib import Path

import keras
from keras import layers

from models.backbones import NORMALIZATIONS, build_backbone, pool_features, resize_to
from models.consensus import build_clip_network
from models.temporal_shift import insert_temporal_shift


def build_finetuned_resnet(
    num_classes: int,
    crop_size: int = 224,
    weights: str | Path | None = "imagenet",
    backbone: str | Path = "resnet50",
    preprocessing: str = "torch",
    dropout: float = 0.5,
    num_segments: int | None = None,
    consensus: str = "average",
    temporal_shift: bool = False,
) -> keras.Model:
    """Builds the spatial stream: normalisation, a backbone called "backbone", average pooling, consensus, softmax.

    Args:
        num_classes: C.
        crop_size: side of the input, pixels.
        weights, backbone: as in `models.backbones.build_backbone`. For a saved backbone of a fixed input size the
            frames are resized.
        preprocessing: what a saved backbone expects, as Keras names it: "torch" (scaled, ImageNet mean and standard
            deviation), "tf" (-1 … 1), "caffe" (BGR, ImageNet mean). For a network of Keras it is known.
        dropout: of the pooled features.
        num_segments: S, the frames of a clip; None takes any number, which only the average without shift can.
        consensus: "average" or "ordered", as in `models.consensus.Consensus`.
        temporal_shift: shift channels along the segments in each residual block, see `models.temporal_shift`.

    Returns:
        a functional model from `models.consensus.build_clip_network`: "frame" uint8 (N, S, crop_size, crop_size, 3),
        RGB → scores float32 (N, C), after softmax. A pretrained backbone is frozen, and its batch norm always runs in
        inference mode; the features that the layer "body" gives are then the same in every epoch.

    Raises:
        ValueError, FileNotFoundError: as in `build_backbone`.

    He et al. 2016 (ResNet); Simonyan & Zisserman 2014 (the stream).
    """
    network, preprocessing, pretrained = build_backbone(backbone, crop_size, weights, preprocessing)
    network = insert_temporal_shift(network, num_segments) if temporal_shift else network
    # Batch norm of a frozen layer runs in inference mode. Keras 3 ignores training=False in the call of a model.
    network.trainable = not pretrained
    frame = keras.Input((crop_size, crop_size, 3), dtype="uint8", name="frame")
    x = network(_normalize(resize_to(network, frame), preprocessing))
    body = keras.Model(frame, pool_features(x, pretrained), name="body")
    return build_clip_network(body, num_classes, num_segments, consensus, dropout, pretrained, "spatial")


def _normalize(frame, preprocessing):
    values = NORMALIZATIONS[preprocessing]
    scale = [1 / deviation for deviation in values["deviation"]]
    offset = [-mean / deviation for mean, deviation in zip(values["mean"], values["deviation"], strict=True)]
    x = layers.Rescaling(scale, offset, dtype="float32", name="normalize")(frame)
    return keras.ops.flip(x, axis=-1) if preprocessing == "caffe" else x
