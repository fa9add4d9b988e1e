"""Farnebäck's dense optical flow as a Keras layer: many clips at once, on any accelerator, inside any model.

It follows OpenCV's `calcOpticalFlowFarneback` step for step, in `keras.ops` alone, and so runs under TensorFlow, JAX
and PyTorch. Made of sums, products and reads of neighbouring pixels, without matrix products and convolutions:
accelerators round the factors of these to fewer bits. Compiled by XLA it is several times as fast as step by step.
"""

import warnings

import keras
import numpy as np
from keras import layers, ops

from models.resampling import blur_matrix, linear_matrix, resample
from src.flow import farneback_steps

# RGB → grey as OpenCV rounds it for 8 bits: in units of 2^-15; and for floats.
_GREY_UNITS, _GREY_BITS = np.array([9798, 19235, 3735], np.float32), 15
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_MIDDLE = 128  # is subtracted from grey levels: near zero less is rounded off
_COEFFICIENTS = 5  # of y, x, y², x², xy


@keras.saving.register_keras_serializable(package="two_stream")
class FarnebackFlow(layers.Layer):
    """Flow between consecutive frames, `cv2.calcOpticalFlowFarneback` for whole batches; without weights.

    Input: uint8 or float (B, T, H, W), grey levels 0 … 255, or (B, T, H, W, 3), RGB; T, H and W of 2 or more, and known
    when the model is built. Output: float32 (B, T-1, H, W, 2), px/frame: [..., 0] is u, + is right; [..., 1] is v, + is
    down. A pixel at x of a frame is found at x + (u, v) of the next. Two equal frames give exactly zero.

    A frame is expanded once for both of its pairs. The flow can be differentiated by float frames. Where a frame is not
    a number, nor is the flow around it.

    It computes in float32 under any dtype policy, and warns where another one was asked for: in 16 bits the equations
    would not have the digits that they need.

    Args:
        pyr_scale: size of a level of the pyramid, as a share of the one below; 0 … 1.
        levels: levels, at most, above the full size. None has a side of less than 32 px.
        winsize: side of the window over which the equations are averaged, px.
        iterations: per level.
        poly_n: radius of the neighbourhood whose polynomial a pixel has, px.
        poly_sigma: of the Gaussian that weights this neighbourhood, px.
        gaussian_window: average with a Gaussian instead of a box (`OPTFLOW_FARNEBACK_GAUSSIAN`).

    Raises:
        ValueError: parameters out of range; frames of another shape or dtype, none at all, or, where they are given as
            a NumPy array, not finite.

    Farnebäck 2003, Two-Frame Motion Estimation Based on Polynomial Expansion.
    """

    def __init__(
        self,
        pyr_scale: float = 0.5,
        levels: int = 3,
        winsize: int = 15,
        iterations: int = 3,
        poly_n: int = 5,
        poly_sigma: float = 1.2,
        gaussian_window: bool = False,
        **kwargs,
    ):
        asked = keras.dtype_policies.get(kwargs.pop("dtype", None) or keras.config.dtype_policy())
        if asked.compute_dtype != "float32":
            warnings.warn(f"FarnebackFlow computes in float32, not in {asked.compute_dtype}.", stacklevel=2)
        super().__init__(dtype="float32", **kwargs)
        _require(0 < pyr_scale < 1, "pyr_scale must be between 0 and 1", pyr_scale)
        _require(poly_sigma > 0, "poly_sigma must be positive", poly_sigma)
        whole = {"levels": levels, "winsize": winsize, "iterations": iterations, "poly_n": poly_n}
        for (name, value), least in zip(whole.items(), (0, 2, 1, 1), strict=True):
            _require(
                isinstance(value, int) and value >= least, f"{name} must be a whole number, {least} or more", value
            )
        self.pyr_scale, self.levels, self.winsize, self.iterations = pyr_scale, levels, winsize, iterations
        self.poly_n, self.poly_sigma, self.gaussian_window = poly_n, poly_sigma, gaussian_window

    def __call__(self, frames, **kwargs):
        if isinstance(frames, np.ndarray):  # here, and not in call: inside a compiled model nothing can be raised
            finite = frames.dtype.kind != "f" or np.isfinite(frames).all()
            _require(finite, "frames must be finite numbers; decode the clip again", "NaN or infinite values")
        return super().__call__(frames, **kwargs)

    def call(self, frames):
        _check_frames(frames.shape, keras.backend.standardize_dtype(frames.dtype))
        grey = to_grey(frames)
        num_frames, height, width = grey.shape[1:]
        images = ops.reshape(grey - _MIDDLE, (-1, height, width))
        flow = None
        for level in farneback_steps.pyramid(height, width, self.pyr_scale, self.levels):
            coefficients = self._expand(resample(images, *_shrinking(height, width, level)))
            if flow is None:
                still = ops.zeros_like(_of_pairs(coefficients[0], num_frames))
                flow = ops.stack([still, still])
            else:
                flow = resample(flow, *_enlarging(*flow.shape[-2:], level)) / self.pyr_scale
            flow = self._improve(coefficients, flow, num_frames)
        equal = ops.all(grey[:, 1:] == grey[:, :-1], axis=(2, 3))[:, :, None, None, None]
        return ops.where(equal, 0.0, ops.stack([flow[0], flow[1]], axis=-1))  # to the last bit, which the sums miss

    def compute_output_shape(self, input_shape):
        _check_frames(input_shape)
        batch, num_frames, height, width = input_shape[:4]
        return (batch, num_frames - 1, height, width, 2)

    def compute_output_spec(self, frames):
        _check_frames(frames.shape, keras.backend.standardize_dtype(frames.dtype))
        return keras.KerasTensor(self.compute_output_shape(frames.shape), "float32")

    def get_config(self):
        names = ("pyr_scale", "levels", "winsize", "iterations", "poly_n", "poly_sigma", "gaussian_window")
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _expand(self, images):
        """The polynomial around each pixel: (N, h, w) → five of (N, h, w), coefficients of y, x, y², x², xy.

        Sums over columns of pixels, then over rows of these.
        """
        n = self.poly_n
        kernels = farneback_steps.expansion_kernels(n, self.poly_sigma)
        g, xg, xxg, (of_x, of_constant, of_square, of_product) = (kernel.tolist() for kernel in kernels)
        even, odd, square = _symmetric_sums(_repeat_edges(images, n, 1), n, 1, (g, xg, xxg))
        sums = _repeat_edges(ops.stack([even, odd, square]), n, 3)
        one, x, xx = _symmetric_sums(sums[0], n, 2, (g, xg, xxg))
        y, xy = _symmetric_sums(sums[1], n, 2, (g, xg))
        (yy,) = _symmetric_sums(sums[2], n, 2, (g,))
        constant = one * of_constant
        return y * of_x, x * of_x, constant + yy * of_square, constant + xx * of_square, xy * of_product

    def _improve(self, coefficients, flow, num_frames):
        """The flow (2, B, T-1, h, w) after the iterations of a level."""
        height, width = flow.shape[-2:]
        before = [_of_pairs(coefficient, num_frames) for coefficient in coefficients]
        after = ops.reshape(ops.stack(coefficients, axis=-1), (-1, _COEFFICIENTS))  # side by side: read as one
        frames = ops.reshape(ops.arange(ops.shape(flow)[1] * num_frames, dtype="int32"), (-1, num_frames))
        starts = (frames[:, 1:] * (height * width))[:, :, None, None]
        border = ops.convert_to_tensor(
            farneback_steps.border_weights(height)[:, None] * farneback_steps.border_weights(width)
        )

        def iterate(_, flow):
            u, v = flow[0], flow[1]
            equations = ops.stack(_equations(before, _follow(after, starts, u, v), border, u, v))
            return ops.stack(_solve(self._average(equations)))

        # A loop: written out, XLA would compute several times what it computes once
        return ops.fori_loop(0, self.iterations, iterate, flow)

    def _average(self, equations):
        """Means over the windows: (…, h, w) → the same."""
        radius = self.winsize // 2
        for axis in (-2, -1):
            padded = _repeat_edges(equations, radius, axis)
            if self.gaussian_window:
                sigma = 0.3 * radius
                kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
                (equations,) = _symmetric_sums(padded, radius, axis, ((kernel / kernel.sum()).tolist(),))
            else:
                equations = _running_sums(padded, 2 * radius + 1, axis) * (1 / self.winsize)
        return equations


