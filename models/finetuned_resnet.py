"""The spatial stream: one RGB frame → class probabilities. What is there."""

from pathlib import Path

import keras
from keras import layers

from models.backbones import NORMALIZATIONS, build_backbone, classify, resize_to


def build_finetuned_resnet(
    num_classes: int,
    crop_size: int = 224,
    weights: str | Path | None = "imagenet",
    backbone: str | Path = "resnet50",
    preprocessing: str = "torch",
) -> keras.Model:
    """Builds the spatial stream: normalisation, a backbone called "backbone", average pooling, softmax.

    Args:
        num_classes: C.
        crop_size: side of the input, pixels.
        weights: for ResNet50: "imagenet", a file of ResNet50 weights (without top), or None for random ones.
        backbone: "resnet50", "compact", or the path of a saved Keras model that maps images to features; see
            `models.backbones`. One with a fixed input size gets the frames resized to it.
        preprocessing: what a saved backbone expects, as Keras names it: "torch" (scaled, ImageNet mean and
            deviation), "tf" (-1 … 1), "caffe" (BGR, ImageNet mean).

    Returns:
        a functional model: "frame" uint8 (N, crop_size, crop_size, 3), RGB → "scores" float32 (N, C), after softmax.
        A pretrained backbone is frozen, and its batch norm always runs in inference mode. What enters the layer
        "dropout" are the features, float32 (N, F): up to there a frozen stream can be computed once per frame.

    Raises:
        ValueError: unknown preprocessing, or a saved backbone that does not map one image to features.
        FileNotFoundError: no file at the path of weights or backbone.

    He et al. 2016 (ResNet); Simonyan & Zisserman 2014 (the stream).
    """
    network, preprocessing, pretrained = build_backbone(backbone, crop_size, weights, preprocessing)
    # A frozen layer's batch norm runs in inference mode. (Keras 3 passes over a training=False set in a call.)
    network.trainable = not pretrained
    frame = keras.Input((crop_size, crop_size, 3), dtype="uint8", name="frame")
    x = network(_normalize(resize_to(network, frame), preprocessing))
    return keras.Model(frame, classify(x, num_classes, 0.5, pretrained), name="spatial")


def _normalize(frame, preprocessing):
    values = NORMALIZATIONS[preprocessing]
    scale = [1 / deviation for deviation in values["deviation"]]
    offset = [-mean / deviation for mean, deviation in zip(values["mean"], values["deviation"], strict=True)]
    x = layers.Rescaling(scale, offset, dtype="float32", name="normalize")(frame)
    return keras.ops.flip(x, axis=-1) if preprocessing == "caffe" else x
