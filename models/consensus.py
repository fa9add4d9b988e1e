"""Segmental consensus: a network of one segment, applied to all segments of a clip → one score for the clip."""

import keras
import numpy as np
from keras import layers, ops

CONSENSUS = ("average", "ordered")
SCALES = 3  # cosines of "ordered": the average, early against late, and the middle against both ends
_PACKAGE = "two_stream"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class FoldSegments(layers.Layer):
    """(N, S, …) → (N · S, …): the segments of a clip become adjacent samples."""

    def call(self, segments):
        return ops.reshape(segments, (-1, *segments.shape[2:]))

    def compute_output_spec(self, segments):
        batch, count, *shape = segments.shape
        return keras.KerasTensor((batch and count and batch * count, *shape), segments.dtype)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class UnfoldSegments(layers.Layer):
    """(features (N · S, F), segments (N, S, …)) → features (N, S, F)."""

    def call(self, features, segments):
        return ops.reshape(features, (-1, ops.shape(segments)[1], features.shape[-1]))

    def compute_output_spec(self, features, segments):
        return keras.KerasTensor((*segments.shape[:2], features.shape[-1]), features.dtype)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Consensus(layers.Layer):
    """Features (N, S, F), in order of time → one vector for the clip: (N, F) or, for "ordered", (N, K · F).

    Args:
        kind: "average", the mean over segments, which forgets their order (TSN, Wang et al. 2016); or "ordered", from
            `order_scales`.
    """

    def __init__(self, kind: str, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        if kind not in CONSENSUS:
            raise ValueError(f"consensus must be one of {CONSENSUS}. Received: {kind!r}")
        self.kind = kind

    def build(self, input_shape):
        if self.kind == "ordered" and input_shape[1] is None:
            raise ValueError('consensus "ordered" needs num_segments. Received: None')

    def call(self, features):
        if self.kind == "average":
            return ops.mean(features, axis=1)
        scales = ops.convert_to_tensor(order_scales(features.shape[1]))
        mixed = ops.einsum("ks,nsf->nkf", scales, features)
        return ops.reshape(mixed, (-1, scales.shape[0] * features.shape[2]))

    def compute_output_spec(self, features):
        batch, segments, size = features.shape
        scales = 1 if self.kind == "average" else len(order_scales(segments))
        return keras.KerasTensor((batch, scales * size), self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"kind": self.kind}


def order_scales(num_segments: int) -> np.ndarray:
    """The weights of a clip's segments in each scale of the ordered consensus: float32 (K, S).

    They are the first K = min(3, S) rows of the discrete cosine transform (DCT-II), with the average as the first one:
    the second row compares early with late segments, the third one the middle with both ends. If all S rows were used,
    the squares of the K results would sum to the mean square of the segments.
    """
    places = (np.arange(num_segments) + 0.5) / num_segments
    rows = [np.cos(np.pi * scale * places) * (2**0.5 if scale else 1) for scale in range(min(SCALES, num_segments))]
    return (np.stack(rows) / num_segments).astype(np.float32)


def pool_segments(features: np.ndarray, consensus: str) -> np.ndarray:
    """The layer "consensus" of a head, for features that are kept: float (…, S, F) → float32 (…, F) or (…, K · F)."""
    features = features.astype(np.float32)
    if consensus == "average":
        return features.mean(axis=-2)
    mixed = np.einsum("ks,...sf->...kf", order_scales(features.shape[-2]), features)
    return mixed.reshape(*features.shape[:-2], -1)


def build_clip_network(
    body: keras.Model, num_classes: int, num_segments: int | None, consensus: str, dropout: float, pretrained: bool,
    name: str,
) -> keras.Model:  # fmt: skip
    """Builds a stream: the body for each segment, then a head for all segments of a clip.

    Args:
        body: one segment (M, …) → features (M, F).
        num_classes: C.
        num_segments: S; None takes any number, which only the average can.
        consensus: "average" or "ordered".
        dropout: of the clip's features.
        pretrained: whether the features are pretrained: the head then starts from equal scores.
        name: of the stream.

    Returns:
        a functional model: (N, S, …) → scores float32 (N, C), after softmax. Its layers "body" and "head" are models;
        the head has the layers "consensus", "dropout" and "scores", and takes features (N, S, F).
    """
    segments = keras.Input((num_segments, *body.input.shape[1:]), dtype=body.input.dtype, name=body.input.name)
    features = body(FoldSegments(name="fold_segments")(segments))
    features = UnfoldSegments(name="unfold_segments", dtype="float32")(features, segments)
    head = build_head(features.shape[-1], num_classes, num_segments, consensus, dropout, pretrained)
    return keras.Model(segments, head(features), name=name)


def build_head(
    num_features: int, num_classes: int, num_segments: int | None, consensus: str, dropout: float, pretrained: bool
) -> keras.Model:
    """Builds the head of a stream, "head": features (N, S, F) → scores (N, C). Arguments as for the whole stream."""
    features = keras.Input((num_segments, num_features), name="features")
    x = Consensus(consensus, name="consensus")(features)
    x = layers.Dropout(dropout, dtype="float32", name="dropout")(x)
    # On pretrained features the head starts from equal scores; random scores would have to be unlearned first.
    kernel = "zeros" if pretrained else "glorot_uniform"
    scores = layers.Dense(num_classes, activation="softmax", kernel_initializer=kernel, dtype="float32", name="scores")
    return keras.Model(features, scores(x), name="head")