def _require(condition, rule, received):
    if not condition:
        raise ValueError(f"FarnebackFlow: {rule}. Received: {received!r}")


def _check_frames(shape, dtype="uint8"):
    shape = tuple(shape)
    is_clip = len(shape) == 4 and shape[-1] != 3
    _require(
        is_clip or (len(shape) == 5 and shape[-1] == 3),
        "frames must be (B, T, H, W), grey, or (B, T, H, W, 3), RGB; a single clip needs frames[None]",
        shape,
    )
    known = all(side is not None and side >= 2 for side in shape[1:4])
    _require(known, "frames must have known T, H and W of 2 or more", shape)
    _require(shape[0] != 0, "a batch must hold a clip", shape)
    _require(dtype == "uint8" or "float" in dtype, "frames must be uint8 or float, grey levels 0 … 255", dtype)


def to_grey(frames: keras.KerasTensor) -> keras.KerasTensor:
    """Grey levels, float32 (B, T, H, W), of frames as `FarnebackFlow` takes them; 8-bit ones rounded as by OpenCV."""
    whole = keras.backend.standardize_dtype(frames.dtype) == "uint8"
    frames = ops.cast(frames, "float32")
    if len(frames.shape) == 4:
        return frames
    red, green, blue = (_GREY_UNITS if whole else _GREY).tolist()
    grey = red * frames[..., 0] + green * frames[..., 1] + blue * frames[..., 2]  # exact: below 2^24
    return ops.floor(grey / 2**_GREY_BITS + 0.5) if whole else grey


def _of_pairs(values, num_frames):
    """Of the first frame of each pair: (B · T, h, w) → (B, T-1, h, w)."""
    return ops.reshape(values, (-1, num_frames, *values.shape[1:]))[:, :-1]


