"""Temporal shift: the segments of a clip exchange channels inside a backbone, at no cost in weights or products."""

from collections.abc import Iterator

import keras
from keras import layers, ops

from models.freezing import leaf_layers

FOLD = 8  # one channel in eight comes from the next segment, and one in eight from the previous one
_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


@keras.saving.register_keras_serializable(package="two_stream")
class TemporalShift(layers.Layer):
    """Features of segments, float (N · S, h, w, C) → the same shape, with a quarter of the channels from neighbours.

    The first C // 8 channels of a segment come from the segment after it, the next C // 8 channels from the segment
    before it, and zeros stand for the segments before the first one and after the last one of a clip. The other
    channels are unchanged; with one segment, all are. The segments of a clip are adjacent, in order of time.

    Args:
        num_segments: S.

    Raises:
        ValueError: `num_segments` below 1, or a number of segments that is not a multiple of it.

    Lin et al. 2019 (TSM), bidirectional shift.
    """

    def __init__(self, num_segments: int, **kwargs):
        super().__init__(**kwargs)
        if num_segments < 1:
            raise ValueError(f"num_segments must be at least 1. Received: {num_segments!r}")
        self.num_segments = num_segments

    def call(self, x):
        if self.num_segments == 1:
            return x
        if isinstance(x.shape[0], int) and x.shape[0] % self.num_segments:
            raise ValueError(
                f"{self.name}: the input must be whole clips of num_segments={self.num_segments} segments. Received: "
                f"{x.shape[0]} segments."
            )
        shape, fold = ops.shape(x), x.shape[-1] // FOLD
        clips = ops.reshape(x, (-1, self.num_segments, *shape[1:]))
        after = _pad_segments(clips[:, 1:, ..., :fold], 0, 1)
        before = _pad_segments(clips[:, :-1, ..., fold : 2 * fold], 1, 0)
        return ops.reshape(ops.concatenate([after, before, clips[..., 2 * fold :]], axis=-1), shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"num_segments": self.num_segments}


def insert_temporal_shift(network: keras.Model, num_segments: int) -> keras.Model:
    """Rebuilds a residual network with a `TemporalShift` before the first convolution of each residual block.

    A residual block is an addition of two branches, of which one, the main branch, has more convolutions than the
    other, the shortcut. Only the main branch is shifted, so that the shortcut keeps the segment's own features.

    Args:
        network: functional, images (M, h, w, C) → features, such as that of `models.backbones.build_backbone`.
            Functional models inside it are rebuilt, too.
        num_segments: S.

    Returns:
        a network of the same name, with copies of the layers and weights. The shift before the convolution "x" is the
        layer "x_shift". The input is the segments of whole clips, (N · S, h, w, C), those of a clip adjacent.

    Raises:
        ValueError: a network without residual blocks, or `num_segments` below 1.

    Lin et al. 2019 (TSM), residual shift.
    """
    shifted = _insert(network, num_segments)
    if not any(isinstance(layer, TemporalShift) for layer in leaf_layers(shifted)):
        raise ValueError(
            f"network {network.name!r}: temporal shift needs residual blocks, each an Add of two branches of which one "
            "has more convolutions. Found: none. Choose a residual network, such as resnet50, or train without "
            "temporal shift."
        )
    _copy_weights(network, shifted)
    return shifted


def _insert(network, num_segments):
    """Rebuilds a functional model with shifts and new weights."""
    targets = _first_convolutions(network)

    def clone(layer):
        if isinstance(layer, keras.Sequential):
            return keras.models.clone_model(layer, clone_function=clone)
        if isinstance(layer, keras.Function):
            return _insert(layer, num_segments)
        return type(layer).from_config(layer.get_config())

    def call(layer, *arguments, **options):
        if layer.name in targets:
            # In the convolution's precision, whatever the current one: a shift does not round.
            shift = TemporalShift(num_segments, dtype=layer.dtype_policy, name=f"{layer.name}_shift")
            arguments = (shift(arguments[0]), *arguments[1:])
        return layer(*arguments, **options)

    return keras.models.clone_model(network, clone_function=clone, call_function=call)


def _first_convolutions(network):
    """The names of the convolutions that begin the main branch of a residual block."""
    convolutions = [layer.name for layer in network.layers if isinstance(layer, _CONVOLUTIONS)]
    first, before = set(), {}  # before: name → the names of the operation itself and of all that its input depends on
    for operation in network.get_config()["layers"]:  # in the order of computation
        inputs = [before[name] for name in _input_names(operation["inbound_nodes"])]
        before[operation["name"]] = {operation["name"]}.union(*inputs)
        if operation["class_name"] == "Add" and len(inputs) == 2:  # a layer, or the operator + of tensors
            own = inputs[0] - inputs[1], inputs[1] - inputs[0]  # of each branch; not what both depend on
            shortcut, main = sorted(([name for name in convolutions if name in names] for names in own), key=len)
            if len(main) > len(shortcut):
                first.add(main[0])
    return first


def _input_names(nodes) -> Iterator[str]:
    """Iterates over the names of the operations whose outputs are the arguments of calls, as Keras saves calls."""
    if isinstance(nodes, dict) and "keras_history" in nodes:
        yield nodes["keras_history"][0]
    elif isinstance(nodes, dict | list | tuple):
        for node in nodes.values() if isinstance(nodes, dict) else nodes:
            yield from _input_names(node)


def _copy_weights(network, shifted):
    """Copies the weights by name: new layers may change the order of the others."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            _copy_weights(layer, shifted.get_layer(layer.name))
        elif layer.weights:
            shifted.get_layer(layer.name).set_weights(layer.get_weights())


def _pad_segments(clips, before, after):
    """Adds segments of zeros to (N, S, h, w, C), before the first and after the last."""
    return ops.pad(clips, ((0, 0), (before, after), (0, 0), (0, 0), (0, 0)))
