"""Class activation maps of a stream: where in each segment is the evidence for a class."""

import cv2
import keras
import numpy as np

from models import consensus, takes_frames
from src.attention.body import cut_body
from src.attention.gradients import input_gradients

CLIPS = 8  # in a batch


def find_attention(stream: keras.Model, inputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Finds where a stream sees evidence for a class: the positive part of its class activation map.

    Args:
        stream: the spatial or the temporal stream, see `models.consensus.build_clip_network`.
        inputs: uint8 (N, S, h, w, channels), or (N, S, L + 1, h, w) for a network that computes flow: clips as the
            stream takes them.
        classes: int (N,), the class of each clip whose evidence is mapped.

    Returns:
        float32 (N, S, h, w), 0 or more; the largest value of a clip is 1, or 0 if there is no evidence for the class.

    Raises:
        ValueError: inputs of another shape than the stream takes, a class that it does not have, or a body without
            feature maps, see `cut_body`.

    Zhou et al. 2016 (CAM); Selvaraju et al. 2017 (Grad-CAM).
    """
    height, width = inputs.shape[-2:] if takes_frames(stream) else inputs.shape[2:4]
    evidence = np.maximum(find_evidence(stream, inputs, classes), 0)
    maps = np.stack([[cv2.resize(part, (width, height)) for part in clip] for clip in evidence])
    most = maps.max(axis=(1, 2, 3), keepdims=True)
    return maps / np.where(most > 0, most, 1)


def find_evidence(stream: keras.Model, inputs: np.ndarray, classes: np.ndarray, side: int | None = None) -> np.ndarray:
    """The evidence for a class at each place of feature maps A: Σ_k A_k ∂(logit of the class) / ∂A_k.

    At the last maps before a global average this is the class activation map, exact (Zhou et al. 2016): the values of
    a clip sum to the logit less a constant. At earlier maps it is HiResCAM (Draelos & Carin 2020), which is finer, and
    whose values sum to the logit less what the biases after these maps add, as long as the layers after them are
    convolutions, batch norm, ReLU and pooling.

    Args:
        stream, inputs, classes: as for `find_attention`.
        side: rows and columns of the maps, at least, see `cut_body`; 2 takes the last ones.

    Returns:
        float32 (N, S, h', w').
    """
    classes = np.asarray(classes)
    _check(stream, inputs, classes)
    cut, weights = cut_body(stream.get_layer("body"), side), segment_weights(stream, inputs.shape[1])
    evidence = []
    for first in range(0, len(inputs), CLIPS):
        clips = inputs[first : first + CLIPS]
        maps = _predict(cut.to_maps, clips.reshape(-1, *clips.shape[2:]))
        wanted = weights[classes[first : first + CLIPS]].reshape(len(maps), -1)
        wanted = cut.undo_norms(_predict(cut.tail, maps), wanted) if cut.norms else wanted
        products = (maps * input_gradients(cut.tail, maps, wanted)).sum(axis=-1)
        evidence.append(products.reshape(*clips.shape[:2], *products.shape[1:]))
    return np.concatenate(evidence)


def segment_weights(stream: keras.Model, num_segments: int) -> np.ndarray:
    """The weight of each feature of each segment in the logit of each class: float32 (C, S, F)."""
    head = stream.get_layer("head")
    kernel = keras.ops.convert_to_numpy(head.get_layer("scores").kernel)
    if head.get_layer("consensus").kind == "average":
        return np.repeat(kernel.T[:, None] / num_segments, num_segments, axis=1)
    scales = consensus.order_scales(num_segments)
    return np.einsum("ks,kfc->csf", scales, kernel.reshape(len(scales), -1, kernel.shape[1]))


def _predict(model, inputs):
    return keras.ops.convert_to_numpy(model.predict_on_batch(inputs)).astype(np.float32)


def _check(stream, inputs, classes):
    wanted = stream.input_shape[1:]
    if inputs.shape[2:] != wanted[1:] or wanted[0] not in (None, inputs.shape[1]) or inputs.dtype != np.uint8:
        raise ValueError(
            f"inputs must be uint8 (N, {', '.join(str(side or 'S') for side in wanted)}), clips as the {stream.name} "
            f"stream takes them. Received: {inputs.dtype} {inputs.shape}"
        )
    count = stream.output_shape[-1]
    if classes.shape != inputs.shape[:1] or not np.isin(classes, range(count)).all():
        raise ValueError(
            f"classes must be one class for each of {len(inputs)} clips, 0 … {count - 1}. Received: {classes}"
        )
