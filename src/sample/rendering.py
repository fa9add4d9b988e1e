"""Draws the clips of the sample data set, and knows the true flow of each.

A clip has two layers: a background that moves with the camera, and a pair, a hand and an object, that moves
as one rigid thing. The template decides only on which side the hand is, where the pair goes, and whether a
second object stands by. All else is drawn from the clip's seed, whatever the template, so that nothing else
gives it away:

- pushing and pulling from left to right have the same silhouette and the same true flow, and differ in which
  half of it is the hand: only the still picture tells;
- moving up, moving down and holding show the same still picture: only the flow tells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from src.sample.textures import (
    COLOURS,
    PATTERNS,
    draw_outline,
    paint_background,
    paint_hand,
    paint_object,
    shade_ball,
)

FRAME_HEIGHT = 240  # px
FRAME_WIDTHS = (320, 320, 320, 284)  # px; each clip draws one
MARGIN = 40  # px of background around the frame, for the camera to move in
PAIR_SIZE = 168  # px, the side of the square picture that holds the pair
MAX_TRAVEL = 135.0  # px; what a frame of 240 px can show


class Action(NamedTuple):
    """What a template decides. Directions are (right, down)."""

    hand: tuple[int, int]  # where the hand is, seen from the object
    motion: tuple[int, int]  # where the two go
    neighbour: bool = False  # whether a second object stands by


ACTIONS = {
    "Holding something": Action(hand=(0, 1), motion=(0, 0)),
    "Holding something next to something": Action(hand=(0, 1), motion=(0, 0), neighbour=True),
    "Moving something down": Action(hand=(0, 1), motion=(0, 1)),
    "Moving something up": Action(hand=(0, 1), motion=(0, -1)),
    "Pulling something from left to right": Action(hand=(1, 0), motion=(1, 0)),
    "Pulling something from right to left": Action(hand=(-1, 0), motion=(-1, 0)),
    "Pushing something from left to right": Action(hand=(-1, 0), motion=(1, 0)),
    "Pushing something from right to left": Action(hand=(1, 0), motion=(-1, 0)),
}


@dataclass(frozen=True)
class ClipSpec:
    """What is drawn for one clip; its textures and the way it shakes follow from the seed."""

    template: str
    seed: int
    num_frames: int
    width: int  # px
    speed: float  # px/frame, mean along the path
    ease: float  # how much faster (or slower) than the mean the path starts and ends, relative
    tilt: float  # radians, of the pair and its path
    centre: tuple[float, float]  # px, (x, y) of the middle of the path
    hold_at: float  # the part of the path, 0 to 1, after which a held object stays
    radii: tuple[float, float]  # px, of the left or upper blob and of the right or lower one
    tremor: float  # px/frame, root mean square, of the hand
    camera_shake: float  # px/frame, root mean square
    gain: float
    gamma: float
    offset: float  # grey levels
    drift: float  # change of the gain over the clip, relative
    skin: float  # 0 (light) to 1 (dark)
    object_colour: str
    object_pattern: str
    neighbour_colour: str
    neighbour_pattern: str
    neighbour_radius: float  # px
    neighbour_gap: float  # px
    neighbour_side: int  # -1 left, 1 right; the other one where the frame ends too soon

    @property
    def action(self) -> Action:
        return ACTIONS[self.template]


def clip_spec(template: str, seed: int) -> ClipSpec:
    """Draws a clip. The same seed gives the same draws for every template.

    Args:
        template: One of `ACTIONS`.
        seed: Not negative; decides everything but the template.

    Raises:
        ValueError: The template is not one of `ACTIONS`.
    """
    if template not in ACTIONS:
        raise ValueError(f"The template must be one of {sorted(ACTIONS)}. Received: {template!r}.")
    rng = np.random.default_rng([seed, 0])
    width, speed = int(rng.choice(FRAME_WIDTHS)), rng.uniform(2.5, 7.0)
    num_frames = int(rng.integers(20, min(40, 1 + int(MAX_TRAVEL / speed)), endpoint=True))
    slack = max(10.0, (MAX_TRAVEL - speed * (num_frames - 1)) / 2)
    return ClipSpec(
        template=template,
        seed=seed,
        num_frames=num_frames,
        width=width,
        speed=speed,
        ease=rng.uniform(-0.3, 0.3),
        tilt=np.deg2rad(rng.uniform(-10, 10)),
        centre=(width / 2 + rng.uniform(-slack, slack), FRAME_HEIGHT / 2 + rng.uniform(-slack, slack)),
        hold_at=rng.uniform(0, 1),
        radii=(rng.uniform(20, 37), rng.uniform(20, 37)),
        tremor=rng.uniform(0.08, 0.2),
        camera_shake=rng.uniform(0.25, 0.6),
        gain=rng.uniform(0.8, 1.05),
        gamma=rng.uniform(0.8, 1.25),
        offset=rng.uniform(-8, 16),
        drift=rng.uniform(-0.06, 0.06),
        skin=rng.uniform(0, 1),
        object_colour=str(rng.choice(list(COLOURS))),
        object_pattern=str(rng.choice(PATTERNS)),
        neighbour_colour=str(rng.choice(list(COLOURS))),
        neighbour_pattern=str(rng.choice(PATTERNS)),
        neighbour_radius=rng.uniform(20, 37),
        neighbour_gap=rng.uniform(2, 22),
        neighbour_side=int(rng.choice((-1, 1))),
    )


def render_clip(spec: ClipSpec) -> np.ndarray:
    """Draws the frames of a clip, each time the same.

    Returns:
        uint8 (T, H, W, 3), RGB; T = `spec.num_frames`, H = 240, W = `spec.width`.
    """
    background, pair = draw_layers(spec)
    camera, pair_motion = _motion(spec)
    frames = np.empty((spec.num_frames, FRAME_HEIGHT, spec.width, 3), np.uint8)
    for t in range(spec.num_frames):
        frame = _warp(background, camera[t] @ _affine(0, (-MARGIN, -MARGIN)), spec.width)
        rgba = _warp(pair, pair_motion[t], spec.width)
        x, y, w, h = cv2.boundingRect(rgba[..., 3])
        behind, front = frame[y : y + h, x : x + w], np.float32(rgba[y : y + h, x : x + w])
        behind[:] = behind + (front[..., :3] - behind) * (front[..., 3:] / 255) + 0.5
        cv2.LUT(frame, _tone_curve(spec, t), dst=frames[t])
    return frames


def true_flow(spec: ClipSpec, step: int = 1, starts: Sequence[int] | None = None) -> np.ndarray:
    """How what is seen at each pixel moves until the frame `step` later: with the pair, or else with the camera.

    Args:
        spec: the clip.
        step: frames from one to the other.
        starts: the frames that the motion starts from; None is all that have one `step` later.

    Returns:
        float32 (T - step or len(starts), H, W, 2), px; [..., 0] is u, + is right; [..., 1] is v, + is down.
    """
    starts = np.arange(spec.num_frames - step) if starts is None else np.asarray(starts)
    y, x = np.mgrid[:FRAME_HEIGHT, : spec.width]
    points = np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)
    changes = [motion[starts + step] @ np.linalg.inv(motion[starts]) - np.eye(3) for motion in _motion(spec)]
    behind, front = (np.einsum("hwj,tij->thwi", points, np.float32(change[:, :2])) for change in changes)
    return np.where(moving_mask(spec)[starts, ..., None], front, behind)


def moving_mask(spec: ClipSpec) -> np.ndarray:
    """Where the hand and its object are seen: bool (T, H, W)."""
    opacity = draw_layers(spec)[1][..., 3].copy()
    return np.stack([_warp(opacity, motion, spec.width) >= 128 for motion in _motion(spec)[1]])


def draw_layers(spec: ClipSpec) -> tuple[np.ndarray, np.ndarray]:
    """Draws the two pictures that the clip is made of.

    Returns:
        The background with what stands on it, uint8 (H + 2 MARGIN, W + 2 MARGIN, 3), RGB; and the pair, uint8
        (PAIR_SIZE, PAIR_SIZE, 4), RGB and opacity.
    """
    # One generator for each thing: what one draws does not depend on whether another is there.
    rngs = [np.random.default_rng([spec.seed, 2, k]) for k in range(5)]
    light = rngs[0].uniform((-0.5, -0.7), (0.5, -0.3))
    blobs = _place_pair(spec, [draw_outline(rngs[0]) for _ in spec.radii])
    background = paint_background(rngs[1], FRAME_HEIGHT + 2 * MARGIN, spec.width + 2 * MARGIN)
    if spec.action.neighbour:
        _add_neighbour(rngs[2], spec, blobs[0], light, background)
    return _to_uint8(background), _draw_pair(rngs[3], rngs[4], spec, blobs, light)


class _Blob(NamedTuple):
    """A round shape: its centre, and its reach in each direction (an angle in radians), px."""

    x: float
    y: float
    reach: Callable[[np.ndarray], np.ndarray]

    def relative(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How far right and down of the centre each point is, in units of the reach; the opacity there."""
        dx, dy = x - np.float32(self.x), y - np.float32(self.y)
        reach = self.reach(np.arctan2(dy, dx))
        return dx / reach, dy / reach, np.clip(reach - np.hypot(dx, dy) + 0.5, 0, 1)


