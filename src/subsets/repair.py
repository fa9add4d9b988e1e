"""The division of groups nearest to that by their places in which every class has every split."""

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_array, csr_array, eye_array, kron
from scipy.sparse.csgraph import connected_components

LEAST_TRAIN = 0.7  # of train's share of a class's clips, so that luck leaves a class of few groups enough of them
LACKING, SHORT = 1000, 10  # costs beside distances, which are below 1: a split that a class lacks, clips for train


def repair_splits(clips: pd.DataFrame, places: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """Puts each group into the split in which its place lies, or into another one where a class needs it.

    A class needs a group in each split (in the first ones, if it has fewer groups than splits), and in train half of
    train's share of its clips. Of all divisions that give the classes most of this, the result is the one whose groups
    are the least distant from their splits in total. Only classes that need something, and those that share groups with
    them, are divided in another way than by place.

    Args:
        clips: columns label, group (int, from 0) and clips, their number; one row for each pair that has clips.
        places: float (groups,), 0 … 1.
        borders: float (4,), from 0 to 1: split s is borders[s] … borders[s + 1]; empty if it is not wanted.

    Returns:
        int (groups,): the split of each group.
    """
    split_of = np.searchsorted(borders[1:3], places, side="right")
    distances = np.maximum(borders[:3] - places[:, None], places[:, None] - borders[1:]).clip(0)
    label, group = clips["label"].to_numpy(), clips["group"].to_numpy()
    share = (clips["clips"] / clips.groupby("label")["clips"].transform("sum")).to_numpy()  # of the class's clips
    least, wanted = LEAST_TRAIN * borders[1], np.diff(borders) > 0

    needed = wanted & (np.cumsum(wanted) <= np.bincount(label)[:, None])  # bool (classes, 3)
    found = np.zeros_like(needed)
    found[label, split_of[group]] = True
    in_train = np.bincount(label, share * (split_of[group] == 0))
    in_need = (needed & ~found).any(axis=1) | (in_train < least)
    if in_need.any():
        part = _connect(label, group)
        for number in np.unique(part[in_need[label]]):
            rows = part == number
            members, columns = np.unique(group[rows], return_inverse=True)
            classes, places_of = np.unique(label[rows], return_inverse=True)
            shares = csr_array((share[rows], (places_of, columns)))
            split_of[members] = _divide(shares, needed[classes], least, np.where(wanted, distances[members], np.inf))
    return split_of


def _connect(label, group):
    """int (rows,): equal for rows whose classes share groups, also through other classes."""
    first = label.max() + 1  # node of the first group; before it are the classes
    size = first + group.max() + 1
    graph = csr_array((np.ones(len(label)), (label, first + group)), shape=(size, size))
    return connected_components(graph, directed=False)[1][label]


def _divide(shares, needed, least, distances):
    """The split of each group, by integer programming: int (groups,).

    Args:
        shares: sparse float (classes, groups), of each class's clips in each group.
        needed: bool (classes, 3), the splits that each class needs.
        least: the share of a class's clips that train needs.
        distances: float (groups, 3), inf for a split that is not wanted.
    """
    classes, groups = shares.shape
    # Variables: whether a group is in a split (groups, 3), what a class lacks (classes, 3), what train lacks (classes,)
    costs = np.concatenate([distances.ravel(), np.full(3 * classes, LACKING), np.full(classes, SHORT)])
    allowed = np.isfinite(costs)
    matrix = block_array(
        [
            [kron(eye_array(groups), np.ones((1, 3))), None, None],
            [kron(shares > 0, eye_array(3)), eye_array(3 * classes), None],
            [kron(shares, [[1, 0, 0]]), None, eye_array(classes)],
        ]
    )
    lower = np.concatenate([np.ones(groups), needed.ravel(), np.full(classes, least)])
    upper = np.concatenate([np.ones(groups), np.full(4 * classes, np.inf)])
    found = milp(
        np.where(allowed, costs, 0),
        integrality=np.arange(len(costs)) < 3 * groups,
        bounds=Bounds(0, np.where(allowed, np.inf, 0)),
        constraints=LinearConstraint(matrix, lower, upper),
        options={"mip_rel_gap": 0},  # the best division is the same on every machine; a good one need not be
    )
    return found.x[: 3 * groups].reshape(-1, 3).argmax(axis=1)
