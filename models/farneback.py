"""Farnebäck's dense optical flow as a Keras layer: batches of clips, on any accelerator, inside any model.

The layer computes the same steps as OpenCV's `calcOpticalFlowFarneback`. It uses `keras.ops` only, and so runs under
TensorFlow, JAX and PyTorch. It avoids matrix products and convolutions, because accelerators round the factors of
these to fewer bits. Compiled with XLA it is several times faster. An accelerator computes all pairs of frames at once;
a CPU computes a few pairs at a time, so that their intermediate results stay in its cache, unless it works eagerly.
"""

import warnings

import keras
import numpy as np
from keras import layers, ops

from models.filters import repeat_edges, running_sums, symmetric_sums
from models.resampling import blur_matrix, linear_matrix, resample
from src.devices import on_cpu
from src.flow import farneback_steps as steps

# Weights of RGB in grey levels, as in OpenCV: for 8 bits in units of 2^-15, and for floats.
_GREY_UNITS, _GREY_BITS = np.array([9798, 19235, 3735], np.float32), 15
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_MIDDLE = 128  # subtracted from grey levels, because rounding errors are smaller near zero
_COEFFICIENTS = 5  # of y, x, y², x², xy
_PIXELS_AT_ONCE = 200_000  # of the pairs that a CPU computes at once: 90 MB of intermediate results