def _place_pair(spec: ClipSpec, outlines: list[Callable]) -> tuple[_Blob, _Blob]:
    """The left (or upper) and the right (or lower) blob; they overlap a little, and are centred on (0, 0)."""
    one, other = (lambda angle, k=k: spec.radii[k] * outlines[k](angle) for k in range(2))
    axis = np.abs(spec.action.hand)
    forward = np.arctan2(axis[1], axis[0])
    apart = 0.88 * (one(forward) + other(forward + np.pi))
    start = (one(forward + np.pi) - apart - other(forward)) / 2
    return _Blob(*(start * axis), one), _Blob(*((start + apart) * axis), other)


def _draw_pair(hand_rng, object_rng, spec: ClipSpec, blobs, light) -> np.ndarray:
    """The hand, its fingers over the object. Their common outline is the same whichever blob is the hand."""
    hand, held = blobs if sum(spec.action.hand) < 0 else blobs[::-1]
    y, x = np.mgrid[:PAIR_SIZE, :PAIR_SIZE].astype(np.float32) - (PAIR_SIZE - 1) / 2
    right, down, hand_alpha = hand.relative(x, y)
    ahead_x, ahead_y = -np.array(spec.action.hand, np.float32)
    along, across = right * ahead_x + down * ahead_y, down * ahead_x - right * ahead_y
    skin = paint_hand(hand_rng, along, across, spec.skin) * shade_ball(right, down, light)[..., None]
    surface, held_alpha = _draw_object(object_rng, held, x, y, spec.object_colour, spec.object_pattern, light)
    hand_alpha = hand_alpha[..., None]
    held_alpha *= 1 - hand_alpha
    opacity = hand_alpha + held_alpha
    colour = (skin * hand_alpha + surface * held_alpha) / np.maximum(opacity, 1e-6)
    return _to_uint8(np.concatenate([colour, 255 * opacity], axis=-1))


