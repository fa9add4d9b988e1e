"""Random textures of the sample data set: hands, objects, cloths and backgrounds.

Every texture is float32 (h, w, 3), RGB, in grey levels that are not clipped to 0 … 255 yet.
"""

from collections.abc import Callable

import cv2
import numpy as np

COLOURS = {
    "red": (200, 35, 40), "orange": (245, 125, 10), "yellow": (228, 196, 40), "green": (45, 150, 65),
    "teal": (25, 150, 160), "blue": (40, 80, 195), "purple": (115, 55, 165), "magenta": (205, 45, 140),
    "white": (222, 222, 216), "black": (38, 38, 44),
}  # fmt: skip
PATTERNS = ("speckled", "striped", "checked", "dotted", "shaded")
CLOTH_PATTERNS = ("striped", "checked", "dotted")
SKIN_TONES = ((243, 208, 182), (226, 176, 142), (190, 134, 98), (142, 94, 66), (96, 62, 46))  # light to dark


def draw_outline(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """A random outline: a rotated superellipse with waves on it.

    Returns:
        A function from angles (radians) to the distance of the outline from the centre, in units of the radius.
    """
    power, turn = rng.uniform(2.0, 3.5), rng.uniform(0, np.pi)
    waves = [(k, rng.uniform(-0.05, 0.05), rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4)]

    def outline(angle: np.ndarray) -> np.ndarray:
        box = np.abs(np.cos(angle - turn)) ** power + np.abs(np.sin(angle - turn)) ** power
        return box ** (-1 / power) * (1 + sum(size * np.cos(k * angle + phase) for k, size, phase in waves))

    return outline


def paint_hand(rng: np.random.Generator, along: np.ndarray, across: np.ndarray, skin: float) -> np.ndarray:
    """A hand: four fingers with nails, and a sleeve.

    Args:
        rng: draws the details.
        along: float32 (h, w), coordinate from the sleeve (-1) to the fingertips (1).
        across: float32 (h, w), coordinate over the width of the hand, -1 to 1.
        skin: 0 (light) to 1 (dark).
    """
    channels = np.transpose(SKIN_TONES)
    tone = _colour(rng, [np.interp(4 * skin, range(5), channel) for channel in channels], 5)
    finger = np.abs(np.sin(2 * np.pi * across))  # 0 between two fingers, 1 in the middle of each
    creases = sum(_ridge(along - joint + 0.3 * across**2, 0.035) for joint in (0.2, 0.62))
    light = 1 - 0.6 * (1 - finger**0.5) * np.clip(3 * along + 0.6, 0, 1) - 0.16 * creases * finger
    light += 0.035 * smooth_noise(rng, *along.shape, cell=16)
    tip, side = (along - 0.84 + 0.5 * across**2) / 0.16, (np.abs(np.abs(across) - 0.5) - 0.25) / 0.11
    nail = np.clip(2 * (1 - tip**2 - side**2), 0, 0.85)
    hand = _mix(light[..., None] * tone, 0.5 * tone + np.float32((128, 108, 104)), nail)
    return _mix(hand, *_paint_sleeve(rng, along, across))


def _paint_sleeve(rng, along, across):
    """A ribbed cloth with a dark hem (h, w, 3), and its opacity over the hand (h, w)."""
    cloth = _colour(rng, COLOURS[rng.choice(list(COLOURS))], 15) * 0.85
    edge = along - rng.uniform(-0.4, -0.25) - 0.06 * np.cos(2 * across)
    ribs = 1 + 0.15 * np.sin(rng.uniform(12, 25) * across) + 0.08 * smooth_noise(rng, *along.shape, cell=14)
    return (ribs - 0.4 * _ridge(edge, 0.07))[..., None] * cloth, np.clip(0.5 - 25 * edge, 0, 1)


def paint_object(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, colour: str, pattern: str) -> np.ndarray:
    """Two colours in a randomly rotated and scaled pattern, with stains of a third colour.

    Args:
        rng: draws the other colours and the details.
        x: float32 (h, w), px to the right.
        y: float32 (h, w), px down.
        colour: the first colour, one of `COLOURS`.
        pattern: one of `PATTERNS`.
    """
    others = rng.choice([name for name in COLOURS if name != colour], 2, replace=False)
    first, second, third = (_colour(rng, COLOURS[name], 12) for name in (colour, *others))
    angle, frequency = rng.uniform(0, np.pi), 2 * np.pi / rng.uniform(11, 24)
    right, down = (frequency * (x * np.cos(a) + y * np.sin(a)) for a in (angle, angle + np.pi / 2))
    right, down = right + rng.uniform(0, 2 * np.pi), down + rng.uniform(0, 2 * np.pi)
    fine = smooth_noise(rng, *x.shape, cell=12)
    second_share = {
        "speckled": lambda: 3 * smooth_noise(rng, *x.shape, cell=26) - 1.5,
        "striped": lambda: 2.5 * np.sin(right),
        "checked": lambda: 4 * np.sin(right) * np.sin(down),
        "dotted": lambda: 2.5 * (np.sin(right) + np.sin(down) - 0.9),
        "shaded": lambda: 0.5 * np.sin(0.3 * right),
    }[pattern]()
    surface = _mix(first, second, np.clip(0.5 + second_share, 0, 1))
    return _mix(surface, third, np.clip(2 * fine - 3, 0, 0.7)) + 14 * fine[..., None]


def paint_cloth(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray, radius: float, colour: str, pattern: str
) -> tuple[np.ndarray, np.ndarray]:
    """A square piece of cloth around (0, 0), randomly turned, with a bright hem and folds.

    Args:
        rng: draws the other colours and the details.
        x: float32 (h, w), px to the right.
        y: float32 (h, w), px down.
        radius: px, half the side of the square.
        colour: the first colour, one of `COLOURS`.
        pattern: one of `CLOTH_PATTERNS`.

    Returns:
        Its surface, float32 (h, w, 3), and its opacity, float32 (h, w), 0 to 1.
    """
    turn, waves, phases = rng.uniform(-0.3, 0.3), rng.uniform(6, 9), rng.uniform(0, 2 * np.pi, 2)
    across, down = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    across = across + 0.8 * np.sin(down * waves / radius + phases[0])
    down = down + 0.8 * np.sin(across * waves / radius + phases[1])
    inside = radius - (across**6 + down**6) ** (1 / 6)  # px from the edge
    folds = 1 + 0.11 * smooth_noise(rng, *x.shape, cell=30, stretch=2)
    surface = paint_object(rng, x, y, colour, pattern) * folds[..., None]
    hem = _mix(surface, np.float32((235, 232, 220)) * folds[..., None], np.clip((5 - inside) / 1.5, 0, 0.9))
    return hem * (1 - 0.5 * _ridge(inside - 5.5, 1.2))[..., None], np.clip(inside + 0.5, 0, 1)


def paint_background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A wall, or a wall above a table; plain, planks or tiles; rough everywhere, so that its motion is visible."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wall, table = (_colour(rng, [rng.uniform(75, 190)] * 3, 10) for _ in range(2))
    horizon = height * rng.uniform(0.35, 0.65) + rng.uniform(-0.1, 0.1) * (x - width / 2)
    has_table = rng.random() < 0.6
    surface = _mix(wall, table, has_table * np.clip((y - horizon) / 2 + 0.5, 0, 1))
    cell, stretch = rng.uniform(18, 32), rng.choice((1, 1, 2, 3))
    rough = rng.uniform(14, 22) * smooth_noise(rng, height, width, cell, stretch)
    rough += 8 * smooth_noise(rng, height, width, cell=90)
    joints, period = rng.choice(("plain", "planks", "tiles")), rng.uniform(34, 64)
    for axis in {"plain": (), "planks": (y,), "tiles": (x, y)}[joints]:
        rough -= rng.uniform(12, 25) * _ridge((axis / period + rng.uniform(0, 1)) % 1 - 0.5, 1.5 / period)
    return surface + cv2.merge([rough] * 3)


def smooth_noise(rng: np.random.Generator, height: int, width: int, cell: float, stretch: int = 1) -> np.ndarray:
    """Three octaves of noise; the largest details are `cell` px high and `stretch` times as wide.

    Returns:
        float32 (height, width), mean 0, standard deviation 1.
    """
    total = np.zeros((height, width), np.float32)
    for octave in (1, 2, 4):
        rows, columns = int(height * octave / cell) + 2, int(width * octave / cell / stretch) + 2
        grid = rng.standard_normal((rows, columns), np.float32) / octave
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return (total - total.mean()) / total.std()


def shade_ball(right: np.ndarray, down: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Brightness of a ball lit from the direction `light` at (right, down), in units of its radius; dark at the rim."""
    facing = np.sqrt(np.clip(1 - right**2 - down**2, 0, 1))
    return np.float32(0.5 + 0.45 * facing + 0.25 * (light[0] * right + light[1] * down))


def _colour(rng, around, deviation: float) -> np.ndarray:
    return np.float32(rng.normal(around, deviation))


def _mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Blends two textures: `first` where `share` (h, w) is 0, `second` where it is 1."""
    share = np.float32(share)
    return cv2.merge([a + (b - a) * share for a, b in zip(_channels(first), _channels(second), strict=True)])


def _channels(texture: np.ndarray) -> np.ndarray:
    """The channels of a texture (h, w, 3) or of a colour (3,), one by one: NumPy is slow on a last axis of three."""
    return np.moveaxis(texture, -1, 0)


def _ridge(distance: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-((distance / width) ** 2))
