"""The motion of a clip: affine maps of the camera and of the layers in front of the background, frame by frame."""

import numpy as np

from src.sample.specs import FRAME_HEIGHT, LAYER_SIZE, ClipSpec

REST = 10, 11  # frames of each half of a covering clip before the hand leaves, and after it came back
PAUSE = 4  # frames between both ways, in which the hand still moves slowly: readers drop frames that seem repeated
REACH = 57, 60  # px from the cover on the thing to the hand's furthest point; less than 11 px/frame


def clip_motion(spec: ClipSpec) -> list[np.ndarray]:
    """Maps from the scene, and from the image of each layer in front of it, to each frame.

    Returns:
        As many as `draw_layers` has layers, in its order; each float64 (T, 3, 3): homogeneous matrices for points
        (x, y, 1), px. The first is the camera's.
    """
    rng = np.random.default_rng([spec.seed, 1])

    def wobble(speed: float, frequencies=(0.2, 1.3)) -> np.ndarray:
        return _wobble(rng, spec.num_frames, speed, frequencies)

    shake, tremor, drift = (
        np.stack([wobble(speed / 2**0.5, *frequencies) for _ in range(2)], axis=1)
        for speed, *frequencies in ((spec.camera_shake,), (spec.tremor,), (spec.camera_drift, (0.08, 0.2)))
    )
    turns, leans = wobble(0.0014 * spec.camera_shake), spec.tilt + wobble(0.014 * spec.tremor)
    camera_path = shake + (pan_path(spec) if spec.action.pan else drift)
    camera = _moves(turns, camera_path, (spec.width / 2, FRAME_HEIGHT / 2))
    middle = ((LAYER_SIZE - 1) / 2,) * 2
    if spec.action.takes_cover:
        hand, cover = cover_paths(spec)
        paths = [(np.full_like(leans, spec.tilt), cover), (leans, hand + tremor)]
    else:
        paths = [(leans, pair_path(spec) + tremor)]
    return [camera, *(camera @ _moves(angles, path - middle, middle) for angles, path in paths)]


def pair_path(spec: ClipSpec) -> np.ndarray:
    """Centre of the pair in the scene in each frame, without tremor: float64 (T, 2), (x, y) in px."""
    progress, direction = _progress(spec), spec.action.motion
    if direction == (0, 0):
        progress, direction = np.full_like(progress, spec.hold_at), (0, 1)
    return path_middle(spec) + spec.travel * (progress - 0.5)[:, None] * (rotation(spec.tilt) @ direction)


def pan_path(spec: ClipSpec) -> np.ndarray:
    """Position of the scene in each frame of a clip whose camera is turned: float64 (T, 2), (x, y) in px."""
    direction = rotation(spec.pan_tilt) @ (spec.action.pan, 0)
    return spec.pan * (_progress(spec) - 0.5)[:, None] * direction


def cover_paths(spec: ClipSpec) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the scene of the hand, without tremor, and of the cover; equal where the hand lies on the cover.

    The half in which the hand takes the cover and the half in which it does not are drawn alike and independently.

    Returns:
        (hand, cover), each float64 (T, 2), (x, y) in px.
    """
    rng, half = np.random.default_rng([spec.seed, 3]), spec.num_frames // 2
    way = (half - sum(REST) - PAUSE) / 2
    times = np.cumsum([REST[0], way, PAUSE, way])
    share = np.interp(np.arange(half), times, (0, 0.88, 1, 0))[:, None]
    alone, covered = (share * _draw_reach(rng) for _ in range(2))
    hand = np.concatenate([covered if takes else alone for takes in spec.action.takes_cover])
    cover = np.concatenate([covered if takes else 0 * alone for takes in spec.action.takes_cover])
    return path_middle(spec) + hand, path_middle(spec) + cover


def path_middle(spec: ClipSpec) -> np.ndarray:
    """Middle of the path of the pair, or place of a thing under a cover, in the scene: float64 (2,), (x, y) in px."""
    action, along = spec.action, (150 - spec.travel) / 2
    if action.takes_cover:
        room = (35, 40)
    elif action.pan:
        room = (10, along)
    else:
        room = (along, 45) if action.motion[0] else (90, along)
    return np.array([spec.width, FRAME_HEIGHT]) / 2 + np.array(room) * spec.place


def affine(angle: float, shift, pivot=(0, 0)) -> np.ndarray:
    """Rotation by `angle` (radians, from right to down) about `pivot`, then a shift: (3, 3)."""
    matrix = np.eye(3)
    matrix[:2, :2] = rotation(angle)
    matrix[:2, 2] = np.add(pivot, shift) - rotation(angle) @ pivot
    return matrix


def rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _moves(angles, shifts, pivot) -> np.ndarray:
    return np.stack([affine(angle, shift, pivot) for angle, shift in zip(angles, shifts, strict=True)])


def _progress(spec: ClipSpec) -> np.ndarray:
    """Share of a path behind each frame, 0 to 1: (T,). The speed goes as (1 + cos)²: bursts, with stops between."""
    angle = spec.phase + 2 * np.pi / spec.rhythm * np.arange(spec.num_frames)
    distance = 1.5 * angle + 2 * np.sin(angle) + 0.25 * np.sin(2 * angle)
    return (distance - distance[0]) / (distance[-1] - distance[0])


def _draw_reach(rng: np.random.Generator) -> np.ndarray:
    """Where the hand goes from the thing, px: to the left or to the right, a little up or down."""
    return rng.choice((-1, 1)) * rng.uniform(*REACH) * (rotation(rng.uniform(-0.35, 0.35)) @ (1, 0))


def _wobble(rng: np.random.Generator, num_frames: int, speed: float, frequencies: tuple[float, float]) -> np.ndarray:
    """Three sine waves (T,), of frequencies between two (radians/frame); their change per frame has the rms `speed`."""
    frequency, phase = rng.uniform(*frequencies, 3), rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(np.arange(num_frames)[:, None] * frequency + phase) / frequency
    return speed * np.sqrt(2 / 3) * waves.sum(axis=1)
