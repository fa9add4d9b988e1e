"""Renders the frames of a clip from its moving layers, and computes its true flow and the mask of what moves."""

import functools
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from src.sample.drawing import draw_layers, to_uint8
from src.sample.motion import affine, clip_motion
from src.sample.specs import FRAME_HEIGHT, MARGINS, ClipSpec


def render_clip(spec: ClipSpec) -> np.ndarray:
    """Renders the frames of a clip; equal specs give equal frames.

    Returns:
        uint8 (T, H, W, 3), RGB; T = `spec.num_frames`, H = 240, W = `spec.width`.
    """
    return np.stack(list(render_frames(spec)))


def render_frames(spec: ClipSpec) -> Iterator[np.ndarray]:
    """Yields the frames of a clip one by one: T times uint8 (H, W, 3), RGB."""
    (background, camera), *front = _layers(spec)
    background = cv2.cvtColor(background, cv2.COLOR_RGB2RGBA)  # four channels are warped twice as fast as three
    size, curves = (spec.width, FRAME_HEIGHT), _tone_curves(spec)
    for t in range(spec.num_frames):
        frame = cv2.warpAffine(background, camera[t, :2], size)
        for layer, motion in front:
            box, rgba = _warp(layer, motion[t], size)
            behind, opacity = frame[box], np.float32(rgba[..., [3] * 4]) / 255
            behind[:] = behind + (np.float32(rgba) - behind) * opacity + 0.5
        yield cv2.LUT(cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB), curves[t])


def true_flow(spec: ClipSpec, step: int = 1, starts: Sequence[int] | None = None) -> np.ndarray:
    """True optical flow: in each pixel the motion of the layer that it shows.

    Args:
        spec: the clip.
        step: frames from the first to the second frame; negative for flow backwards in time.
        starts: indices of the first frames; None takes every frame that has one `step` later.

    Returns:
        float32 (T - step or len(starts), H, W, 2), px per `step` frames; [..., 0] is u, + is right; [..., 1] is v,
        + is down.
    """
    starts = np.arange(spec.num_frames - step) if starts is None else np.asarray(starts)
    motions = np.stack(clip_motion(spec))
    changes = motions[:, starts + step] @ np.linalg.inv(motions[:, starts]) - np.eye(3)
    y, x = np.mgrid[:FRAME_HEIGHT, : spec.width]
    points = np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)
    shown = _shown_layers(spec, starts)[..., None]
    flow = np.zeros((*shown.shape[:3], 2), np.float32)
    for layer, change in enumerate(np.float32(changes[..., :2, :])):
        np.copyto(flow, np.einsum("hwj,tij->thwi", points, change), where=shown == layer)
    return flow


def moving_mask(spec: ClipSpec) -> np.ndarray:
    """Mask of the pixels that show the hand, the object that it holds, or the cover: bool (T, H, W)."""
    return _shown_layers(spec, range(spec.num_frames)) > 0


def _shown_layers(spec: ClipSpec, times: Sequence[int]) -> np.ndarray:
    """Index of the layer that each pixel shows, 0 for the background: uint8 (len(times), H, W)."""
    shown = np.zeros((len(times), FRAME_HEIGHT, spec.width), np.uint8)
    for number, (layer, motion) in enumerate(_layers(spec)[1:], 1):
        opacity = layer[..., 3].copy()
        for image, t in zip(shown, times, strict=True):
            box, warped = _warp(opacity, motion[t], (spec.width, FRAME_HEIGHT))
            image[box][warped >= 128] = number
    return shown


@functools.lru_cache(1)  # frames, masks and true flow of a clip are asked for one after another
def _layers(spec: ClipSpec) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each layer, without most of what is empty, and the motion of this image (T, 3, 3); the background first."""
    (background, *front), (camera, *motions) = draw_layers(spec), clip_motion(spec)
    layers = [(background, camera @ affine(0, np.negative(MARGINS)))]
    for layer, motion in zip(front, motions, strict=True):
        left, top, width, height = cv2.boundingRect(layer[..., 3])
        left, top = max(left - 2, 0), max(top - 2, 0)  # the interpolation at the edge needs neighbours
        layers.append((layer[top : top + height + 4, left : left + width + 4], motion @ affine(0, (left, top))))
    return layers


def _warp(layer: np.ndarray, motion: np.ndarray, size: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray]:
    """The part of a frame of `size` (width, height) that a layer touches under an affine map; and the layer there."""
    height, width = layer.shape[:2]
    corners = motion[:2] @ [[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]]
    left, top = np.clip(np.floor(corners.min(axis=1)).astype(int) - 1, 0, size)
    right, bottom = np.clip(np.ceil(corners.max(axis=1)).astype(int) + 1, (left, top), size)
    box = slice(top, bottom), slice(left, right)
    if right == left or bottom == top:
        return box, layer[:0, :0]
    shifted = motion[:2] - [[0, 0, left], [0, 0, top]]
    return box, cv2.warpAffine(layer, shifted, (int(right - left), int(bottom - top)))


def _tone_curves(spec: ClipSpec) -> np.ndarray:
    """The lighting of each frame: uint8 (T, 256), the new grey level of each grey level."""
    gains = spec.gain * (1 + spec.dimming * (np.arange(spec.num_frames) / (spec.num_frames - 1) - 0.5))
    return to_uint8(255 * gains[:, None] * np.linspace(0, 1, 256) ** spec.gamma + spec.offset)