@keras.saving.register_keras_serializable(package="two_stream")
class FarnebackFlow(layers.Layer):
    """Optical flow between consecutive frames: `cv2.calcOpticalFlowFarneback` for batches, without weights.

    Input: uint8 or float (B, T, H, W), grey levels 0 … 255, or (B, T, H, W, 3), RGB; T, H and W are 2 or more, and
    known when the model is built. Output: float32 (B, T-1, H, W, 2), px/frame: [..., 0] is u, + is right; [..., 1] is
    v, + is down. A pixel at x in a frame is at x + (u, v) in the next frame. Two equal frames give exactly zero.

    The flow is differentiable with respect to float frames. NaN in a frame gives NaN in the flow around it. The layer
    computes in float32 under any dtype policy, and warns if another one was requested, because the equations need
    more digits than 16 bits have.

    Args:
        pyr_scale: size of a pyramid level relative to the next finer one, 0 … 1.
        levels: maximum number of levels above the full size; no side of these is less than 32 px.
        winsize: side of the window over which the equations are averaged, px.
        iterations: number of iterations per level.
        poly_n: radius of the neighbourhood that a polynomial is fitted to, px.
        poly_sigma: standard deviation of the Gaussian that weights this neighbourhood, px.
        gaussian_window: average with a Gaussian instead of a box (`OPTFLOW_FARNEBACK_GAUSSIAN`).

    Raises:
        ValueError: parameters are out of range; frames have another shape or dtype; a batch is empty; or frames in a
            NumPy array are not finite.

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
        policy = keras.dtype_policies.get(kwargs.pop("dtype", None) or keras.config.dtype_policy())
        if policy.compute_dtype != "float32":
            warnings.warn(f"FarnebackFlow computes in float32, not in {policy.compute_dtype}.", stacklevel=2)
        super().__init__(dtype="float32", **kwargs)
        _require(0 < pyr_scale < 1, "pyr_scale must be between 0 and 1", pyr_scale)
        _require(poly_sigma > 0, "poly_sigma must be positive", poly_sigma)
        whole = {"levels": levels, "winsize": winsize, "iterations": iterations, "poly_n": poly_n}
        for (name, value), least in zip(whole.items(), (0, 2, 1, 1), strict=True):
            valid = isinstance(value, int) and value >= least
            _require(valid, f"{name} must be a whole number, {least} or more", value)
        self.pyr_scale, self.levels, self.winsize, self.iterations = pyr_scale, levels, winsize, iterations
        self.poly_n, self.poly_sigma, self.gaussian_window = poly_n, poly_sigma, gaussian_window

    def __call__(self, frames, **kwargs):
        if isinstance(frames, np.ndarray):  # not in `call`: a compiled model cannot raise
            finite = frames.dtype.kind != "f" or np.isfinite(frames).all()
            _require(finite, "frames must be finite numbers; decode the clip again", "NaN or infinite values")
        return super().__call__(frames, **kwargs)

    def call(self, frames):
        _check_frames(frames)
        eager = hasattr(frames, "numpy")  # under TensorFlow and PyTorch; each operation has its cost, however small
        return self._compute(frames) if eager or not on_cpu() else self._compute_windows(frames)

    def compute_output_spec(self, frames):
        _check_frames(frames)
        batch, num_frames, height, width = frames.shape[:4]
        return keras.KerasTensor((batch, num_frames - 1, height, width, 2), "float32")

    def get_config(self):
        names = ("pyr_scale", "levels", "winsize", "iterations", "poly_n", "poly_sigma", "gaussian_window")
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _compute_windows(self, frames):
        """The flow of one window of frames after another; neighbouring windows share a frame."""
        num_pairs, height, width = frames.shape[1] - 1, *frames.shape[2:4]
        length = _pairs_at_once(num_pairs, height * width)
        windows = np.arange(0, num_pairs, length)[:, None] + np.arange(length + 1)
        if frames.shape[0] == len(windows) == 1:
            return self._compute(frames)  # without a loop, which JAX would compile at each call
        windows = ops.reshape(ops.take(frames, windows, axis=1), (-1, length + 1, *frames.shape[2:]))
        flow = ops.map(lambda window: self._compute(window[None])[0], windows)
        return ops.reshape(flow, (-1, num_pairs, height, width, 2))

    def _compute(self, frames):
        """The flow of all pairs at once."""
        grey = to_grey(frames)
        num_frames, height, width = grey.shape[1:]
        images = ops.reshape(grey - _MIDDLE, (-1, height, width))
        flow = None
        for level in steps.pyramid(height, width, self.pyr_scale, self.levels):
            coefficients = self._expand(resample(images, *_shrinking(height, width, level)))
            if flow is None:
                still = ops.zeros_like(_of_pairs(coefficients[0], num_frames))
                flow = ops.stack([still, still])
            else:
                flow = resample(flow, *_enlarging(*flow.shape[-2:], level)) / self.pyr_scale
            flow = self._improve(coefficients, flow, num_frames)
        equal = ops.all(grey[:, 1:] == grey[:, :-1], axis=(2, 3))[:, :, None, None, None]
        return ops.where(equal, 0.0, ops.stack([flow[0], flow[1]], axis=-1))  # exactly, which sums are not

    def _expand(self, images):
        """Fits a polynomial around each pixel: (N, h, w) → five of (N, h, w), coefficients of y, x, y², x², xy."""
        n = self.poly_n
        kernels = steps.expansion_kernels(n, self.poly_sigma)
        g, xg, xxg, (of_x, of_constant, of_square, of_product) = (kernel.tolist() for kernel in kernels)
        even, odd, square = symmetric_sums(repeat_edges(images, n, 1), n, 1, (g, xg, xxg))
        sums = repeat_edges(ops.stack([even, odd, square]), n, 3)
        one, x, xx = symmetric_sums(sums[0], n, 2, (g, xg, xxg))
        y, xy = symmetric_sums(sums[1], n, 2, (g, xg))
        (yy,) = symmetric_sums(sums[2], n, 2, (g,))
        constant = one * of_constant
        return y * of_x, x * of_x, constant + yy * of_square, constant + xx * of_square, xy * of_product

    def _improve(self, coefficients, flow, num_frames):
        """Refines the flow (2, B, T-1, h, w) by the iterations of a level."""
        height, width = flow.shape[-2:]
        before = [_of_pairs(coefficient, num_frames) for coefficient in coefficients]
        after = ops.reshape(ops.stack(coefficients, axis=-1), (-1, _COEFFICIENTS))  # adjacent, to be read together
        frames = ops.reshape(ops.arange(ops.shape(flow)[1] * num_frames, dtype="int32"), (-1, num_frames))
        starts = (frames[:, 1:] * (height * width))[:, :, None, None]
        border = ops.convert_to_tensor(steps.border_weights(height)[:, None] * steps.border_weights(width))

        def iterate(_, flow):
            u, v = flow[0], flow[1]
            equations = ops.stack(_equations(before, _follow(after, starts, u, v), border, u, v))
            return ops.stack(_solve(self._average(equations)))

        # A loop, because XLA repeats computations in the unrolled code.
        return ops.fori_loop(0, self.iterations, iterate, flow)

    def _average(self, equations):
        """Averages over windows: (…, h, w) → (…, h, w)."""
        radius = self.winsize // 2
        for axis in (-2, -1):
            padded = repeat_edges(equations, radius, axis)
            if self.gaussian_window:
                kernel = _gaussian(2 * radius + 1, 0.3 * radius).tolist()
                (equations,) = symmetric_sums(padded, radius, axis, (kernel,))
            else:
                equations = running_sums(padded, 2 * radius + 1, axis) * (1 / self.winsize)
        return equations


def _require(condition, rule, received):
    if not condition:
        raise ValueError(f"FarnebackFlow: {rule}. Received: {received!r}")


def _check_frames(frames):
    shape, dtype = tuple(frames.shape), keras.backend.standardize_dtype(frames.dtype)
    rule = "frames must be (B, T, H, W), grey, or (B, T, H, W, 3), RGB; a single clip needs frames[None]"
    _require((len(shape) == 4 and shape[-1] != 3) or (len(shape) == 5 and shape[-1] == 3), rule, shape)
    known = all(side is not None and side >= 2 for side in shape[1:4])
    _require(known, "frames must have known T, H and W of 2 or more", shape)
    _require(shape[0] != 0, "a batch must have at least one clip", shape)
    _require(dtype == "uint8" or "float" in dtype, "frames must be uint8 or float, grey levels 0 … 255", dtype)


def _pairs_at_once(num_pairs, pixels):
    """The largest divisor of the number of pairs that keeps to `_PIXELS_AT_ONCE`, or 1."""
    return max(n for n in range(1, num_pairs + 1) if num_pairs % n == 0 and (n == 1 or n * pixels <= _PIXELS_AT_ONCE))


def to_grey(frames: keras.KerasTensor) -> keras.KerasTensor:
    """Grey levels, float32 (B, T, H, W), of an input of `FarnebackFlow`; uint8 RGB is rounded as in OpenCV."""
    whole = keras.backend.standardize_dtype(frames.dtype) == "uint8"
    frames = ops.cast(frames, "float32")
    if len(frames.shape) == 4:
        return frames
    red, green, blue = (_GREY_UNITS if whole else _GREY).tolist()
    grey = red * frames[..., 0] + green * frames[..., 1] + blue * frames[..., 2]  # exact: below 2^24
    return ops.floor(grey / 2**_GREY_BITS + 0.5) if whole else grey


def _of_pairs(values, num_frames):
    """Selects the values of the first frame of each pair: (B · T, h, w) → (B, T-1, h, w)."""
    return ops.reshape(values, (-1, num_frames, *values.shape[1:]))[:, :-1]


def _follow(after, starts, u, v):
    """Reads the coefficients of the second frames at the end of the flow, by bilinear interpolation.

    Args:
        after: (B · T · h · w, 5), coefficients.
        starts: int32 (B, T-1, 1, 1), index in `after` where each second frame begins.
        u, v: (B, T-1, h, w), px.

    Returns:
        (coefficients, inside): five of (B, T-1, h, w); bool (B, T-1, h, w), whether the flow ends inside the image.
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
    """The normal equations of each pixel's displacement, around the current flow: g11, g12, g22, h1, h2."""
    (y, x, yy, xx, xy), (after, inside) = before, found
    dy, dx = (ops.where(inside, one - two, one) / 2 for one, two in zip((y, x), after[:2], strict=True))
    yy, xx, xy = (ops.where(inside, (one + two) / 2, one) for one, two in zip((yy, xx, xy), after[2:], strict=True))
    xy = xy / 2
    dy, dx = dy + yy * v + xy * u, dx + xy * v + xx * u
    yy, xx, xy, dy, dx = (term * border for term in (yy, xx, xy, dy, dx))
    return [yy * yy + xy * xy, (yy + xx) * xy, xx * xx + xy * xy, yy * dy + xy * dx, xy * dy + xx * dx]


