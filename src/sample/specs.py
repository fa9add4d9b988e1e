"""The eight actions of the sample data set, and the random parameters of a clip.

A template decides only on which side of the object the hand is, where the two move, and whether a second object lies
beside them. Everything else is drawn from the clip's seed, whatever the template, so that nothing else reveals the
class:

- Pushing and pulling from left to right have the same silhouette and the same true flow. They differ in which half is
  the hand, so only a still frame tells them apart.
- Moving up, moving down and holding have the same still frames, so only flow tells them apart.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from src.sample.textures import COLOURS, PATTERNS

FRAME_HEIGHT = 240  # px
FRAME_WIDTHS = (320, 320, 320, 284)  # px; one is drawn for each clip
MAX_TRAVEL = 135.0  # px; longer paths leave a frame of 240 px
MARGIN = 40  # px of background around the frame, into which the camera can move
PAIR_SIZE = 168  # px, side of the square image of the pair


class Action(NamedTuple):
    """What a template decides. Directions are (right, down)."""

    hand: tuple[int, int]  # direction from the object to the hand
    motion: tuple[int, int]  # direction in which both move
    neighbour: bool = False  # whether a second object lies beside them


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
    """The parameters of one clip; its textures and its shaking follow from the seed.

    The hand and the object that it holds are called the pair; it moves as one rigid body.
    """

    template: str
    seed: int
    num_frames: int
    width: int  # px
    speed: float  # px/frame, mean along the path
    ease: float  # relative difference of the speed at both ends of the path from the mean speed
    tilt: float  # radians, of the pair and its path
    centre: tuple[float, float]  # px, (x, y) of the middle of the path
    hold_at: float  # position on the path, 0 to 1, of a pair that does not move
    radii: tuple[float, float]  # px, of the left or upper shape and of the right or lower one
    tremor: float  # px/frame, root mean square, of the hand
    camera_shake: float  # px/frame, root mean square
    gain: float
    gamma: float
    offset: float  # grey levels
    drift: float  # relative change of the gain over the clip
    skin: float  # 0 (light) to 1 (dark)
    object_colour: str
    object_pattern: str
    neighbour_colour: str
    neighbour_pattern: str
    neighbour_radius: float  # px
    neighbour_gap: float  # px
    neighbour_side: int  # -1 left, 1 right; the opposite side if it would leave the frame

    @property
    def action(self) -> Action:
        return ACTIONS[self.template]


def clip_spec(template: str, seed: int) -> ClipSpec:
    """Draws the parameters of a clip. A seed gives the same parameters for every template.

    Args:
        template: one of `ACTIONS`.
        seed: 0 or more.

    Raises:
        ValueError: the template is not one of `ACTIONS`.
    """
    if template not in ACTIONS:
        raise ValueError(f"template must be one of {sorted(ACTIONS)}. Received: {template!r}.")
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
