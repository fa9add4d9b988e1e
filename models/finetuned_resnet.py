"""The spatial stream: one RGB frame → class probabilities."""

from pathlib import Path

import keras
from keras import layers

from models.backbones import NORMALIZATIONS, add_head, build_backbone, resize_to


def build_finetuned_resnet(
    num_classes: int,
    crop_size: int = 224,
    weights: str | Path | None = "imagenet",
    backbone: str | Path = "resnet50",
    preprocessing: str = "torch",
    dropout: float = 0.5,
) -> keras.Model:
    """Builds the spatial stream: normalisation, a backbone called "backbone", average pooling, softmax.

    Args:
        num_classes: C.
        crop_size: side of the input, pixels.
        weights, backbone: as in `models.backbones.build_backbone`. For a saved backbone of a fixed input size the
            frames are resized.
        preprocessing: what a saved backbone expects, as Keras names it: "torch" (scaled, ImageNet mean and standard
            deviation), "tf" (-1 … 1), "caffe" (BGR, ImageNet mean). For a network of Keras it is known.
        dropout: of the pooled features.

    Returns:
        a functional model: "frame" uint8 (N, crop_size, crop_size, 3), RGB → "scores" float32 (N, C), after softmax.
        A pretrained backbone is frozen, and its batch norm always runs in inference mode. The input of the layer
        "dropout" is the features, float32 (N, F): while the backbone is frozen, they are the same in every epoch.

    Raises:
        ValueError, FileNotFoundError: as in `build_backbone`.

    He et al. 2016 (ResNet); Simonyan & Zisserman 2014 (the stream).
    """
    network, preprocessing, pretrained = build_backbone(backbone, crop_size, weights, preprocessing)
    # Batch norm of a frozen layer runs in inference mode. Keras 3 ignores training=False in the call of a model.
    network.trainable = not pretrained
    frame = keras.Input((crop_size, crop_size, 3), dtype="uint8", name="frame")
    x = network(_normalize(resize_to(network, frame), preprocessing))
    return keras.Model(frame, add_head(x, num_classes, dropout, pretrained), name="spatial")


def _normalize(frame, preprocessing):
    values = NORMALIZATIONS[preprocessing]
    scale = [1 / deviation for deviation in values["deviation"]]
    offset = [-mean / deviation for mean, deviation in zip(values["mean"], values["deviation"], strict=True)]
    x = layers.Rescaling(scale, offset, dtype="float32", name="normalize")(frame)
    return keras.ops.flip(x, axis=-1) if preprocessing == "caffe" else x
