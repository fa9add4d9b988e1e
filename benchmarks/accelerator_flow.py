"""The sections "flow" and "other flow" of accelerator.py: agreement of the flow layer with OpenCV, and speed."""

import flow_layer
import keras
import numpy as np
from accelerator_rows import Rows, Sizes, compiled, seconds_of
from keras import ops

from models import FarnebackFlow, farneback, resampling
from src.flow import farneback_steps
from src.sample import ACTIONS, clip_spec, render_clip

PAIRS = flow_layer.FRAMES - 1  # of a clip
AGREEMENT_CLIPS = 6
STAGES = (
    "whole iteration", "warp and equations", "average", "expansion", "warp", "interleaving", "solution", "pyramid",
)  # fmt: skip
HALVED = ("warp and equations", "average", "expansion")  # also measured with bfloat16 in memory
RAFT_SIDE = 8  # of whose multiples the frames of RAFT must be
RAFT_LEAST = 128  # pixels


def measure(rows: Rows, sizes: Sizes) -> None:
    """The device's own rates; agreement; pairs/s of the layer and of OpenCV; where the time goes."""
    rows.measure("copy", {"values": sizes.copied}, lambda: measure_copy(sizes))
    for size in sizes.frames:
        named = {"parameters": "defaults", "size": _name(size)}
        rows.measure("agreement with OpenCV", named, lambda size=size: measure_agreement(size, {}))
    rates(rows, sizes, "layer, compiled", compiled, sizes.clips, sizes.frames)
    for size in sizes.frames:
        clips = flow_layer.moving_noise(sizes.clips[-1], *size)
        one = {"size": _name(size), "cores": 1}
        rows.measure("OpenCV", one, lambda clips=clips: measure_opencv(clips, sizes), cores=True)
        several = one | {"cores": "all"}
        rows.measure("OpenCV", several, lambda size=size: measure_opencv_on_all(size, sizes), cores=True)
    for stage, dtype in [(stage, "float32") for stage in STAGES] + [(stage, "bfloat16") for stage in HALVED]:
        named = {"stage": stage, "size": _name(sizes.frames[0]), "clips": sizes.clips[0], "stored as": dtype}
        rows.measure("stage of the layer", named, lambda named=named: measure_stage(sizes, named))
    for name, settings in list(flow_layer.SETTINGS.items())[1:]:
        size = sizes.frames[min(1, len(sizes.frames) - 1)]
        named = {"parameters": name, "size": _name(size)}
        rows.measure("agreement with OpenCV", named, lambda s=settings, size=size: measure_agreement(size, s))
    rows.measure("matrix product", {"side": sizes.product, "dtype": "bfloat16"}, lambda: measure_product(sizes))


def measure_others(rows: Rows, sizes: Sizes) -> None:
    """The same layer under a second backend, eager and compiled, and RAFT where torchvision has it."""
    rates(rows, sizes, "layer, eager", _without_gradients, sizes.clips[:1], sizes.frames)
    if keras.backend.backend() == "torch":
        for dtype in ("float32", "bfloat16"):
            for size in sizes.frames[:2]:
                named = {"size": _name(_for_raft(size)), "pairs": PAIRS * min(8, sizes.clips[0]), "dtype": dtype}
                rows.measure("RAFT-small", named, lambda n=named, size=size: measure_raft(size, n, sizes))
    size = sizes.frames[0]
    named = {"parameters": "defaults", "size": _name(size)}
    rows.measure("agreement with OpenCV", named, lambda: measure_agreement(size, {}, _without_gradients))
    rates(rows, sizes, "layer, eager", _without_gradients, sizes.clips[1:], sizes.frames)

    def traced(call):
        return _without_gradients(compiled(call))

    rates(rows, sizes, "layer, compiled", traced, sizes.clips[:1], sizes.frames[:1])


def rates(rows, sizes, name, prepare, batches, frames):
    """Rows of pairs/s, largest batch first."""
    for clips in batches:
        for size in frames:
            named = {"size": _name(size), "clips": clips}
            rows.measure(name, named, lambda size=size, clips=clips: measure_rate(size, clips, prepare, sizes))


def measure_copy(sizes):
    """GB/s, read and written."""
    values = keras.random.uniform((sizes.copied,), seed=0)
    run = compiled(lambda values: values + 1)
    seconds = seconds_of(lambda: run(values), sizes)
    return {"GB/s": 8 * sizes.copied / seconds / 1e9}


def measure_product(sizes):
    """TFLOP/s."""
    a, b = ops.cast(keras.random.uniform((2, sizes.product, sizes.product), seed=0), "bfloat16")
    run = compiled(ops.matmul)
    seconds = seconds_of(lambda: run(a, b), sizes)
    return {"TFLOP/s": 2 * sizes.product**3 / seconds / 1e12}


def measure_agreement(size, settings, prepare=compiled):
    """Distances between the layer and OpenCV on frames of the sample."""
    run, actions, found = prepare(FarnebackFlow(**settings).call), list(ACTIONS), []
    for number in range(AGREEMENT_CLIPS):
        frames = render_clip(clip_spec(actions[number % len(actions)], number))
        found.append(flow_layer.compare(frames[5:8], size, lambda grey: _to_numpy(run, grey), settings))
    mean, largest, far, unsure = np.array(found, float).T
    return {
        "px, mean of the worst clip": mean.max(),
        "px, largest": largest.max(),
        f"pixels above {flow_layer.FAR} px": far.sum(),
        "of these where OpenCV agrees with itself": (far - unsure).sum(),
        "pixels": AGREEMENT_CLIPS * 2 * size[0] * size[1],
    }


