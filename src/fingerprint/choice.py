"""The parameters of the extraction that follow from a subset's fingerprint, each with its reason."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from src.config import FLOW_ALGORITHMS, ClipConfig
from src.fingerprint.flow_error import find_limit
from src.fingerprint.motion import PERCENTILES, Motion
from src.printing import wrap

# Values are chosen from coarse ladders, so that the last bits of floats, which differ between machines, change none.
SIDES = (16, 24, 32, 48, 64, 80, 96, 112, 128)  # px; the last one is where Farneback follows the fastest motion
SMALL = 0.05  # share of the videos that may be smaller than the stored size
SEGMENTS = (4, 6, 8)
BOUNDS = (2.5, 5.0, 10.0, 20.0, 40.0)  # px/frame
DEFAULT = ClipConfig()
REASON_COLUMNS = ["parameter", "value", "origin", "reason"]


class Chosen(NamedTuple):
    """A value, and the sentence that says why."""

    value: int | float | str
    reason: str


@dataclass(frozen=True)
class Choice:
    """The parameters of an extraction.

    Attributes:
        config: what to extract.
        reasons: DataFrame `parameter`, `value`, `origin` ("given", "chosen" or "recorded") and `reason`, a row per
            parameter that may be left to the fingerprint.
    """

    config: ClipConfig
    reasons: pd.DataFrame

    def __str__(self) -> str:
        rows = self.reasons.itertuples(index=False)
        lines = (f"{row.parameter} = {row.value!r} ({row.origin}): {row.reason}" for row in rows)
        return "\n".join(wrap(line, indent="    ") for line in lines)


def choose_parameters(
    fingerprint: pd.DataFrame,
    motion: Motion,
    errors: pd.DataFrame,
    short_side: int | None = None,
    num_segments: int | None = None,
    flow_algorithm: str | None = None,
    flow_bound: float | None = None,
    flow_length: int = DEFAULT.flow_length,
    flow_source: str = DEFAULT.flow_source,
    recorded: Choice | None = None,
) -> Choice:
    """Chooses the parameters that are None from the training clips, and says what is measured about those given.

    Args:
        fingerprint: from `read_fingerprint`.
        motion: from `measure_motion`, at the side that `choose_short_side` gives.
        errors: from `measure_flow_error`, at the same side.
        short_side, num_segments, flow_algorithm, flow_bound: see `ClipConfig`; None is chosen.
        flow_length, flow_source: see `ClipConfig`.
        recorded: what a subset was prepared with, from `src.store.read_choice`, to prepare it again: its values take
            the place of None.

    Raises:
        ValueError: a given value is invalid.
    """
    named = {"num_segments": num_segments, "flow_algorithm": flow_algorithm, "flow_bound": flow_bound}
    given = {name: value for name, value in named.items() if value is not None}
    ClipConfig(**given, flow_length=flow_length, flow_source=flow_source)  # raises an error for an invalid one
    _check_side(motion, choose_short_side(fingerprint, short_side, recorded))
    algorithm = _choose_algorithm(motion, errors, flow_source)
    stored_by = flow_algorithm or (recorded.config.flow_algorithm if recorded else algorithm.value)
    rows = [
        _settle("short_side", short_side, _choose_side(fingerprint), recorded),
        _settle("num_segments", num_segments, _choose_segments(fingerprint, motion, flow_length + 1), recorded),
        _settle("flow_algorithm", flow_algorithm, algorithm, recorded),
        _settle("flow_bound", flow_bound, _choose_bound(motion, errors, stored_by), recorded),
    ]
    reasons = pd.DataFrame(rows, columns=REASON_COLUMNS)
    values = dict(zip(reasons.parameter, reasons.value, strict=True))
    config = ClipConfig(**values, flow_length=flow_length, flow_source=flow_source)
    warnings = _warn(config, fingerprint, motion, errors)
    is_given = reasons.origin == "given"
    reasons.loc[is_given, "reason"] += [warnings.get(name, "") for name in reasons.parameter[is_given]]
    return Choice(config, reasons)


def choose_short_side(fingerprint: pd.DataFrame, short_side: int | None = None, recorded: Choice | None = None) -> int:
    """The `short_side` that `choose_parameters` takes, at which motion and errors are measured before.

    Raises:
        ValueError: the given value is invalid.
    """
    if short_side is not None:
        return ClipConfig(short_side=short_side).short_side
    return recorded.config.short_side if recorded else _choose_side(fingerprint).value


def _settle(name, given, chosen, recorded):
    """A row of `reasons`."""
    if given is not None:
        same = given == chosen.value
        return name, given, "given", chosen.reason if same else f"{chosen.value!r} would be chosen: {chosen.reason}"
    if recorded:
        reason = recorded.reasons.set_index("parameter").reason.get(name, "as the subset was prepared before")
        return name, getattr(recorded.config, name), "recorded", reason
    return name, chosen.value, "chosen", chosen.reason


def _choose_side(fingerprint):
    sides = _usable(fingerprint)[["width", "height"]].min(axis=1)
    if sides.empty:
        return Chosen(DEFAULT.short_side, "the default; no video could be read")
    reached = float(sides.quantile(SMALL, interpolation="lower"))
    fits = [side for side in SIDES if side <= reached] or SIDES[:1]
    return Chosen(
        fits[-1],
        f"the largest size, at most {SIDES[-1]} px, that {100 * (1 - SMALL):.0f} % of the videos reach (their shorter "
        f"sides are {reached:g} px or more): at larger sizes Farneback loses slower motion",
    )


def _choose_segments(fingerprint, motion, window_length):
    few, usual, many = SEGMENTS
    frames = float(_usable(fingerprint).frames.median()) * (1 - motion.repeated)
    if np.isnan(frames):
        return Chosen(usual, "the default; no video could be read")
    windows = frames / window_length
    windows_of = f"windows of {window_length} frames"
    if windows < usual / 2:
        value, case = few, f"with {usual}, neighbouring {windows_of} would share more than half of them"
    elif windows > 4 * usual:
        value, case = many, f"with {usual}, all {windows_of} would be less than a quarter of a clip"
    else:
        value = usual
        case = (
            f"neighbouring {windows_of} share at most half of them, and all together are at least a quarter of a clip"
        )
    return Chosen(value, f"{case}; the median clip has {frames:.0f} frames that differ")


def _choose_algorithm(motion, errors, flow_source):
    if flow_source == "layer":
        return Chosen("farneback", 'flow_source="layer" computes no other')
    speed, limits = motion.percentiles.loc[99, "dis"], {name: find_limit(errors, name) for name in FLOW_ALGORITHMS}
    if np.isnan(speed):
        return Chosen(DEFAULT.flow_algorithm, "the default; no motion was measured")
    farneback, dis = (f"{limits[name]:.3g}" for name in ("farneback", "dis"))
    equal = farneback == dis
    follow = f"both follow {dis} px/frame" if equal else f'"farneback" follows {farneback} px/frame, "dis" {dis}'
    if speed <= limits["farneback"]:
        return Chosen("farneback", f"{follow}, and 99 % of the moving pixels move by at most {speed:.1f}")
    fastest = f"the fastest 1 % of the moving pixels move by {speed:.1f} or more"
    if limits["dis"] > limits["farneback"]:
        return Chosen("dis", f"{follow}, and {fastest}")
    return Chosen("farneback", f'{follow}; {fastest}, and "dis" follows no more of them')


def _choose_bound(motion, errors, algorithm):
    limit = find_limit(errors, algorithm)
    fast, fastest = motion.percentiles.loc[[99, 99.9], algorithm]
    if np.isnan(fast):
        return Chosen(DEFAULT.flow_bound, "the default; no motion was measured")
    needed = max(min(fast, limit), min(fastest, limit) / 2)
    ladder = ", ".join(f"{bound:g}" for bound in BOUNDS)
    return Chosen(
        next((bound for bound in BOUNDS if bound >= needed), BOUNDS[-1]),
        f"the smallest of {ladder} that clips at most 1 % of the moving pixels, and halves at most 0.1 %: by "
        f'"{algorithm}", which follows up to {limit:.3g} px/frame, 99 % move by up to {fast:.1f} and 99.9 % by up to '
        f"{fastest:.1f}",
    )


def _warn(config, fingerprint, motion, errors):
    """What is wrong with values that were given, by parameter."""
    found, percentiles = {}, motion.percentiles[config.flow_algorithm]
    small = (_usable(fingerprint)[["width", "height"]].min(axis=1) < config.short_side).mean()
    if small > SMALL:
        found["short_side"] = f". Warning: {100 * small:.0f} % of the videos are smaller, and are enlarged"
    limit = find_limit(errors, config.flow_algorithm)
    if motion.percentiles.loc[99, "dis"] > limit:
        found["flow_algorithm"] = f". Warning: {100 * motion.faster_than(limit):.1f} % of the moving pixels are faster"
    if percentiles[99.9] > config.flow_bound:
        slower = max((percent for percent in PERCENTILES if percentiles[percent] <= config.flow_bound), default=0)
        found["flow_bound"] = f". Warning: up to {100 - slower:.3g} % of the moving pixels are faster, and are clipped"
    return found


def _usable(fingerprint):
    """The training videos that can be read; all that can where there is no training split."""
    readable = fingerprint[fingerprint.frames.notna()]
    return readable[readable.split == "train"] if (fingerprint.split == "train").any() else readable


def _check_side(motion, side):
    if motion.short_side != side:
        raise ValueError(
            f"motion must be measured at the stored size, short_side={side} (see choose_short_side). "
            f"Received: motion at {motion.short_side}."
        )
