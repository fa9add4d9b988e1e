"""Farnebäck's dense optical flow, compiled for the CPU; more than twice as fast per core as OpenCV's.

It follows `cv2.calcOpticalFlowFarneback` step by step (Farnebäck 2003: each frame is approximated by local quadratic
polynomials, and the displacement follows from how they change, coarse to fine). Both agree to about a millionth of a
pixel, except where a texture has only one direction: there the equations have no unique solution, and rounding decides
in both.

It is faster because a frame is expanded once for both of its pairs; because the five polynomial coefficients of a pixel
are adjacent in memory, so that reading a displaced pixel takes a few wide loads; and because the sums over windows use
wide registers.
"""

import cv2
import numba
import numpy as np

from src.flow.caching import with_cache
from src.flow.farneback_steps import blur_of_level, border_weights, expansion_kernels, pyramid

RADIUS = 7  # px; displacements are averaged over windows of 2 · RADIUS + 1 = 15
ITERATIONS = 3  # per level
POLY_RADIUS = 5  # px
POLY_SIGMA = 1.2  # px
LANES = 8  # floats per pixel: 5 coefficients, and 3 zeros to fill a register
ONE_TO_SEVEN = tuple(np.uint64(lane) for lane in range(1, LANES))

numba.config.SLP_VECTORIZE = 1  # off by default; it lets a pixel's coefficients be read as one register
compiled = with_cache(numba.njit, nogil=True, error_model="numpy", fastmath={"contract"})  # fused a · b + c
inlined = numba.njit(inline="always")


def farneback(frames: np.ndarray) -> np.ndarray:
    """Computes dense flow between consecutive grey frames.

    Args:
        frames: uint8 (T, H, W), T of 2 or more.

    Returns:
        float32 (T-1, H, W, 2), px/frame; [..., 0] is u, + is right; [..., 1] is v, + is down. A point at (x, y) in one
        frame is at (x + u, y + v) in the next.
    """
    levels = pyramid(*frames.shape[1:])
    before, after = _new_expansion(levels), _new_expansion(levels)  # reused: fresh pages cost as much as the sums
    borders = [(border_weights(level.height), border_weights(level.width)) for level in levels]
    fields = [np.empty((2, level.height, level.width), np.float32) for level in levels]
    flow = np.empty((len(frames) - 1, *frames.shape[1:], 2), np.float32)
    _expand(frames[0], levels, before)
    for t, frame in enumerate(frames[1:]):
        _expand(frame, levels, after)
        cv2.merge(_displacement(before, after, borders, fields), flow[t])
        before, after = after, before
    return flow


def _new_expansion(levels):
    """Per level, float32 (h, w · LANES): for each pixel the coefficients of y, x, y², x², xy, then zeros."""
    return [np.zeros((level.height, level.width * LANES), np.float32) for level in levels]


def _expand(frame, levels, expansion):
    """Writes the polynomial expansion of a frame at all levels into `expansion`."""
    image = frame.astype(np.float32) - np.float32(128)  # smaller values round less
    for level, coefficients in zip(levels, expansion, strict=True):
        side, sigma = blur_of_level(level.scale)
        smooth = cv2.GaussianBlur(image, (side, side), sigma)
        smooth = cv2.resize(smooth, (level.width, level.height), interpolation=cv2.INTER_LINEAR)
        _expand_level(smooth, *KERNELS, coefficients)


def _displacement(before, after, borders, fields):
    """u and v, float32 (2, H, W), from the expansions of two frames; `fields` are overwritten, the last one is it."""
    fields[0][:] = 0
    for number, field in enumerate(fields):
        if number > 0:
            for coarse, fine in zip(fields[number - 1], field, strict=True):
                cv2.resize(coarse, fine.shape[::-1], fine, interpolation=cv2.INTER_LINEAR)
            field *= 2
        for _ in range(ITERATIONS):
            _improve(before[number], after[number], *borders[number], field)
    return fields[-1]


