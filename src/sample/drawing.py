"""Draws the layers of a clip: the background, and what moves in front of it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from src.sample.motion import pair_path, path_middle, rotation
from src.sample.specs import FRAME_HEIGHT, LAYER_SIZE, MARGINS, ClipSpec
from src.sample.textures import draw_outline, paint_background, paint_cloth, paint_hand, paint_object, shade_ball


def draw_layers(spec: ClipSpec) -> list[np.ndarray]:
    """Draws the layers of a clip, from the bottom to the top.

    Returns:
        The background with an object that lies there, if there is one, uint8 (H + 2 MARGINS[1], W + 2 MARGINS[0], 3),
        RGB; and the pair (the hand and the object that it holds), or the cover and the hand, each uint8 (LAYER_SIZE,
        LAYER_SIZE, 4), RGB and opacity.
    """
    # A generator for each part, so that what one part draws does not change the others.
    rngs = [np.random.default_rng([spec.seed, 2, k]) for k in range(6)]
    light = rngs[0].uniform((-0.5, -0.7), (0.5, -0.3))
    outlines = [draw_outline(rngs[0]) for _ in range(2)]
    background = paint_background(rngs[1], FRAME_HEIGHT + 2 * MARGINS[1], spec.width + 2 * MARGINS[0])
    if spec.action.takes_cover:
        _add_hidden(rngs[4], spec, outlines[0], light, background)
        return [to_uint8(background), _draw_cover(rngs[5], spec), _draw_lone_hand(rngs[3], spec, outlines[1], light)]
    shapes = _place_pair(spec, outlines)
    if spec.action.neighbour:
        _add_neighbour(rngs[2], spec, shapes[0], light, background)
    return [to_uint8(background), _draw_pair(rngs[3], rngs[4], spec, shapes, light)]


def to_uint8(values: np.ndarray) -> np.ndarray:
    return np.rint(values.clip(0, 255)).astype(np.uint8)


class _Shape(NamedTuple):
    """A round shape: its centre, and its radius (px) as a function of the angle (radians)."""

    x: float
    y: float
    radius: Callable[[np.ndarray], np.ndarray]

    def relative(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Offsets of points from the centre, right and down, in units of the radius; and the opacity there."""
        dx, dy = x - np.float32(self.x), y - np.float32(self.y)
        radius = self.radius(np.arctan2(dy, dx))
        return dx / radius, dy / radius, np.clip(radius - np.hypot(dx, dy) + 0.5, 0, 1)


def _place_pair(spec: ClipSpec, outlines: list[Callable]) -> tuple[_Shape, _Shape]:
    """The left (or upper) and the right (or lower) shape, which overlap a little; together centred on (0, 0)."""
    first, second = (lambda angle, k=k: spec.radii[k] * outlines[k](angle) for k in range(2))
    axis = np.abs(spec.action.hand)
    forward = np.arctan2(axis[1], axis[0])
    distance = 0.88 * (first(forward) + second(forward + np.pi))
    start = (first(forward + np.pi) - distance - second(forward)) / 2
    return _Shape(*(start * axis), first), _Shape(*((start + distance) * axis), second)


def _layer_points() -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of the pixels of a layer, px from its middle, each float32 (LAYER_SIZE, LAYER_SIZE)."""
    y, x = np.mgrid[:LAYER_SIZE, :LAYER_SIZE].astype(np.float32) - (LAYER_SIZE - 1) / 2
    return x, y


def _draw_pair(hand_rng, object_rng, spec: ClipSpec, shapes, light) -> np.ndarray:
    """The hand, its fingers over the object. The outline of both together does not tell which shape is the hand."""
    hand, held = shapes if sum(spec.action.hand) < 0 else shapes[::-1]
    x, y = _layer_points()
    skin, hand_alpha = _draw_hand(hand_rng, spec, hand, x, y, light)
    surface, held_alpha = _draw_object(object_rng, held, x, y, spec.object_colour, spec.object_pattern, light)
    held_alpha *= 1 - hand_alpha
    opacity = hand_alpha + held_alpha
    colour = (skin * hand_alpha + surface * held_alpha) / np.maximum(opacity, 1e-6)
    return to_uint8(np.concatenate([colour, 255 * opacity], axis=-1))


def _draw_lone_hand(rng, spec: ClipSpec, outline: Callable, light) -> np.ndarray:
    """The hand, its fingertips on the cover, whose middle is that of the layer."""
    radius = 0.8 * spec.radii[1]
    shape = _Shape(0, 0.35 * spec.cover_radius + radius, lambda angle: radius * outline(angle))
    skin, alpha = _draw_hand(rng, spec, shape, *_layer_points(), light)
    return to_uint8(np.concatenate([skin, 255 * alpha], axis=-1))


def _draw_cover(rng, spec: ClipSpec) -> np.ndarray:
    x, y = _layer_points()
    colour, opacity = paint_cloth(rng, x, y, spec.cover_radius, spec.cover_colour, spec.cover_pattern)
    return to_uint8(np.concatenate([colour, 255 * opacity[..., None]], axis=-1))


def _draw_hand(rng, spec: ClipSpec, shape: _Shape, x, y, light) -> tuple[np.ndarray, np.ndarray]:
    """The shaded skin and sleeve (h, w, 3), and their opacity (h, w, 1)."""
    right, down, opacity = shape.relative(x, y)
    ahead_x, ahead_y = -np.array(spec.action.hand, np.float32)
    along, across = right * ahead_x + down * ahead_y, down * ahead_x - right * ahead_y
    skin = paint_hand(rng, along, across, spec.skin) * shade_ball(right, down, light)[..., None]
    return skin, opacity[..., None]


def _draw_object(rng, shape: _Shape, x, y, colour: str, pattern: str, light) -> tuple[np.ndarray, np.ndarray]:
    """The shaded surface (h, w, 3), and its opacity (h, w, 1)."""
    right, down, opacity = shape.relative(x, y)
    surface = paint_object(rng, x, y, colour, pattern) * shade_ball(right, down, light)[..., None]
    return surface, opacity[..., None]


def _add_neighbour(rng, spec: ClipSpec, held: _Shape, light, background: np.ndarray) -> None:
    """Draws the second object onto the background, beside the held one."""
    outline, radius = draw_outline(rng), spec.neighbour_radius
    x, y = pair_path(spec)[0] + rotation(spec.tilt) @ (held.x, held.y)
    step = spec.neighbour_side * (held.radius(0.0) + spec.neighbour_gap + radius)
    x += step if radius < x + step < spec.width - radius else -step
    shape = _Shape(x, y, lambda angle: radius * outline(angle))
    _add_object(rng, shape, spec.neighbour_colour, spec.neighbour_pattern, light, background)


def _add_hidden(rng, spec: ClipSpec, outline: Callable, light, background: np.ndarray) -> None:
    """Draws the thing under the cover onto the background."""
    shape = _Shape(*path_middle(spec), lambda angle: spec.hidden_radius * outline(angle))
    _add_object(rng, shape, spec.object_colour, spec.object_pattern, light, background)


def _add_object(rng, shape: _Shape, colour: str, pattern: str, light, background: np.ndarray) -> None:
    left, top = (int(place + margin) - LAYER_SIZE // 2 for place, margin in zip(shape[:2], MARGINS, strict=True))
    rows, columns = (slice(max(start, 0), start + LAYER_SIZE) for start in (top, left))
    y, x = np.mgrid[rows, columns].astype(np.float32)
    surface, opacity = _draw_object(rng, shape, x - MARGINS[0], y - MARGINS[1], colour, pattern, light)
    behind = background[rows, columns]
    behind += (surface - behind) * opacity