def _draw_object(rng, blob: _Blob, x, y, colour: str, pattern: str, light) -> tuple[np.ndarray, np.ndarray]:
    """The surface as it is lit (h, w, 3), and its opacity (h, w, 1)."""
    right, down, opacity = blob.relative(x, y)
    surface = paint_object(rng, x, y, colour, pattern) * shade_ball(right, down, light)[..., None]
    return surface, opacity[..., None]


def _add_neighbour(rng, spec: ClipSpec, held: _Blob, light, background: np.ndarray) -> None:
    """Draws the second object onto the background, beside the held one."""
    outline, radius = draw_outline(rng), spec.neighbour_radius
    x, y = _path(spec)[0] + _turn(spec.tilt) @ (held.x, held.y)
    step = spec.neighbour_side * (held.reach(0.0) + spec.neighbour_gap + radius)
    x += step if radius < x + step < spec.width - radius else -step
    blob = _Blob(x, y, lambda angle: radius * outline(angle))
    rows, columns = np.mgrid[: background.shape[0], : background.shape[1]].astype(np.float32) - MARGIN
    colour, pattern = spec.neighbour_colour, spec.neighbour_pattern
    surface, opacity = _draw_object(rng, blob, columns, rows, colour, pattern, light)
    background += (surface - background) * opacity