EXPANSION = expansion_kernels(POLY_RADIUS, POLY_SIGMA)
# For offsets 0 … POLY_RADIUS: the sums handle both sides at once.
KERNELS = (*(kernel[POLY_RADIUS:] for kernel in EXPANSION[:3]), EXPANSION[3])


@compiled
def _expand_level(image, g, xg, xxg, inverse, coefficients):
    """Computes the polynomial around each pixel by separable sums, columns first.

    Args:
        image: float32 (h, w).
        g, xg, xxg, inverse: `KERNELS`.
        coefficients: float32 (h, w · LANES), written.
    """
    height, width = image.shape
    n = len(g) - 1
    padded = np.empty((3, width + 2 * n), np.float32)
    row, row_y, row_yy = padded[0, n : n + width], padded[1, n : n + width], padded[2, n : n + width]
    sums = np.empty((6, width), np.float32)
    one, x1, y1, x2, y2, xy = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    for y in range(height):
        source = image[y]
        for x in range(width):
            row[x], row_y[x], row_yy[x] = source[x] * g[0], 0, 0
        for k in range(1, n + 1):
            above, below = image[max(y - k, 0)], image[min(y + k, height - 1)]
            gk, xgk, xxgk = g[k], xg[k], xxg[k]
            for x in range(width):
                both = above[x] + below[x]
                row[x] += gk * both
                row_y[x] += xgk * (below[x] - above[x])
                row_yy[x] += xxgk * both
        for k in range(3):  # repeats the pixels at both ends
            padded[k, :n] = padded[k, n]
            padded[k, n + width :] = padded[k, n + width - 1]
        for x in range(width):
            one[x], y1[x], y2[x] = row[x] * g[0], row_y[x] * g[0], row_yy[x] * g[0]
            x1[x], x2[x], xy[x] = 0, 0, 0
        for k in range(1, n + 1):
            gk, xgk, xxgk = g[k], xg[k], xxg[k]
            left, right = padded[0, n - k : n - k + width], padded[0, n + k : n + k + width]
            left_y, right_y = padded[1, n - k : n - k + width], padded[1, n + k : n + k + width]
            left_yy, right_yy = padded[2, n - k : n - k + width], padded[2, n + k : n + k + width]
            for x in range(width):
                both = left[x] + right[x]
                one[x] += both * gk
                x2[x] += both * xxgk
                x1[x] += (right[x] - left[x]) * xgk
                y1[x] += (right_y[x] + left_y[x]) * gk
                xy[x] += (right_y[x] - left_y[x]) * xgk
                y2[x] += (right_yy[x] + left_yy[x]) * gk
        out = coefficients[y]
        for x in range(width):
            out[x * LANES] = y1[x] * inverse[0]
            out[x * LANES + 1] = x1[x] * inverse[0]
            out[x * LANES + 2] = one[x] * inverse[1] + y2[x] * inverse[2]
            out[x * LANES + 3] = one[x] * inverse[1] + x2[x] * inverse[2]
            out[x * LANES + 4] = xy[x] * inverse[3]