def _solve(equations):
    """Solves the averaged equations of each pixel: [u, v], px."""
    g11, g12, g22, h1, h2 = (equations[k] for k in range(_COEFFICIENTS))
    inverse = 1 / (g11 * g22 - g12 * g12 + steps.REGULARIZATION)
    return [(g11 * h2 - g12 * h1) * inverse, (g22 * h1 - g12 * h2) * inverse]


def _shrinking(height, width, level):
    """From a frame to a level: matrices (h, H) and (w, W) of a Gaussian blur and linear interpolation."""
    kernel = _gaussian(*steps.blur_of_level(level.scale))
    sides = ((height, level.height), (width, level.width))
    return [linear_matrix(old, new) @ blur_matrix(old, kernel) for old, new in sides]


def _enlarging(height, width, level):
    """From the flow of the coarser level to a level: matrices (h, H) and (w, W) of linear interpolation."""
    return [linear_matrix(height, level.height), linear_matrix(width, level.width)]


def _gaussian(side, sigma):
    """Weights (side,) of sum 1; for sigma 0, at the full size, OpenCV uses a fixed kernel of three."""
    if sigma == 0:
        return np.array([0.25, 0.5, 0.25])
    weights = np.exp(-((np.arange(side) - side // 2) ** 2) / (2 * sigma**2))
    return weights / weights.sum()