def _motion(spec: ClipSpec) -> tuple[np.ndarray, np.ndarray]:
    """The maps, each (T, 3, 3), that take the scene, and the picture of the pair, to each frame."""
    rng = np.random.default_rng([spec.seed, 1])

    def wobble(speed: float) -> np.ndarray:
        return _wobble(rng, spec.num_frames, speed)

    pair_middle = ((PAIR_SIZE - 1) / 2,) * 2
    shake = np.stack([wobble(spec.camera_shake / 2**0.5) for _ in range(2)], axis=1)
    tremor = np.stack([wobble(spec.tremor / 2**0.5) for _ in range(2)], axis=1)
    turns, leans = wobble(0.0006), spec.tilt + wobble(0.002)
    places = _path(spec) + tremor - pair_middle
    middle = (spec.width / 2, FRAME_HEIGHT / 2)
    camera = np.stack([_affine(*move, middle) for move in zip(turns, shake, strict=True)])
    pair = np.stack([_affine(*move, pair_middle) for move in zip(leans, places, strict=True)])
    return camera, camera @ pair


def _path(spec: ClipSpec) -> np.ndarray:
    """Where in the scene the middle of the pair is at each frame, tremor aside. (T, 2), px, (x, y)."""
    time, direction = np.linspace(0, 1, spec.num_frames), spec.action.motion
    if direction == (0, 0):
        time, direction = np.full_like(time, spec.hold_at), (0, 1)
    progress = time + spec.ease * np.sin(2 * np.pi * time) / (2 * np.pi) - 0.5
    travel = spec.speed * (spec.num_frames - 1)
    return spec.centre + travel * progress[:, None] * (_turn(spec.tilt) @ direction)


def _wobble(rng: np.random.Generator, num_frames: int, speed: float) -> np.ndarray:
    """A shaking hand: three sine waves (T,) that change by `speed` per frame, root mean square."""
    frequency, phase = rng.uniform(0.2, 1.3, 3), rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(np.arange(num_frames)[:, None] * frequency + phase) / frequency
    return speed * np.sqrt(2 / 3) * waves.sum(axis=1)


def _affine(angle: float, shift, pivot=(0, 0)) -> np.ndarray:
    """Turns by `angle` (radians, right to down) about `pivot`, then shifts. (3, 3)."""
    matrix = np.eye(3)
    matrix[:2, :2] = _turn(angle)
    matrix[:2, 2] = np.add(pivot, shift) - _turn(angle) @ pivot
    return matrix


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _warp(picture: np.ndarray, motion: np.ndarray, width: int) -> np.ndarray:
    """The frame that the picture gives; 0 where the picture ends."""
    return cv2.warpAffine(picture, motion[:2], (width, FRAME_HEIGHT), flags=cv2.INTER_LINEAR)


def _tone_curve(spec: ClipSpec, t: int) -> np.ndarray:
    """The lighting of frame t, as a table of 256 grey levels."""
    gain = spec.gain * (1 + spec.drift * (t / (spec.num_frames - 1) - 0.5))
    return _to_uint8(255 * gain * np.linspace(0, 1, 256) ** spec.gamma + spec.offset)


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.rint(values.clip(0, 255)).astype(np.uint8)
