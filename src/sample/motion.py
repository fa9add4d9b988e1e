"""The motion of a clip: affine maps of the camera and of the pair (the hand and its object), frame by frame."""

import numpy as np

from src.sample.specs import FRAME_HEIGHT, PAIR_SIZE, ClipSpec


def clip_motion(spec: ClipSpec) -> tuple[np.ndarray, np.ndarray]:
    """Maps from the scene, and from the image of the pair, to each frame.

    Returns:
        (camera, pair), each float64 (T, 3, 3): homogeneous matrices for points (x, y, 1), px.
    """
    rng = np.random.default_rng([spec.seed, 1])

    def wobble(speed: float) -> np.ndarray:
        return _wobble(rng, spec.num_frames, speed)

    pair_middle = ((PAIR_SIZE - 1) / 2,) * 2
    shake = np.stack([wobble(spec.camera_shake / 2**0.5) for _ in range(2)], axis=1)
    tremor = np.stack([wobble(spec.tremor / 2**0.5) for _ in range(2)], axis=1)
    turns, leans = wobble(0.0006), spec.tilt + wobble(0.002)
    positions = pair_path(spec) + tremor - pair_middle
    middle = (spec.width / 2, FRAME_HEIGHT / 2)
    camera = np.stack([affine(*move, middle) for move in zip(turns, shake, strict=True)])
    pair = np.stack([affine(*move, pair_middle) for move in zip(leans, positions, strict=True)])
    return camera, camera @ pair


def pair_path(spec: ClipSpec) -> np.ndarray:
    """Centre of the pair in the scene in each frame, without tremor: float64 (T, 2), (x, y) in px."""
    time, direction = np.linspace(0, 1, spec.num_frames), spec.action.motion
    if direction == (0, 0):
        time, direction = np.full_like(time, spec.hold_at), (0, 1)
    progress = time + spec.ease * np.sin(2 * np.pi * time) / (2 * np.pi) - 0.5
    travel = spec.speed * (spec.num_frames - 1)
    return spec.centre + travel * progress[:, None] * (rotation(spec.tilt) @ direction)


def affine(angle: float, shift, pivot=(0, 0)) -> np.ndarray:
    """Rotation by `angle` (radians, from right to down) about `pivot`, then a shift: (3, 3)."""
    matrix = np.eye(3)
    matrix[:2, :2] = rotation(angle)
    matrix[:2, 2] = np.add(pivot, shift) - rotation(angle) @ pivot
    return matrix


def rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _wobble(rng: np.random.Generator, num_frames: int, speed: float) -> np.ndarray:
    """Three sine waves (T,) whose change per frame has the root mean square `speed`."""
    frequency, phase = rng.uniform(0.2, 1.3, 3), rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(np.arange(num_frames)[:, None] * frequency + phase) / frequency
    return speed * np.sqrt(2 / 3) * waves.sum(axis=1)
