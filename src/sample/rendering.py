"""Renders the frames of a clip from its two moving layers, and computes its true flow and the mask of the pair."""

from collections.abc import Sequence

import cv2
import numpy as np

from src.sample.drawing import draw_layers, to_uint8
from src.sample.motion import affine, clip_motion
from src.sample.specs import FRAME_HEIGHT, MARGIN, ClipSpec


def render_clip(spec: ClipSpec) -> np.ndarray:
    """Renders the frames of a clip; equal specs give equal frames.

    Returns:
        uint8 (T, H, W, 3), RGB; T = `spec.num_frames`, H = 240, W = `spec.width`.
    """
    background, pair = draw_layers(spec)
    camera, pair_motion = clip_motion(spec)
    frames = np.empty((spec.num_frames, FRAME_HEIGHT, spec.width, 3), np.uint8)
    for t in range(spec.num_frames):
        frame = _warp(background, camera[t] @ affine(0, (-MARGIN, -MARGIN)), spec.width)
        rgba = _warp(pair, pair_motion[t], spec.width)
        x, y, w, h = cv2.boundingRect(rgba[..., 3])
        behind, front = frame[y : y + h, x : x + w], np.float32(rgba[y : y + h, x : x + w])
        behind[:] = behind + (front[..., :3] - behind) * (front[..., 3:] / 255) + 0.5
        cv2.LUT(frame, _tone_curve(spec, t), dst=frames[t])
    return frames


def true_flow(spec: ClipSpec, step: int = 1, starts: Sequence[int] | None = None) -> np.ndarray:
    """True optical flow: the motion of the pair where it is visible, of the background elsewhere.

    Args:
        spec: the clip.
        step: frames from the first to the second frame; negative for flow backwards in time.
        starts: indices of the first frames; None takes every frame that has one `step` later.

    Returns:
        float32 (T - step or len(starts), H, W, 2), px per `step` frames; [..., 0] is u, + is right; [..., 1] is v,
        + is down.
    """
    starts = np.arange(spec.num_frames - step) if starts is None else np.asarray(starts)
    y, x = np.mgrid[:FRAME_HEIGHT, : spec.width]
    points = np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)
    changes = [motion[starts + step] @ np.linalg.inv(motion[starts]) - np.eye(3) for motion in clip_motion(spec)]
    behind, front = (np.einsum("hwj,tij->thwi", points, np.float32(change[:, :2])) for change in changes)
    return np.where(moving_mask(spec)[starts, ..., None], front, behind)


def moving_mask(spec: ClipSpec) -> np.ndarray:
    """Mask of the pixels that show the hand or the object that it holds: bool (T, H, W)."""
    opacity = draw_layers(spec)[1][..., 3].copy()
    return np.stack([_warp(opacity, motion, spec.width) >= 128 for motion in clip_motion(spec)[1]])


def _warp(layer: np.ndarray, motion: np.ndarray, width: int) -> np.ndarray:
    """The frame that a layer gives under an affine map; 0 outside the layer."""
    return cv2.warpAffine(layer, motion[:2], (width, FRAME_HEIGHT), flags=cv2.INTER_LINEAR)


def _tone_curve(spec: ClipSpec, t: int) -> np.ndarray:
    """The lighting of frame t: uint8 (256,), the new grey level of each grey level."""
    gain = spec.gain * (1 + spec.drift * (t / (spec.num_frames - 1) - 0.5))
    return to_uint8(255 * gain * np.linspace(0, 1, 256) ** spec.gamma + spec.offset)
