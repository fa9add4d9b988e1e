"""The twelve actions of the sample data set, and the random parameters of a clip.

A template decides only what its `Action` says. Everything else is drawn from the clip's seed, whatever the template, so
that nothing else reveals the class:

| classes | what tells them apart |
| --- | --- |
| Pushing, pulling in one direction | only a still frame: silhouette and true flow are equal |
| Holding, holding next to something | only a still frame: the second object |
| Moving up, moving down, holding | only flow: the still frames are equal |
| Turning the camera left or right, holding | only flow, and only with its mean: the whole scene moves |
| Covering, uncovering | only the order of segments: the two halves are exchanged |

Covering and uncovering have two halves with the same timing, T / 2 frames each. Both begin and end with the hand on the
cover, and the cover on the thing. In one half the hand takes the cover aside and brings it back, in the other half it
goes alone. The hand rests long enough that segments of up to 11 frames in the middles of 2, 4, 6 or 8 equal parts of a
clip show the same motion in the first as in the second half.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from src.sample.textures import CLOTH_PATTERNS, COLOURS, PATTERNS

FRAME_HEIGHT = 240  # px
FRAME_WIDTHS = (320, 320, 320, 284)  # px; one is drawn for each clip
CLIP_LENGTHS = (72, 74, 76)  # frames; even
MARGINS = (120, 32)  # px of background left and right of the frame, and above and below, into which the camera can move
LAYER_SIZE = 168  # px, side of the square image of a layer in front of the background


class Action(NamedTuple):
    """What a template decides. Directions are (right, down)."""

    hand: tuple[int, int] = (0, 1)  # direction from the object to the hand
    motion: tuple[int, int] = (0, 0)  # direction in which both move
    neighbour: bool = False  # whether a second object lies beside them
    pan: int = 0  # in which direction the scene passes through the frame: 1 is right, 0 is not at all
    takes_cover: tuple[bool, ...] = ()  # in which half of the clip the hand takes the cover with it; () has no cover


ACTIONS = {
    "Covering something with something": Action(takes_cover=(True, False)),
    "Holding something": Action(),
    "Holding something next to something": Action(neighbour=True),
    "Moving something down": Action(motion=(0, 1)),
    "Moving something up": Action(motion=(0, -1)),
    "Pulling something from left to right": Action(hand=(1, 0), motion=(1, 0)),
    "Pulling something from right to left": Action(hand=(-1, 0), motion=(-1, 0)),
    "Pushing something from left to right": Action(hand=(-1, 0), motion=(1, 0)),
    "Pushing something from right to left": Action(hand=(1, 0), motion=(-1, 0)),
    "Turning the camera left while filming something": Action(pan=1),
    "Turning the camera right while filming something": Action(pan=-1),
    "Uncovering something": Action(takes_cover=(False, True)),
}


@dataclass(frozen=True)
class ClipSpec:
    """The parameters of one clip; its textures, its shaking and the sides of a cover follow from the seed.

    The hand and the object that it holds are called the pair; it moves as one rigid body.
    """

    template: str
    seed: int
    num_frames: int
    width: int  # px
    travel: float  # px, length of the path of the pair
    pan: float  # px, length of the path of the camera that is turned
    rhythm: float  # frames from one stop on these paths to the next
    phase: float  # radians, where in the rhythm the clip begins
    tilt: float  # radians, of the pair and its path
    pan_tilt: float  # radians, of the path of the camera that is turned
    place: tuple[float, float]  # -1 to 1, (x, y) in the area where the middle of the path may be
    hold_at: float  # position on the path, 0 to 1, of a pair that does not move
    radii: tuple[float, float]  # px, of the left or upper shape and of the right or lower one
    tremor: float  # px/frame, root mean square, of the hand
    camera_shake: float  # px/frame, root mean square
    camera_drift: float  # px/frame, root mean square; slower than the shake, and not in clips with a pan
    gain: float
    gamma: float
    offset: float  # grey levels
    dimming: float  # relative change of the gain over the clip
    skin: float  # 0 (light) to 1 (dark)
    object_colour: str
    object_pattern: str
    neighbour_colour: str
    neighbour_pattern: str
    neighbour_radius: float  # px
    neighbour_gap: float  # px
    neighbour_side: int  # -1 left, 1 right; the opposite side if it would leave the frame
    hidden_radius: float  # px, of the thing under the cover
    cover_radius: float  # px
    cover_colour: str
    cover_pattern: str

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
    object_colour, *others = (str(name) for name in rng.permutation(list(COLOURS)))
    return ClipSpec(
        template=template,
        seed=seed,
        num_frames=int(rng.choice(CLIP_LENGTHS)),
        width=int(rng.choice(FRAME_WIDTHS)),
        travel=rng.uniform(95, 135),
        pan=rng.uniform(180, 215),
        rhythm=rng.uniform(12, 18),
        phase=rng.uniform(0, 2 * np.pi),
        tilt=np.deg2rad(rng.uniform(-10, 10)),
        pan_tilt=np.deg2rad(rng.uniform(-8, 8)),
        place=(rng.uniform(-1, 1), rng.uniform(-1, 1)),
        hold_at=rng.uniform(0, 1),
        radii=(rng.uniform(20, 37), rng.uniform(20, 37)),
        tremor=rng.uniform(0.08, 0.2),
        camera_shake=rng.uniform(0.25, 0.6),
        camera_drift=rng.uniform(0.4, 1.0),
        gain=rng.uniform(0.8, 1.05),
        gamma=rng.uniform(0.8, 1.25),
        offset=rng.uniform(-8, 16),
        dimming=rng.uniform(-0.06, 0.06),
        skin=rng.uniform(0, 1),
        object_colour=object_colour,
        object_pattern=str(rng.choice(PATTERNS)),
        neighbour_colour=str(rng.choice(list(COLOURS))),
        neighbour_pattern=str(rng.choice(PATTERNS)),
        neighbour_radius=rng.uniform(20, 37),
        neighbour_gap=rng.uniform(2, 22),
        neighbour_side=int(rng.choice((-1, 1))),
        hidden_radius=rng.uniform(17, 20),
        cover_radius=rng.uniform(28, 31),
        cover_colour=others[0],
        cover_pattern=str(rng.choice(CLOTH_PATTERNS)),
    )