def _to_numpy(run, frames):
    return ops.convert_to_numpy(run(ops.convert_to_tensor(frames)))


def measure_rate(size, clips, prepare, sizes):
    """pairs/s of the layer on frames that are on the device, and the memory traffic that they stand for."""
    frames = ops.convert_to_tensor(flow_layer.moving_noise(clips, *size))
    run = prepare(FarnebackFlow().call)
    rate = clips * PAIRS / seconds_of(lambda: run(frames), sizes)
    least = flow_layer.bytes_per_pair(*size)
    return {"pairs/s": rate, "MB a pair, least": least / 1e6, "GB/s, of the least": least * rate / 1e9}


def measure_opencv(clips, sizes):
    """pairs/s on one core."""
    return {"pairs/s": PAIRS / seconds_of(lambda: flow_layer.opencv_flow(clips[0]), sizes)}


def measure_opencv_on_all(size, sizes):
    """pairs/s on all cores."""
    clips = flow_layer.moving_noise(min(8, sizes.clips[0]), *size)
    return {"pairs/s": len(clips) * PAIRS / seconds_of(lambda: np.array(flow_layer.opencv_on_all_cores(clips)), sizes)}


def measure_stage(sizes, named):
    """Microseconds a pair of a stage at the finest level; MB a pair by XLA's analysis, under JAX."""
    stage, inputs = _stages(sizes.clips[0], sizes.frames[0])[named["stage"]]
    if named["stored as"] != "float32":
        stage, inputs = _stored_as(named["stored as"], stage), _cast(inputs, named["stored as"])
    run, pairs, found = compiled(stage), PAIRS * sizes.clips[0], {}
    if keras.backend.backend() == "jax":
        run = run.lower(*inputs).compile()
        found = {"MB a pair, by XLA": run.cost_analysis().get("bytes accessed", np.nan) / pairs / 1e6}
    return {"µs a pair": 1e6 * seconds_of(lambda: run(*inputs), sizes) / pairs} | found


def _stages(clips, size):
    """Name → (function, inputs): the steps of `FarnebackFlow` at the finest level, as its `_improve` does them."""
    layer, (height, width) = FarnebackFlow(), size
    frames = flow_layer.FRAMES
    shape = clips, PAIRS, height, width
    images = keras.random.uniform((clips * frames, height, width), -128, 127, seed=0)
    after = keras.random.uniform((clips * frames * height * width, 5), seed=1)
    flow = keras.random.uniform((2, *shape), -2, 2, seed=2)
    five = keras.random.uniform((5, *shape), seed=3)
    first = np.arange(clips * frames, dtype=np.int32).reshape(clips, frames)[:, 1:] * (height * width)
    starts = ops.convert_to_tensor(first[:, :, None, None])
    border = farneback_steps.border_weights(height)[:, None] * farneback_steps.border_weights(width)

    def pyramid(images):
        levels = farneback_steps.pyramid(height, width)
        return [resampling.resample(images, *farneback._shrinking(height, width, level)) for level in levels]

    def warp(after, starts, flow):
        return farneback._follow(after, starts, flow[0], flow[1])[0]

    def warp_and_equations(before, after, starts, flow):
        found = farneback._follow(after, starts, flow[0], flow[1])
        return ops.stack(farneback._equations(_parts(before), found, ops.convert_to_tensor(border), flow[0], flow[1]))

    def iteration(before, after, starts, flow):
        return farneback._solve(layer._average(warp_and_equations(before, after, starts, flow)))

    return {
        "pyramid": (pyramid, [images]),
        "expansion": (layer._expand, [images]),
        "interleaving": (lambda five: ops.reshape(ops.stack(_parts(five), axis=-1), (-1, 5)), [five]),
        "warp": (warp, [after, starts, flow]),
        "warp and equations": (warp_and_equations, [five, after, starts, flow]),
        "average": (layer._average, [five]),
        "solution": (farneback._solve, [five]),
        "whole iteration": (iteration, [five, after, starts, flow]),
    }


def _parts(five):
    return [five[k] for k in range(5)]  # TensorFlow does not iterate over a tensor


def _stored_as(dtype, stage):
    """A stage that reads and writes `dtype`, and computes in float32."""
    return lambda *inputs: _cast(stage(*_cast(inputs, "float32")), dtype)


def _cast(values, dtype):
    def one(value):
        return ops.cast(value, dtype) if "float" in keras.backend.standardize_dtype(value.dtype) else value

    return keras.tree.map_structure(one, values)


def measure_raft(size, named, sizes):
    """pairs/s of torchvision's RAFT-small, with random weights: its time does not depend on them."""
    import torch
    from torchvision.models.optical_flow import raft_small

    dtype = getattr(torch, named["dtype"])
    shape = 2, named["pairs"], 3, *_for_raft(size)
    before, after = keras.random.uniform(shape, -1, 1, seed=0)
    network = raft_small(weights=None).eval().to(before.device)

    def run():
        with torch.no_grad(), torch.autocast(before.device.type, dtype, enabled=dtype != torch.float32):
            return network(before, after)[-1]

    return {"pairs/s": named["pairs"] / seconds_of(run, sizes)}


def _for_raft(size):
    return tuple(max(RAFT_LEAST, -(-side // RAFT_SIDE) * RAFT_SIDE) for side in size)


def _without_gradients(call):
    if keras.backend.backend() != "torch":
        return call
    import torch

    return torch.no_grad()(call)


def _name(size):
    return "{} × {}".format(*size)