def _part(x, start, length, axis):
    """`length` places along an axis."""
    places = [slice(None)] * len(x.shape)
    places[axis] = slice(start, start + length)
    return x[tuple(places)]


def _repeat_edges(x, times, axis):
    """The first and the last place along an axis, repeated outwards."""
    first, last = _part(x, 0, 1, axis), _part(x, x.shape[axis] - 1, 1, axis)
    return ops.concatenate([ops.repeat(first, times, axis), x, ops.repeat(last, times, axis)], axis)


def _symmetric_sums(padded, radius, axis, kernels):
    """Sums of neighbours along an axis, one for each kernel; each is even, or odd with zero in the middle."""
    length = padded.shape[axis] - 2 * radius
    middle = _part(padded, radius, length, axis)
    sums = [middle * kernel[radius] for kernel in kernels]
    for k in range(1, radius + 1):
        left, right = _part(padded, radius - k, length, axis), _part(padded, radius + k, length, axis)
        both, change = left + right, right - left
        for place, kernel in enumerate(kernels):
            odd = kernel[radius + k] == -kernel[radius - k]
            sums[place] = sums[place] + (change if odd else both) * kernel[radius + k]
    return sums


def _running_sums(padded, window, axis):
    """Sums of `window` neighbours along an axis, from sums of 1, 2, 4, … of them."""
    length = padded.shape[axis] - window + 1
    sums, total, start = padded, 0.0, 0
    for bit in range(window.bit_length()):
        size = 1 << bit
        if window & size:
            total, start = total + _part(sums, start, length, axis), start + size
        if size << 1 <= window:
            left = sums.shape[axis] - size
            sums = _part(sums, 0, left, axis) + _part(sums, size, left, axis)
    return total


def _follow(after, starts, u, v):
    """What is known of the second frames where the flow leads, linearly between their pixels.

    Args:
        after: (B · T · h · w, 5), coefficients.
        starts: int32 (B, T-1, 1, 1), where in it each second frame begins.
        u, v: (B, T-1, h, w), px.

    Returns:
        (coefficients, inside): five of (B, T-1, h, w); bool, whether the flow leads into the picture.
    """
    height, width = u.shape[-2:]
    to_x = u + ops.arange(width, dtype="float32")
    to_y = v + ops.arange(height, dtype="float32")[:, None]
    left, top = ops.floor(to_x), ops.floor(to_y)
    inside = (left >= 0) & (left < width - 1) & (top >= 0) & (top < height - 1)
    across, down = (to_x - left)[..., None], (to_y - top)[..., None]
    column, row = (ops.cast(ops.where(inside, place, 0.0), "int32") for place in (left, top))
    pixel = starts + row * width + column
    upper, lower = (
        (1 - across) * ops.take(after, start, axis=0) + across * ops.take(after, start + 1, axis=0)
        for start in (pixel, pixel + width)
    )
    found = (1 - down) * upper + down * lower
    return [found[..., k] for k in range(_COEFFICIENTS)], inside


def _equations(before, found, border, u, v):
    """The normal equations of each pixel's displacement, around the one known so far: g11, g12, g22, h1, h2."""
    (y, x, yy, xx, xy), (after, inside) = before, found
    dy, dx = (ops.where(inside, one - two, one) / 2 for one, two in zip((y, x), after[:2], strict=True))
    yy, xx, xy = (ops.where(inside, (one + two) / 2, one) for one, two in zip((yy, xx, xy), after[2:], strict=True))
    xy = xy / 2
    dy, dx = dy + yy * v + xy * u, dx + xy * v + xx * u
    yy, xx, xy, dy, dx = (term * border for term in (yy, xx, xy, dy, dx))
    return [yy * yy + xy * xy, (yy + xx) * xy, xx * xx + xy * xy, yy * dy + xy * dx, xy * dy + xx * dx]


def _solve(equations):
    """[u, v] of each pixel, px, from the means of its equations."""
    g11, g12, g22, h1, h2 = (equations[k] for k in range(_COEFFICIENTS))
    inverse = 1 / (g11 * g22 - g12 * g12 + farneback_steps.REGULARIZATION)
    return [(g11 * h2 - g12 * h1) * inverse, (g22 * h1 - g12 * h2) * inverse]


def _shrinking(height, width, level):
    """How a frame comes to a level: matrices (h, H) and (w, W) of a Gaussian blur and linear interpolation."""
    kernel = _gaussian(*farneback_steps.blur_of_level(level.scale))
    sides = ((height, level.height), (width, level.width))
    return [linear_matrix(old, new) @ blur_matrix(old, kernel) for old, new in sides]


def _enlarging(height, width, level):
    """How flow comes from the level above: matrices (h, H) and (w, W) of linear interpolation."""
    return [linear_matrix(height, level.height), linear_matrix(width, level.width)]


def _gaussian(side, sigma):
    """Weights (side,); for a sigma of 0, of a frame that keeps its size, OpenCV takes these three."""
    if sigma == 0:
        return np.array([0.25, 0.5, 0.25])
    weights = np.exp(-((np.arange(side) - side // 2) ** 2) / (2 * sigma**2))
    return weights / weights.sum()