@compiled
def _improve(before, after, border_y, border_x, flow):
    """One iteration: averages the equations of each pixel over its window and solves them, row by row.

    Args:
        before, after: float32 (h, w · LANES), expansions of two frames.
        border_y, border_x: float32 (h,), (w,), weights.
        flow: float32 (2, h, w), the current estimate, updated in place; a row is updated after its last use.
    """
    _, height, width = flow.shape
    pixels = after.reshape(-1)
    weights, start = np.empty((5, width), np.float32), np.empty(width, np.int32)
    found = np.empty(width * LANES, np.float32)
    kept = 2 * RADIUS + 2
    rows = np.empty((kept, 5 * width), np.float32)  # equations g11, g12, g22, h1, h2 of the latest rows
    columns = np.zeros(5 * width, np.float32)  # running sums of the equations over the rows of a window
    padded = width + 2 * RADIUS
    lines = np.zeros((4, 5 * padded), np.float32)
    for y in range(-RADIUS, height):
        last = min(y + RADIUS, height - 1)
        enters, leaves = rows[last % kept], rows[max(y - RADIUS - 1, 0) % kept]
        if y + RADIUS < height:
            u, v = flow[0, last], flow[1, last]
            _follow(u, v, last, height, weights, start)
            _compare(before[last], pixels, weights, start, found)
            _write_equations(found, weights[4], u, v, border_x, border_y[last], enters)
        if y < 0:  # fills the window of the first row, which is repeated above the image
            repeats = np.float32(RADIUS + 2 if y == -RADIUS else 1)
            for x in range(5 * width):
                columns[x] += enters[x] * repeats
        else:
            for x in range(5 * width):
                columns[x] += enters[x] - leaves[x]
            _sum_windows(columns, lines, width)
            _solve(lines[3], padded, flow[0, y], flow[1, y])


@inlined
def _follow(u, v, y, height, weights, start):
    """Finds the target of each pixel of row y: the first of four pixels in `start`, and their bilinear weights.

    Outside the image these four weights are zero. The fifth is the weight of the sum of both frames: 1/2, or 1 outside,
    where only the first frame counts.
    """
    width = len(u)
    half, one = np.float32(0.5), np.float32(1)
    last_x, last_y, at_y = np.float32(width - 1), np.float32(height - 1), np.float32(y)
    top_left, top_right, low_left, low_right, mean_weight = weights[0], weights[1], weights[2], weights[3], weights[4]
    for x in range(width):
        to_x, to_y = np.float32(x) + u[x], at_y + v[x]
        floor_x, floor_y = np.floor(to_x), np.floor(to_y)
        inside = (floor_x >= 0) & (floor_x < last_x) & (floor_y >= 0) & (floor_y < last_y)
        known = one if inside else np.float32(0)
        right, low = (to_x - floor_x) * known, to_y - floor_y
        left = known - right
        top_left[x], top_right[x] = left * (one - low), right * (one - low)
        low_left[x], low_right[x] = left * low, right * low
        mean_weight[x] = half if inside else one
        place = np.int32(floor_y) * np.int32(width) + np.int32(floor_x)
        start[x] = place * np.int32(LANES) if inside else 0


@inlined
def _compare(before, pixels, weights, start, found):
    """Per pixel, the difference of both frames' coefficients of y and x, and the sum of those of y², x² and xy.

    The second frame is read at the target of the flow, with bilinear interpolation. All values are read before any is
    written, so that they stay in one register. The indices are unsigned, since signed ones are checked for negatives.
    """
    width = len(start)
    top_left, top_right, low_left, low_right = weights[0], weights[1], weights[2], weights[3]
    for x in range(width):
        a = np.uint64(np.uint32(start[x]))
        b, c = a + np.uint64(LANES), a + np.uint64(width * LANES)
        d = c + np.uint64(LANES)
        p, q, r, s = top_left[x], top_right[x], low_left[x], low_right[x]
        i1, i2, i3, i4, i5, i6, i7 = ONE_TO_SEVEN
        f0 = p * pixels[a] + q * pixels[b] + r * pixels[c] + s * pixels[d]
        f1 = p * pixels[a + i1] + q * pixels[b + i1] + r * pixels[c + i1] + s * pixels[d + i1]
        f2 = p * pixels[a + i2] + q * pixels[b + i2] + r * pixels[c + i2] + s * pixels[d + i2]
        f3 = p * pixels[a + i3] + q * pixels[b + i3] + r * pixels[c + i3] + s * pixels[d + i3]
        f4 = p * pixels[a + i4] + q * pixels[b + i4] + r * pixels[c + i4] + s * pixels[d + i4]
        f5 = p * pixels[a + i5] + q * pixels[b + i5] + r * pixels[c + i5] + s * pixels[d + i5]
        f6 = p * pixels[a + i6] + q * pixels[b + i6] + r * pixels[c + i6] + s * pixels[d + i6]
        f7 = p * pixels[a + i7] + q * pixels[b + i7] + r * pixels[c + i7] + s * pixels[d + i7]
        at = x * LANES
        f0, f1, f2, f3 = before[at] - f0, before[at + 1] - f1, before[at + 2] + f2, before[at + 3] + f3
        f4, f5, f6, f7 = before[at + 4] + f4, before[at + 5] + f5, before[at + 6] + f6, before[at + 7] + f7
        found[at], found[at + 1], found[at + 2], found[at + 3] = f0, f1, f2, f3
        found[at + 4], found[at + 5], found[at + 6], found[at + 7] = f4, f5, f6, f7


@inlined
def _write_equations(found, mean_weight, u, v, border_x, weight_y, equations):
    """Writes the normal equations of each pixel of a row for its displacement, around the current estimate."""
    width, half = len(u), np.float32(0.5)
    g11, g12, g22 = equations[:width], equations[width : 2 * width], equations[2 * width : 3 * width]
    h1, h2 = equations[3 * width : 4 * width], equations[4 * width :]
    for x in range(width):
        weight = border_x[x] * weight_y
        mean = mean_weight[x] * weight
        yy = found[x * LANES + 2] * mean
        xx = found[x * LANES + 3] * mean
        xy = found[x * LANES + 4] * (mean * half)
        dy = found[x * LANES] * (half * weight) + (yy * v[x] + xy * u[x])
        dx = found[x * LANES + 1] * (half * weight) + (xy * v[x] + xx * u[x])
        g11[x] = yy * yy + xy * xy
        g12[x] = (yy + xx) * xy
        g22[x] = xx * xx + xy * xy
        h1[x] = yy * dy + xy * dx
        h2[x] = xy * dy + xx * dx


@inlined
def _sum_windows(columns, lines, width):
    """Writes sums of 15 = 8 + 4 + 2 + 1 neighbours of each equation into lines[3]; both ends are repeated."""
    padded = width + 2 * RADIUS
    of_1, of_2, of_4, of_15 = lines[0], lines[1], lines[2], lines[3]
    for k in range(5):
        column, line = columns[k * width : (k + 1) * width], of_1[k * padded : (k + 1) * padded]
        middle = line[RADIUS : RADIUS + width]
        for x in range(width):
            middle[x] = column[x]
        line[:RADIUS] = middle[0]
        line[RADIUS + width :] = middle[width - 1]
    by_1, by_2, by_4, by_8, by_12, by_14 = of_1[1:], of_2[2:], of_4[4:], of_4[8:], of_2[12:], of_1[14:]
    for x in range(5 * padded - 1):
        of_2[x] = of_1[x] + by_1[x]
    for x in range(5 * padded - 3):
        of_4[x] = of_2[x] + by_2[x]
    for x in range(5 * padded - 14):
        of_15[x] = ((of_4[x] + by_4[x]) + by_8[x]) + (by_12[x] + by_14[x])


@inlined
def _solve(sums, padded, u, v):
    """Solves the equations, summed over windows, for the displacement of each pixel of a row."""
    one, floor = np.float32(1), np.float32(1e-3)
    scale = np.float32(1 / (2 * RADIUS + 1) ** 2)
    g12, g22, h1, h2 = sums[padded:], sums[2 * padded :], sums[3 * padded :], sums[4 * padded :]
    for x in range(len(u)):
        a, b, c, d, e = sums[x] * scale, g12[x] * scale, g22[x] * scale, h1[x] * scale, h2[x] * scale
        inverse = one / (a * c - b * b + floor)
        u[x] = (a * e - b * d) * inverse
        v[x] = (c * d - b * e) * inverse
